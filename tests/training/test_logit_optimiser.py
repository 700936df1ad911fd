"""Adam for logits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from azora.training.logit_optimiser import LogitOptimiser


def gradients(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(12, generator=generator, dtype=torch.float64) for _ in range(count)]


def start() -> Tensor:
    return torch.linspace(-1, 1, 12, dtype=torch.float64)


@pytest.mark.parametrize("betas", [(0.5, 0.999), (0.0, 0.999), (0.9, 0.99)])
def test_it_is_adam_with_the_decay_in_the_gradient(betas: tuple[float, float]) -> None:
    mine, theirs = start(), torch.nn.Parameter(start())
    optimiser = LogitOptimiser(mine, betas, decay=1e-2)
    adam = torch.optim.Adam([theirs], lr=0.1, betas=betas, weight_decay=1e-2)
    for step, gradient in enumerate(gradients(30)):
        rate = 0.1 / (1 + step)
        adam.param_groups[0]["lr"] = rate
        optimiser.step(gradient.clone(), rate)
        theirs.grad = gradient.clone()
        adam.step()
        torch.testing.assert_close(mine, theirs.detach(), rtol=1e-10, atol=1e-12)


def test_a_value_without_gradient_stays_while_nothing_remembers_another() -> None:
    values = start()
    optimiser = LogitOptimiser(values, (0.5, 0.999), decay=1e-2)
    gradient = gradients(1)[0]
    gradient[:6] = 0.0
    for _ in range(3):
        optimiser.step(gradient, 0.1)
    assert torch.equal(values[:6], start()[:6]) and bool((values[6:] != start()[6:]).all())
    then = values.clone()
    optimiser.step(torch.zeros(12, dtype=torch.float64), 0.1)
    assert torch.equal(values[:6], then[:6]) and bool((values[6:] != then[6:]).all())  # these remember


def test_a_gradient_is_not_written_to() -> None:
    gradient = gradients(1)[0]
    kept = gradient.clone()
    LogitOptimiser(start(), (0.5, 0.999), decay=1e-2).step(gradient, 0.1)
    assert torch.equal(gradient, kept)


def test_taken_up_it_goes_on_bit_for_bit() -> None:
    whole, parted = start(), start()
    first, second = (LogitOptimiser(values, (0.5, 0.999), decay=1e-3) for values in (whole, parted))
    for gradient in gradients(20):
        first.step(gradient, 0.05)
    for gradient in gradients(20)[:8]:
        second.step(gradient, 0.05)
    state = second.state()
    third = LogitOptimiser(parted, (0.5, 0.999), decay=1e-3)
    third.load({name: value.clone() for name, value in state.items()})
    for gradient in gradients(20)[8:]:
        third.step(gradient, 0.05)
    assert torch.equal(whole, parted)
    assert {name: value.tolist() for name, value in third.state().items()} == {
        name: value.tolist() for name, value in first.state().items()
    }


def test_what_was_loaded_is_a_copy() -> None:
    values = start()
    optimiser = LogitOptimiser(values, (0.5, 0.999), decay=0.0)
    state = {"mean": torch.zeros(12).double(), "square": torch.zeros(12).double(), "count": torch.tensor(3.0)}
    optimiser.load(state)
    optimiser.step(gradients(1)[0], 0.1)
    assert not state["mean"].any() and float(optimiser.state()["count"]) == 4
