"""What slices of shared weights can be taken of, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.networks.own_spaces import Made
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.decide import Decide
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.networks.slicing import Box, first, slices
from azora.space import Categorical, Space
from azora.tasks import Signature

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
