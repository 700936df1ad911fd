"""Written weights: of every architecture, of one norm, the same when extracted, and refused where they cannot be."""

from __future__ import annotations

import copy
import math
import random
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from azora.errors import ConfigError, SpaceError
from azora.networks.decide import Decide
from azora.networks.hypernetwork import GENERATED, Hypernetwork
from azora.networks.registry import SPACES, make_space
from azora.space import Architecture, Categorical, Product, Space
from azora.tasks import Signature
from azora.training import HyperOptimiser, Recipe

PICTURES = Signature("classification", (3, 8, 8), 4)
SMALL = {
    "mlp": {"widths": (4, 8, 16)},
    "residual": {"widths": (4, 8, 16)},
    "nb201": {"width": 4, "depth": 1},
    "darts": {"width": 4, "layers": 3},
    "cells": {"nodes": 2, "widths": (4, 8), "depths": (1, 2), "stages": 2},
}


@cache
def made(name: str) -> Hypernetwork:
    if name == "product":
        return Hypernetwork(Product(network=make_space("mlp", PICTURES, **SMALL["mlp"]), recipe=Recipe(PICTURES)))
    return Hypernetwork(make_space(name, PICTURES, **SMALL.get(name, {})), bases=3)


def some(space: Space, count: int = 3) -> list[Architecture]:
    rng = random.Random(0)
    return [space.sample(rng) for _ in range(count)]


def rows(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, *PICTURES.shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[*SPACES, "product"])
def hyper(request: pytest.FixtureRequest) -> Hypernetwork:
    return made(request.param)


def test_a_network_gives_bit_for_bit_what_the_extracted_one_gives(hyper: Hypernetwork) -> None:
    x, batches = rows(3), [rows(8, seed) for seed in (1, 2)]
    before = {name: value.clone() for name, value in hyper.state_dict().items()}
    for architecture in some(hyper.space):
        with torch.no_grad():
            assert torch.equal(hyper.borrow(architecture, learns=False)(x), hyper.extract(architecture)(x))
            judged = hyper.recalibrate(architecture, batches)
            assert torch.equal(judged(x), judged.extract()(x))
    assert all(torch.equal(before[name], value) for name, value in hyper.state_dict().items())


def test_every_row_that_is_written_has_the_norm_of_the_others(hyper: Hypernetwork) -> None:
    for architecture in some(hyper.space):
        for module in hyper.extract(architecture).modules():
            if isinstance(module, GENERATED):
                norms = module.weight.detach().flatten(1).norm(dim=1)
                assert torch.allclose(norms, torch.full_like(norms, math.sqrt(2)), rtol=1e-4)


def test_a_backward_pass_reaches_all_that_wrote_and_a_step_moves_that_alone(hyper: Hypernetwork) -> None:
    hyper = copy.deepcopy(hyper)
    architecture, optimiser = some(hyper.space, 1)[0], HyperOptimiser(hyper)
    used = {slot.name for slot in hyper.shared.structure(architecture).parameters}
    before = {name: value.detach().clone() for name, value in hyper.named_parameters()}
    hyper.borrow(architecture)(rows(8)).square().sum().backward()
    for name, parameter in hyper.named_parameters():
        kind, _, rest = name.partition(".")
        path = rest.replace("/", ".") if kind == "heads" else name.removeprefix("shared.whole.")
        if kind in ("heads", "shared"):
            assert (parameter.grad is not None) == (path in used), name
        else:
            assert parameter.grad is not None and parameter.grad.any(), name
    assert optimiser.clip(1.0) > 0
    optimiser.step(1e-2)
    moved = {name for name, value in hyper.named_parameters() if not torch.equal(value, before[name])}
    assert moved and moved <= {name for name, value in hyper.named_parameters() if value.grad is not None}
    assert {"codes.weight", "perceptron.0.weight"} <= moved


def test_what_is_free_is_lent_as_shared_weights_lend_it() -> None:
    hyper = made("mlp")
    architecture = hyper.space.architecture(
        depth=2, width_0=16, width_1=4, activation="relu", normalisation="batch", dropout=0.0, skip=True
    )
    alone, shared = hyper.extract(architecture), hyper.shared.extract(architecture)
    written = [name for name, value in alone.named_parameters() if not torch.equal(value, shared.get_parameter(name))]
    assert written == ["hidden.0.0.weight", "hidden.1.0.weight", "head.weight", "skip.True_.weight"]


def test_architectures_get_weights_of_their_own_only_from_their_code() -> None:
    space = make_space("mlp", PICTURES, **SMALL["mlp"])
    decisions = {"depth": 1, "width_0": 8, "normalisation": "none", "dropout": 0.0, "skip": False}
    one, other = (space.architecture(**decisions, activation=name) for name in ("relu", "tanh"))
    for bases, same in ((3, False), (0, True)):
        hyper = Hypernetwork(space, bases=bases)
        weights = [hyper.extract(each).get_parameter("head.weight") for each in (one, other)]
        assert torch.equal(*weights) is same


