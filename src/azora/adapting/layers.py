"""A space of small networks for tasks of a few pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from typing import final

from torch import nn

from azora.errors import SpaceError
from azora.networks.checks import check_counts, check_operations, check_pictures
from azora.networks.decide import Decide
from azora.networks.mixed import POOLINGS
from azora.operations import conv, make_operation
from azora.settings import closest
from azora.space import Architecture, Categorical, Edge, Graph, Node, Option, Space
from azora.tasks import Signature

OPERATIONS = (
    "conv_3x3", "conv_5x5", "pooled_conv_3x3", "pooled_conv_5x5", "depthwise_conv_3x3", "depthwise_conv_5x5",
    "max_pool_3x3", "skip_connect",
)  # fmt: skip
STEMS = ("conv_3x3", "conv_5x5", "pooled_conv_3x3", "pooled_conv_5x5")
POOLED = "pooled_"
SMALLEST = 4  # pixels each way that are left to the linear layer


@final
class Layers(Space):
    """A stem that halves the picture, a row of layers with an operation each, and a linear layer on all that is left.

    The first layer and every second one after it halve the map, as long as 4 × 4 are left. With `conv_3x3` everywhere
    this is about the network that few-shot learners are compared by (Finn et al., 2017; Nichol et al., 2018). What a
    pooled convolution is only where it halves is no choice of the other layers, if these have the convolution itself.
    Poolings are normalised, so that a network alone does what it does in a mixture of all operations, with the same
    weights.

    Args:
        signature: the shape of the task; pictures only.
        width: channels of all layers.
        depth: how many layers.
        operations: to choose among in each.
        stems: to choose among for the stem; of one there is no choice.

    Raises:
        SpaceError: the task is none of pictures, a count is not at least 1, or an operation is not known.
    """

    def __init__(
        self,
        signature: Signature,
        width: int = 32,
        depth: int = 4,
        operations: Sequence[str] = OPERATIONS,
        stems: Sequence[str] = STEMS,
    ) -> None:
        check_pictures("layers", signature)
        check_counts("layers", width=width, depth=depth)
        check_operations("layers", operations)
        if not stems:
            raise SpaceError(f"layers: a stem is wanted, one of {', '.join(STEMS)}")
        if others := [each for each in stems if each not in STEMS]:
            raise SpaceError(f"layers: there is no stem {others[0]!r}; {closest(others[0], STEMS)}")
        self.signature, self.width, self.depth, self.operations = signature, width, depth, tuple(operations)
        self.stems = tuple(stems)
        self._offered = ({"stem": self.stems} if len(self.stems) > 1 else {}) | {
            f"operation_{layer}": self.operations if stride > 1 else plain(self.operations)
            for layer, stride in enumerate(self._strides())
        }
        choices = [Categorical(name, operations) for name, operations in self._offered.items()]
        super().__init__("layers", choices, settings={"width": width, "depth": depth})

    def build(self, decide: Decide) -> nn.Module:
        """(B, C, H, W) → (B, outputs)."""
        sides = [-(-side // 2) for side in self.signature.shape[1:]]
        network = nn.Sequential()
        make = partial(stem, self.signature.shape[0], self.width)
        network.add_module("stem", decide.module("stem", make) if "stem" in self._offered else make(self.stems[0]))
        for layer, stride in enumerate(self._strides()):
            sides = [-(-side // stride) for side in sides]
            made = decide.module(f"operation_{layer}", partial(normed, channels=self.width, stride=stride))
            network.add_module(f"layer_{layer}", made)
        network.add_module("head", nn.Sequential(nn.ReLU(), nn.Flatten(), self._linear(prod(sides))))
        return network

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        """The same operation in the stem and every layer, or what stands for it there."""
        return [{name: _standing(each, offered) for name, offered in self._offered.items()} for each in self.operations]

    def graph(self, architecture: Architecture) -> Graph:
        nodes = [Node("input", f"{self.width} channels", "input")]
        nodes += [Node(name, str(value), "operation") for name, value in architecture.items()]
        nodes.append(Node("output", f"{self.signature.outputs} outputs", "output"))
        edges = [Edge(left.name, right.name) for left, right in zip(nodes, nodes[1:], strict=False)]
        return Graph("layers", tuple(nodes), tuple(edges))

    def _strides(self) -> list[int]:
        """Of every layer."""
        side, strides = -(-min(self.signature.shape[1:]) // 2), list[int]()
        for layer in range(self.depth):
            strides.append(2 if layer % 2 == 0 and side >= 2 * SMALLEST - 1 else 1)
            side = -(-side // strides[-1])
        return strides

    def _linear(self, pixels: int) -> nn.Linear:
        return nn.Linear(self.width * pixels, self.signature.outputs)


def plain(operations: Sequence[str]) -> tuple[str, ...]:
    """Those that differ where nothing is halved."""
    return tuple(each for each in operations if each.removeprefix(POOLED) not in operations or POOLED not in each)


def _standing(operation: str, offered: Sequence[str]) -> str:
    """The operation where it is offered, else the convolution that a pooled one has, or the first that is offered."""
    return next((each for each in (operation, operation.removeprefix(POOLED)) if each in offered), offered[0])


def stem(channels_in: int, channels_out: int, name: str) -> nn.Module:
    """The picture's own convolution, which halves it as `name` says. (B, C, H, W) → (B, C', ⌈H/2⌉, ⌈W/2⌉)."""
    kernel, norm = int(name[-1]), nn.BatchNorm2d(channels_out)
    if name.startswith(POOLED):
        return nn.Sequential(conv(channels_in, channels_out, kernel), nn.MaxPool2d(3, 2, 1), norm)
    return nn.Sequential(conv(channels_in, channels_out, kernel, 2), norm)


def normed(name: str, channels: int, stride: int) -> nn.Module:
    """The operation called `name`; behind a pooling a normalisation, as a mixture would put there."""
    made = make_operation(name, channels, stride)
    return nn.Sequential(made, nn.BatchNorm2d(channels, affine=False)) if isinstance(made, POOLINGS) else made
