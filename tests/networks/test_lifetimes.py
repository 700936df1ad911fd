"""What is held at once, against maps counted by hand: a map is 4 × 6 × 6 numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from azora.networks.blocks import InvertedBottleneck, Residual, Separable
from azora.networks.complexity import measure, memory
from azora.networks.shapes_only import ShapesOnly
from azora.operations import conv

CHANNELS, SHAPE = 4, (4, 6, 6)
MAP = 4 * 4 * 6 * 6  # bytes


class Way(nn.Module):
    """Any way from an input to an output, with a convolution to use on it."""

    def __init__(self, way: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.way = conv(CHANNELS, CHANNELS, 3), way

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self.conv, x)


def written(conv: nn.Module, x: Tensor) -> Tensor:
    """A map that is made empty is written to, and another beside it."""
    out = x.new_empty(x.shape)
    out[:, :2] = conv(x)[:, :2]
    return out


WAYS: dict[str, tuple[int, Callable[[nn.Module, Tensor], Tensor]]] = {
    "nothing is done": (1, lambda conv, x: x),
    "read and written": (2, lambda conv, x: conv(x)),
    "one after another": (2, lambda conv, x: conv(conv(conv(x)))),
    "the input waits": (3, lambda conv, x: x + conv(conv(x))),
    "two wait": (4, lambda conv, x: sum([x, conv(x), conv(conv(x))], start=x)),
    "a rectifier writes over what it reads": (2, lambda conv, x: torch.relu(torch.relu(conv(torch.relu(x))))),
    "unless that is read again": (3, lambda conv, x: x + torch.relu(x)),
    "0 + x as in Python's sum": (2, lambda conv, x: sum([conv(x)])),
    "a map and itself": (2, lambda conv, x: (y := conv(x)) + y),
    "views are no maps": (2, lambda conv, x: conv(x.flatten(1).reshape(1, *SHAPE)[:, :, :6])),
    "side by side": (4, lambda conv, x: torch.cat([conv(x), x], dim=1)),
    "the parts of a map are it": (3, lambda conv, x: torch.cat(conv(x).chunk(2, dim=1)[::-1], dim=1) + x),
    "writing in place makes nothing": (2, lambda conv, x: conv(x).mul_(2.0).add_(x)),
    "what is written into another": (3, written),
}


@pytest.mark.parametrize(("maps", "way"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("real", [False, True])
def test_maps_that_are_held_at_once(maps: int, way: Callable[[nn.Module, Tensor], Tensor], real: bool) -> None:
    if real:
        network = Way(way)
    else:
        with ShapesOnly():
            network = Way(way)
    assert memory(network, SHAPE) == maps * MAP == measure(network, SHAPE)["memory"]


def test_what_is_needed_afterwards_is_held_to_the_end() -> None:
    with ShapesOnly():
        twice = nn.Sequential(nn.ReLU(), conv(CHANNELS, CHANNELS, 3), nn.BatchNorm2d(CHANNELS), conv(CHANNELS, 8, 3))
    assert memory(twice, SHAPE) == 3 * MAP, "the last reads one and writes two"
    assert memory(twice, SHAPE, held=True) == 4 * MAP


@pytest.mark.parametrize(
    ("block", "maps"),
    [
        (lambda: Residual(4, 4, 1, 3), 3),  # the shortcut waits for the second convolution
        (lambda: Separable(4, 4, 1, 3), 3),
        (lambda: InvertedBottleneck(4, 4, 1, 3, 3, excite=False), 1 + 3 + 3),  # it waits for the widened ones
        (lambda: InvertedBottleneck(4, 8, 1, 3, 3, excite=False), 3 + 3),  # it does not
        (lambda: InvertedBottleneck(4, 4, 1, 3, 3, excite=True), None),
    ],
)
def test_blocks_hold_what_their_shortcuts_wait_for(block: Callable[[], nn.Module], maps: int | None) -> None:
    with ShapesOnly():
        made = block()
    # The gate of an excitation is one number a channel, beside the weighed map and the one that it weighs.
    assert memory(made, SHAPE) == (maps * MAP if maps else 7 * MAP + 4 * 12)