def test_of_a_product_the_recipe_is_not_in_the_code() -> None:
    hyper, rng = made("product"), random.Random(0)
    first = hyper.space.sample(rng)
    network = {name: value for name, value in first.items() if name.startswith("network.")}
    recipe = {name: value for name, value in hyper.space.sample(rng).items() if name.startswith("recipe.")}
    other = hyper.space.architecture(**network, **recipe)
    assert other != first
    states = [hyper.extract(each).state_dict() for each in (first, other)]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


def test_a_constrained_space_has_the_code_of_the_whole() -> None:
    space = make_space("mlp", PICTURES, **SMALL["mlp"])
    part = space.constrain(lambda architecture: architecture["depth"] <= 2, "two layers at most", normalisation="batch")
    hyper = Hypernetwork(part)
    assert hyper.perceptron[0].in_features == Hypernetwork(space).perceptron[0].in_features
    for architecture in some(part):
        with torch.no_grad():
            assert torch.equal(hyper.borrow(architecture, learns=False)(rows(2)), hyper.extract(architecture)(rows(2)))


def test_the_seed_decides_and_copies_are_their_own() -> None:
    space = make_space("mlp", PICTURES, **SMALL["mlp"])
    torch.manual_seed(5)
    first, same, other = (Hypernetwork(space, seed) for seed in (1, 1, 2))
    weights = dict(first.named_parameters())
    assert all(torch.equal(weights[name], value) for name, value in same.named_parameters())
    assert not torch.equal(first.perceptron[0].weight, other.perceptron[0].weight)
    twin = copy.deepcopy(first)
    assert twin.space is space
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert all(torch.equal(weights[name], value) for name, value in same.named_parameters())


def test_networks_refuse_to_run_when_the_weights_have_changed() -> None:
    hyper = copy.deepcopy(made("mlp"))
    borrowed = hyper.borrow(some(hyper.space, 1)[0], learns=False)
    hyper.load_state_dict(hyper.state_dict())
    with pytest.raises(RuntimeError, match="changed since this network was borrowed"):
        borrowed(rows(1))


def test_a_network_that_does_not_learn_has_no_history() -> None:
    borrowed = made("cells").borrow(some(made("cells").space, 1)[0], learns=False)
    assert not any(tensor.requires_grad for tensor in borrowed.tensors.values())
    assert not borrowed(rows(2)).requires_grad


def test_a_row_of_zeros_stays_finite() -> None:
    hyper = Hypernetwork(make_space("mlp", PICTURES, **SMALL["mlp"]), bases=0)
    with torch.no_grad():
        hyper.shared.whole.get_parameter("head.weight").zero_()
    hyper.changed()
    out = hyper.borrow(some(hyper.space, 1)[0])(rows(4))
    out.sum().backward()
    assert out.isfinite().all()
    assert all(each.grad.isfinite().all() for each in hyper.parameters() if each.grad is not None)


class Own(Space):
    """A space whose one module is `layer`."""

    def __init__(self, layer: nn.Module) -> None:
        self.signature, self.layer = Signature("classification", (6,), 2), layer
        super().__init__("own", [Categorical("unused", (1, 2))])

    def build(self, decide: Decide) -> nn.Module:
        return nn.Sequential(copy.deepcopy(self.layer))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.Embedding(6, 2), "0.weight of Embedding is neither"),
        (nn.ConvTranspose1d(6, 2, 1), "0.weight of ConvTranspose1d is neither"),
        (nn.MultiheadAttention(6, 2), "0.in_proj_weight of MultiheadAttention is neither"),
        (nn.LayerNorm(6), "no network has a linear layer or a convolution"),
    ],
    ids=["embedding", "transposed", "attention", "nothing"],
)
def test_what_cannot_be_written_is_refused_by_name(layer: nn.Module, reason: str) -> None:
    with pytest.raises(SpaceError, match=f"own: .*{reason}"):
        Hypernetwork(Own(layer))


def test_one_that_would_be_too_large_is_refused() -> None:
    space = make_space("mlp", PICTURES, depths=(1,), widths=(4, 8))  # 8 × 192, 4 × 8 and 4 × 192 weights
    with pytest.raises(SpaceError, match=r"0\.0 million weights .* of 3 bases has 0\.0 million .* above 0\.009343"):
        Hypernetwork(space, bases=3, most_parameters=9_343)
    Hypernetwork(space, bases=3, most_parameters=9_344)


@pytest.mark.parametrize("wrong", [{"bases": -1}, {"hidden": 0}])
def test_numbers_out_of_bounds_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="at least 0 and 1"):
        Hypernetwork(make_space("mlp", PICTURES), **wrong)
