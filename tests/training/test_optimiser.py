"""The optimisers, step for step those of torch.optim, and without its compiler."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from azora.training import RecipeSettings
from azora.training.optimiser import Optimiser


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 3))
    return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def theirs(made: nn.Module, recipe: RecipeSettings) -> torch.optim.Optimizer:
    weights, others = ([p for p in made.parameters() if (p.ndim > 1) == wide] for wide in (True, False))
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, 0.01, fused=True)
    return torch.optim.SGD(groups, 0.01, momentum=0.9, nesterov=True, fused=True)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_every_step_is_torchs_own(name: str) -> None:
    recipe = RecipeSettings(name, weight_decay=0.1)
    one, other = network(), network()
    mine, reference = Optimiser(one, recipe), theirs(other, recipe)
    for step in range(6):
        x = torch.randn(8, 2, 8, 8)
        rate = 0.01 * (step + 1)
        mine.zero_grad()
        reference.zero_grad()
        one(x).square().mean().backward()
        other(x).square().mean().backward()
        mine.step(rate)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        if step == 2:  # put down and taken up
            state = {name: value.clone() for name, value in mine.state().items()}
            mine = Optimiser(one, recipe)
            mine.load(state)
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_what_has_no_gradient_stays_and_joins_later(name: str) -> None:
    made = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    optimiser = Optimiser(made, RecipeSettings(name, weight_decay=0.1))
    before = made[1].weight.clone()
    for module in (made[0], made[0]):
        optimiser.zero_grad()
        module(torch.ones(2, 3)).sum().backward()
        optimiser.step(0.1)
    assert torch.equal(made[1].weight, before)
    optimiser.zero_grad()
    (made[0](torch.ones(2, 3)) + made[1](torch.ones(2, 3))).sum().backward()
    optimiser.step(0.1)
    assert not torch.equal(made[1].weight, before)


def test_state_of_another_network_is_refused() -> None:
    with pytest.raises(KeyError):
        Optimiser(nn.Linear(2, 2), RecipeSettings()).load({"7.momentum_buffer": torch.zeros(2)})


def test_a_training_does_not_import_the_compiler() -> None:
    code = """
import sys, torch
from torch import nn
from azora.training import RecipeSettings
from azora.training.optimiser import Optimiser
for name in ("sgd", "adamw"):
    layer = nn.Linear(2, 2)
    optimiser = Optimiser(layer, RecipeSettings(name))
    layer(torch.ones(1, 2)).sum().backward()
    nn.utils.clip_grad_norm_(layer.parameters(), 1.0, foreach=True)
    optimiser.step(0.1)
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_state_from_a_file_lies_beside_the_weights_its_count_too() -> None:
    one = Optimiser(nn.Linear(2, 3, device="meta"), RecipeSettings("adamw"))
    one.load({"0.step": torch.tensor(4.0), "0.exp_avg": torch.zeros(3, 2)})
    assert {each.device.type for each in one.state().values()} == {"meta"}
