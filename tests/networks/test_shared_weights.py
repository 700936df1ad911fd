"""The contract for every shipped space and for one's own, and what is elastic."""

from __future__ import annotations

import copy
import importlib.util
import random
from functools import cache
from pathlib import Path

import pytest
import torch
from tests.networks.own_spaces import Made
from torch import Tensor, nn

from azora.networks.decide import Decide
from azora.networks.importance import sort_by_importance
from azora.networks.registry import SPACES, make_space
from azora.networks.shared_weights import SharedWeights
from azora.space import Categorical, Product, Space
from azora.tasks import Signature
from azora.testing import SharedWeightsContract
from azora.training import Recipe, SharedOptimiser

PICTURES = Signature("classification", (3, 8, 8), 4)
ROWS = Signature("classification", (7,), 3)
EXAMPLE = Path(__file__).parents[2] / "examples" / "own_space.py"
SMALL = {
    "nb201": {"width": 4, "depth": 1},
    "darts": {"width": 4, "layers": 3},
    "cells": {"widths": (4, 8), "depths": (1, 2), "stages": 2},
    "residual": {"widths": (4, 8, 16)},
}


def own_space(signature: Signature) -> Space:
    """The example's space, as its user finds it."""
    spec = importlib.util.spec_from_file_location("own_space", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    space: Space = module.Plain(signature)
    return space


@cache
def shipped(name: str) -> Space:
    if name.endswith("-rows"):
        return make_space(name.removesuffix("-rows"), ROWS)
    if name == "stages-per-block":
        return make_space("stages", PICTURES, per_block=True)
    if name == "product":
        return Product(network=make_space("cells", PICTURES, **SMALL["cells"]), recipe=Recipe(PICTURES))
    if name == "own":
        return own_space(PICTURES)
    return make_space(name, PICTURES, **SMALL.get(name, {}))


class TestSpaces(SharedWeightsContract):
    @pytest.fixture(params=[*SPACES, "mlp-rows", "residual-rows", "stages-per-block", "product", "own"])
    def space(self, request: pytest.FixtureRequest) -> Space:
        return shipped(request.param)


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestTwoHundredNetworks(SharedWeightsContract):
    samples = 200

    @pytest.fixture(params=[*SPACES, "stages-per-block", "own"])
    def space(self, request: pytest.FixtureRequest) -> Space:
        return shipped(request.param)


def elastic() -> Space:
    """One convolution of kernel 3, 5 or 7."""

    def network(decide: Decide) -> nn.Module:
        kernel = decide.number("kernel")
        ending = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        return nn.Sequential(nn.Conv2d(3, 4, kernel, padding=kernel // 2), ending)

    return Made(network, [Categorical("kernel", (3, 5, 7))], (3, 8, 8))


def test_a_small_kernel_is_the_centre_of_the_large_one() -> None:
    space = elastic()
    plain, learned = SharedWeights(space), SharedWeights(space, kernel_transforms=True)
    x = torch.randn(2, 3, 8, 8)
    for architecture in space:
        edge = (7 - architecture["kernel"]) // 2
        centre = plain.whole.get_parameter("0.weight")[:, :, edge : 7 - edge, edge : 7 - edge]
        assert torch.equal(plain.extract(architecture).get_parameter("0.weight"), centre)
        with torch.no_grad():
            assert torch.equal(plain.extract(architecture)(x), learned.extract(architecture)(x))


def test_kernel_transforms_are_learned_from_the_next_larger_kernel_on() -> None:
    space = elastic()
    shared = SharedWeights(space, kernel_transforms=True)
    five, three = (shared.transforms.get_parameter(f"0→{size}x{size}") for size in (5, 3))
    optimiser, x = SharedOptimiser(shared, weight_decay=0.5), torch.randn(4, 3, 8, 8)
    for kernel, used in ((7, []), (5, [five]), (3, [five, three])):
        before = [matrix.detach().clone() for matrix in (five, three)]
        shared.zero_grad()
        architecture = space.architecture(kernel=kernel)
        shared.borrow(architecture)(x).square().sum().backward()
        moved = shared.whole.get_parameter("0.weight").grad.abs().sum((0, 1)) > 0  # type: ignore[union-attr]
        assert int(moved.sum()) == (49 if kernel == 7 else 25)
        optimiser.step(0.01)
        for matrix, old in zip((five, three), before, strict=True):
            assert torch.equal(matrix, old) != any(matrix is each for each in used)
        with torch.no_grad():
            judged = shared.borrow(architecture, learns=False)
            assert torch.equal(judged(x), judged.extract()(x))


def test_several_networks_move_the_union_of_what_they_borrowed() -> None:
    both = [Categorical("width", (2, 4)), Categorical("kernel", (3, 5))]

    def network(decide: Decide) -> nn.Module:
        kernel, width = decide.number("kernel"), decide.number("width")
        ending = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2))
        return nn.Sequential(nn.Conv2d(3, width, kernel, padding=kernel // 2), ending)

    space = Made(network, both, (3, 6, 6))
    shared = SharedWeights(space)
    optimiser, weight = SharedOptimiser(shared, weight_decay=0.1), shared.whole.get_parameter("0.weight")
    before, x = weight.detach().clone(), torch.randn(4, 3, 6, 6)
    gradients = torch.zeros_like(weight)
    for width, kernel in ((4, 3), (2, 5)):
        architecture = space.architecture(width=width, kernel=kernel)
        alone, edge = shared.extract(architecture).train(), (5 - kernel) // 2
        for each in (shared.borrow(architecture), alone):
            each(x).square().mean().backward()
        gradients[:width, :, edge : 5 - edge, edge : 5 - edge] += alone.get_parameter("0.weight").grad  # type: ignore
    union = torch.zeros_like(weight, dtype=torch.bool)
    union[:, :, 1:4, 1:4] = union[:2] = True
    torch.testing.assert_close(weight.grad, gradients)
    optimiser.step(0.1)
    step = 0.1 * 1.9 * (gradients + 0.1 * before)  # the first step of Nesterov's momentum
    torch.testing.assert_close(weight.detach(), torch.where(union, before - step, before))
    assert torch.equal(weight[~union], before[~union])
    assert not optimiser.state()["whole.0.weight"][~union].any()
    shared.zero_grad()
    shared.borrow(space.architecture(width=2, kernel=3))(x).square().mean().backward()
    assert weight.grad is not None
    assert not weight.grad[2:].any() and not weight.grad[:, :, 0].any(), "what was written before is left behind"


def test_clipping_counts_every_borrowed_entry_once() -> None:
    space = shipped("mlp-rows")
    shared = SharedWeights(space)
    optimiser, x = SharedOptimiser(shared), torch.randn(8, 7)
    for seed in (0, 1):
        shared.borrow(space.sample(random.Random(seed)))(x).square().sum().mul(100).backward()
    norm = torch.cat([each.grad.flatten() for each in shared.parameters() if each.grad is not None]).norm()
    assert optimiser.clip(1.0) == pytest.approx(float(norm), rel=1e-4)
    norm = torch.cat([each.grad.flatten() for each in shared.parameters() if each.grad is not None]).norm()
    assert float(norm) == pytest.approx(1.0, rel=1e-3)


def test_what_was_borrowed_before_a_change_refuses_to_run() -> None:
    space = shipped("mlp-rows")
    shared, architecture, x = SharedWeights(space), space.sample(random.Random(0)), torch.randn(4, 7)
    borrowed = shared.borrow(architecture)
    borrowed(x)
    shared.load_state_dict(shared.state_dict())
    with pytest.raises(RuntimeError, match="borrow it again"):
        borrowed(x)
    twin = copy.deepcopy(shared)
    twin.load_state_dict(twin.state_dict())
    shared.borrow(architecture)(x).sum().backward()
    assert twin.version == shared.version + 1
    assert all(each.grad is None for each in twin.parameters())


class _Twice(nn.Module):
    """One linear layer under two names, and a buffer that is another tensor after every pass."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(7, width)
        self.inner = nn.ModuleList([nn.Linear(width, width, bias=False)])
        self.again = self.inner[0]
        self.head = nn.Linear(width, 3)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.passes = self.passes + 1
        out: Tensor = self.head(self.again(self.inner[0](self.first(x))))
        return out


def test_tied_modules_and_buffers_that_are_replaced() -> None:
    class Tied(Space):
        signature = ROWS

        def __init__(self) -> None:
            super().__init__("tied", [Categorical("width", (4, 8))])

        def build(self, decide: Decide) -> nn.Module:
            return _Twice(decide.number("width"))

    space = Tied()
    shared, x = SharedWeights(space), torch.randn(5, 7)
    architecture = space.architecture(width=4)
    alone, borrowed, other = shared.extract(architecture), shared.borrow(architecture), shared.borrow(architecture)
    for network in (borrowed, alone, borrowed, other):
        network(x).sum().backward()
    assert borrowed.tensors["passes"] == 2 and other.tensors["passes"] == 1
    assert all(tensor.is_meta for tensor in borrowed.structure.network.state_dict().values())
    inner = shared.whole.get_parameter("inner.0.weight").grad
    assert inner is not None
    torch.testing.assert_close(inner[:4, :4], 3 * alone.get_parameter("inner.0.weight").grad)
    assert not inner[4:].any() and not inner[:, 4:].any()


def test_a_pass_that_fails_leaves_the_network_as_it_was_and_frozen_parameters_get_no_gradient() -> None:
    space = make_space("cells", PICTURES, **SMALL["cells"])
    shared, architecture = SharedWeights(space), space.sample(random.Random(0))
    borrowed = shared.borrow(architecture)
    with pytest.raises(RuntimeError):
        borrowed(torch.randn(2, 5, 8, 8))
    assert all(tensor.is_meta for tensor in borrowed.structure.network.state_dict().values())
    head = shared.whole.get_submodule("head.4")
    assert isinstance(head, nn.Linear)
    head.weight.requires_grad_(False)
    shared.borrow(architecture)(torch.randn(2, 3, 8, 8)).sum().backward()
    assert head.weight.grad is None and head.bias.grad is not None


def test_the_structure_of_a_network_is_built_once_whatever_the_recipe() -> None:
    space = shipped("product")
    shared = SharedWeights(space)
    architecture = space.sample(random.Random(0))
    other = space.architecture(**{**architecture, "recipe.batch_size": 32, "recipe.warmup": 0.5})
    another = space.architecture(**{**architecture, "recipe.batch_size": 128, "recipe.warmup": 0.1})
    assert shared.borrow(other).structure is shared.borrow(another).structure
    assert SharedWeights(space, remembered=1).borrow(other).structure is not shared.borrow(other).structure


def test_the_whole_of_a_narrowed_space_is_smaller_and_seeded() -> None:
    space = shipped("mlp-rows")
    narrow = space.constrain(None, "", width_0=[16, 32])
    assert SharedWeights(narrow).whole.get_parameter("hidden.0.0.weight").shape == (32, 7)
    first_, second, third = (SharedWeights(narrow, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first_[name], second[name]) for name in first_)
    assert not all(torch.equal(first_[name], third[name]) for name in first_)


def test_recalibration_needs_a_batch_where_there_is_something_to_measure() -> None:
    space = shipped("own")
    with pytest.raises(ValueError, match="there was none"):
        SharedWeights(space).recalibrate(space.sample(random.Random(0)), [])


def test_sorting_by_importance_changes_the_order_and_not_the_network() -> None:
    signature = Signature("classification", (3, 8, 8), 2)
    space = make_space("stages", signature, depths=(1, 2), widths=((4, 8), (4, 8)), expansions=(1, 2))
    shared = SharedWeights(space)
    largest = {"resolution": 1.0}
    for stage in (0, 1):
        largest |= {f"depth_{stage}": 2, f"width_{stage}": 8, f"kernel_{stage}": 5, f"block_{stage}": "inverted_se"}
        largest |= {f"expansion_{stage}": 2}
    architecture, x = space.architecture(**largest), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        for tensor in (*shared.parameters(), *shared.buffers()):
            if tensor.ndim == 1:
                tensor.copy_(torch.rand(tensor.shape) + 0.5)
        before = shared.borrow(architecture, learns=False)(x)
        old = shared.whole.get_parameter("stage_0.0.inverted_se.narrow.0.weight").clone()
        assert sort_by_importance(shared.whole) == 12
        shared.changed()
        torch.testing.assert_close(shared.borrow(architecture, learns=False)(x), before)
    new = shared.whole.get_parameter("stage_0.0.inverted_se.narrow.0.weight")
    importance = new.abs().sum((0, 2, 3))
    assert (importance[:-1] >= importance[1:]).all()
    assert not torch.equal(old, new)


def test_a_part_that_is_called_hidden_is_not_sorted() -> None:
    """Python 3.11 takes whatever has the attribute for the protocol; later ones look for it on the class."""
    signature = Signature("classification", (4,), 2)
    assert sort_by_importance(SharedWeights(make_space("mlp", signature)).whole) == 0
