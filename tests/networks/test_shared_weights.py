"""The contract for every shipped space and for one's own, what is refused, and what is elastic."""

from __future__ import annotations

import copy
import importlib.util
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.decide import Decide
from azora.networks.importance import sort_by_importance
from azora.networks.registry import SPACES, make_space
from azora.networks.shared_weights import SharedWeights
from azora.networks.slicing import Box, first, slices
from azora.space import Categorical, Choice, Product, Space
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


class Made(Space):
    """A space of one's own: two numbers, and what is made of them."""

    def __init__(self, make: Callable[[Decide], nn.Module], choices: Sequence[Choice], shape: Sequence[int]) -> None:
        self.signature = Signature("classification", tuple(shape), 2)
        self.make = make
        super().__init__("made", choices)

    def build(self, decide: Decide) -> nn.Module:
        return self.make(decide)


WIDTH = Categorical("width", (4, 8))


def rows(make: Callable[[int], nn.Module]) -> Space:
    """`make` gives a module that takes and gives (B, width)."""

    def network(decide: Decide) -> nn.Module:
        width = decide.number("width")
        return nn.Sequential(nn.Linear(3, width), make(width), nn.Linear(width, 2))

    return Made(network, [WIDTH], (3,))


def maps(make: Callable[[int], nn.Module]) -> Space:
    """`make` gives a module that takes and gives (B, width, 4, 4)."""

    def network(decide: Decide) -> nn.Module:
        width = decide.number("width")
        ending = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2))
        return nn.Sequential(nn.Conv2d(3, width, 1), make(width), ending)

    return Made(network, [WIDTH], (3, 4, 4))


class Plain(nn.Module):
    """Keeps a tensor as an attribute."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scales = [torch.ones(width)]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scales[0]


class Scaled(nn.Module):
    """A scale for each channel, as a parameter of its own, and perhaps a fixed one for all."""

    def __init__(self, width: int, fixed: float | None = None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.register_buffer("fixed", torch.tensor(1.0 if fixed is None else fixed))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale * self.get_buffer("fixed")


class Ruled(Scaled):
    """The same with a rule of its own."""


class Recurrent(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.GRU(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cell(x[None])[0][0]
        return out


def deep(decide: Decide) -> nn.Module:
    """A head behind the layers, whose place depends on how many there are."""
    layers = [nn.Linear(3, 3) for _ in range(decide.number("depth"))]
    return nn.Sequential(*layers, nn.BatchNorm1d(3), nn.Linear(3, 2))


def flat(decide: Decide) -> nn.Module:
    """A linear layer after maps of two sizes."""
    size = decide.number("size")
    return nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Flatten(), nn.Linear(3 * size * size, 2))


REFUSED = {
    "groups": (lambda: maps(lambda width: nn.Conv2d(width, width, 1, groups=2)), "1.weight of Conv2d .* groups"),
    "norm groups": (lambda: maps(lambda width: nn.GroupNorm(2, width)), "1.weight of GroupNorm .* groups"),
    "maps": (lambda: maps(lambda width: nn.LayerNorm([width, 4, 4])), "1.weight of LayerNorm .* maps of another size"),
    "packed gates": (lambda: rows(Recurrent), "1.cell.weight_ih_l0 of GRU .* no rule"),
    "own parameter": (lambda: rows(Scaled), "1.scale of Scaled .* no rule"),
    "attribute": (lambda: rows(Plain), "1.scales of Plain .* plain attribute"),
    "buffer": (lambda: rows(lambda width: Ruled(width, 1 / width)), "1.fixed of Ruled .* are the architecture's"),
    "place": (lambda: Made(deep, [Categorical("depth", (1, 2))], (3,)), "of BatchNorm1d .* has a Linear there"),
    "flattened": (lambda: Made(flat, [Categorical("size", (1, 2))], (3, 4, 4)), "2.weight of Linear .* of 1×1 and 2×2"),
    "projection": (
        lambda: make_space("stages", Signature("classification", (3, 2, 2), 2), widths=((8, 16), (8, 16))),
        "shortcut.0.weight of Conv2d .* has none",
    ),
}  # fmt: skip


@slices(Ruled)
def rule_of_ruled(large: Ruled, small: Ruled, name: str) -> Box:
    return first(large, small, name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_sliced_is_refused_by_name_when_the_weights_are_made(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(SpaceError, match=message) as refused:
        SharedWeights(make())
    assert "\n" not in str(refused.value)


def test_a_space_without_a_network_or_with_a_word_for_many_modules_is_refused() -> None:
    with pytest.raises(SpaceError, match="no network to build"):
        SharedWeights(Space("bare", [WIDTH]))
    word = Made(lambda decide: nn.Linear(3, 2, bias=decide.category("kind") == "a"), [Categorical("kind", "ab")], (3,))
    with pytest.raises(SpaceError, match="'kind' decides more than one module"):
        SharedWeights(word)


@pytest.mark.parametrize(
    "make",
    [
        lambda: rows(Ruled),
        lambda: rows(nn.LayerNorm),
        lambda: maps(lambda width: nn.Conv2d(width, width, 3, padding=1, groups=width)),
        lambda: maps(lambda width: nn.Conv2d(width, width, 1, groups=width // 4)),
        lambda: maps(lambda width: nn.ConvTranspose2d(width, width, 3, padding=1)),
        lambda: maps(lambda width: nn.GroupNorm(width // 4, width)),
    ],
    ids=["own rule", "layer norm", "depthwise", "more groups", "transposed", "group norm"],
)
def test_slices_of_other_modules(make: Callable[[], Space]) -> None:
    space = make()
    shared = SharedWeights(space)
    x = torch.randn(2, *space.signature.shape)  # type: ignore[attr-defined]
    for architecture in space:
        alone = shared.extract(architecture)
        with torch.no_grad():
            assert torch.equal(shared.borrow(architecture, learns=False)(x), alone(x))
            for name, parameter in alone.named_parameters():
                whole = shared.whole.get_parameter(name)
                assert torch.equal(parameter, whole[tuple(slice(size) for size in parameter.shape)])


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
