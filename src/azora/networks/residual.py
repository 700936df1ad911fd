"""Residual networks for rows of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.checks import check_counts, check_shares
from azora.networks.decide import Decide
from azora.networks.importance import Use
from azora.networks.mlp import ACTIVATIONS, NORMS
from azora.space import Architecture, Categorical, Edge, Graph, Node, Option, Space
from azora.tasks import Signature


@final
class ResidualBlock(nn.Module):
    """x + Dropout(Linear(Dropout(ReLU(Linear(BatchNorm(x)))))) (Gorishniy et al., 2021). (B, width) → (B, width)."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(self.first(x))
        return out

    def hidden(self) -> tuple[str, Sequence[Use]]:
        """What is between the linear layers (see `azora.networks.importance`)."""
        return "second.0.weight", [("first.1.weight", 0), ("first.1.bias", 0), ("second.0.weight", 1)]


@final
class _OfRows(nn.Module):
    """(B, …) → (B, outputs): a linear layer to the blocks' width, the blocks, and what reads them."""

    def __init__(self, width: nn.Module, blocks: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.width, self.blocks, self.head = width, blocks, head

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.blocks(self.width(torch.flatten(x, 1))))
        return out


@final
class Residual(Space):
    """Depth and width of a residual network for rows, what its blocks widen to, activation, normalisation, dropout.

    All blocks are of one width (Gorishniy et al., 2021: "ResNet" among networks for tables); theirs have a rectifier
    and batch normalisation, which are searched here.

    Args:
        signature: the shape of the task; pictures are flattened.
        depths: numbers of blocks to choose among.
        widths: of what goes from block to block.
        expansions: how many times as wide a block is inside.
        dropouts: shares of values dropped inside of a block to choose among.
        residual_dropouts: the same of what a block adds.

    Raises:
        SpaceError: a depth, width or expansion is no whole number of at least 1, or a dropout is not in [0, 1).
    """

    def __init__(
        self,
        signature: Signature,
        depths: Sequence[int] = (1, 2, 3, 4),
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        expansions: Sequence[int] = (1, 2, 4),
        dropouts: Sequence[float] = (0.0, 0.1, 0.2, 0.4),
        residual_dropouts: Sequence[float] = (0.0, 0.1, 0.2),
    ) -> None:
        check_counts("residual", depths=depths, widths=widths, expansions=expansions)
        check_shares("residual", "dropouts", dropouts, zero=True)
        check_shares("residual", "residual_dropouts", residual_dropouts, zero=True)
        self.signature = signature
        self.depths, self.widths, self.expansions = tuple(depths), tuple(widths), tuple(expansions)
        self.dropouts = tuple(float(each) for each in dropouts)
        self.residual_dropouts = tuple(float(each) for each in residual_dropouts)
        choices = [
            Categorical("depth", self.depths),
            Categorical("width", self.widths),
            Categorical("expansion", self.expansions),
            Categorical("activation", ("relu", "gelu", "silu")),
            Categorical("normalisation", ("batch", "layer")),
            Categorical("dropout", self.dropouts),
            Categorical("residual_dropout", self.residual_dropouts),
        ]
        super().__init__("residual", choices)

    def build(self, decide: Decide) -> nn.Module:
        """(B, F) or (B, C, H, W) → (B, outputs)."""
        width = decide.number("width")
        blocks = nn.Sequential(*(self._block(decide, width) for _ in range(decide.number("depth"))))
        head = nn.Sequential(*_normed(decide, width), nn.Linear(width, self.signature.outputs))
        return _OfRows(nn.Linear(prod(self.signature.shape), width), blocks, head)

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        """What most would try first: one, two and four blocks, with a little dropout inside."""
        usual = {"expansion": 2, "activation": "relu", "normalisation": "batch"}
        dropped = {"dropout": 0.1, "residual_dropout": 0.0}
        return [{"depth": depth, "width": width, **usual, **dropped} for depth, width in ((2, 128), (1, 64), (4, 128))]

    def graph(self, architecture: Architecture) -> Graph:
        width, wide = architecture["width"], architecture["width"] * architecture["expansion"]
        inside = f"{architecture['normalisation']} norm, linear {wide}, {architecture['activation']}, linear {width}"
        nodes = [
            Node("input", f"{prod(self.signature.shape)} columns", "input"),
            Node("width", f"linear {width}", "operation"),
            *(Node(f"block {block}", f"x + ({inside})", "operation") for block in range(architecture["depth"])),
            Node("output", f"{self.signature.outputs} outputs", "output"),
        ]
        edges = tuple(Edge(left.name, right.name) for left, right in zip(nodes, nodes[1:], strict=False))
        dropped = f"{architecture['dropout']:g} and {architecture['residual_dropout']:g}"
        return Graph(f"residual, dropout {dropped}", tuple(nodes), edges)

    def _block(self, decide: Decide, width: int) -> ResidualBlock:
        wide = width * decide.number("expansion")
        norm, activation = _normed(decide, width)
        first = nn.Sequential(norm, nn.Linear(width, wide), activation, nn.Dropout(decide.number("dropout")))
        return ResidualBlock(
            first, nn.Sequential(nn.Linear(wide, width), nn.Dropout(decide.number("residual_dropout")))
        )


def _normed(decide: Decide, width: int) -> tuple[nn.Module, nn.Module]:
    """A normalisation of (B, width), and an activation."""
    norm = decide.module("normalisation", lambda name: NORMS[name](width))
    return norm, decide.module("activation", lambda name: ACTIVATIONS[name]())
