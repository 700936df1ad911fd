"""Spaces of one small cell in a fixed network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from torch import nn

from azora.networks.cell import Cell, expression
from azora.networks.cell_network import CellNetwork, Skeleton
from azora.networks.cells import cell_graph
from azora.networks.checks import check_counts, check_pictures
from azora.networks.decide import Decide, OfChannels
from azora.networks.skeleton import staged
from azora.operations import make_operation
from azora.space import Architecture, Categorical, Graph, Option, Space
from azora.tasks import Signature

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


class FourNodes(Space):
    """A cell of four nodes and six edges, an operation on each, `depth` times in each of `stages` stages.

    Args:
        name: what the space is called.
        options: the operations of each edge, in the order of `EDGES`.
        signature: the shape of the task; pictures only.
        width: channels of the first stage; they double from stage to stage.
        depth: cells a stage.
    """

    operations: ClassVar[Sequence[str]]
    stages: ClassVar[int]
    plain: ClassVar[bool] = False  # see `azora.networks.skeleton.staged`

    def __init__(
        self, name: str, options: Sequence[Sequence[str]], signature: Signature, width: int, depth: int
    ) -> None:
        check_pictures(name, signature)
        check_counts(name, width=width, depth=depth)
        self.signature, self.width, self.depth = signature, width, depth
        self.widths = tuple(width * 2**stage for stage in range(self.stages))
        choices = [Categorical(edge_name(edge), tuple(kinds)) for edge, kinds in zip(EDGES, options, strict=True)]
        super().__init__(name, choices, settings={"width": width, "depth": depth})

    def build(self, decide: Decide) -> nn.Module:
        """(B, C, H, W) → (B, outputs)."""
        depth = decide.repeats(self.depth)
        return staged(self.signature, self.widths, depth, partial(self._cell, decide), plain=self.plain)

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        return expression(edges_of(decisions), 3, loose=False)

    def features(self, decisions: Mapping[str, Option]) -> Mapping[str, Sequence[float]]:
        """Those of `CellNetwork`."""
        return self._described(decisions).features(self.operations)

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        return self._described(decisions).cost()

    def kinds(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        return self._described(decisions).kinds()

    def unread(self, decisions: Mapping[str, Option]) -> Collection[str]:
        """The edges into nodes from which only `none` leads on."""
        read = {3}
        for (source, target), name in reversed(edges_of(decisions).items()):
            if target in read and name != "none":
                read.add(source)
        return [name for (_, target), name in _NAMED if target not in read]

    def graph(self, architecture: Architecture) -> Graph:
        return cell_graph(f"cell, {self.depth} a stage", edges_of(architecture), 3, loose=False)

    def _cell(self, decide: Decide, channels: int) -> Cell:
        edges = {edge: decide.module(edge_name(edge), OfChannels(make_operation, channels)) for edge in EDGES}
        return Cell(edges, 3, loose=False)

    def _described(self, decisions: Mapping[str, Option]) -> CellNetwork:
        skeleton = Skeleton(self.signature, self.widths, plain=self.plain)
        return CellNetwork(edges_of(decisions), 3, False, skeleton, self.depth)


def edge_name(edge: tuple[int, int]) -> str:
    """The choice of an edge's operation."""
    return f"operation_{edge[0]}_{edge[1]}"


_NAMED = tuple((edge, edge_name(edge)) for edge in EDGES)  # asked for with every architecture


def edges_of(decisions: Mapping[str, Option]) -> dict[tuple[int, int], str]:
    """The operation of each edge."""
    return {edge: decisions[name] for edge, name in _NAMED}
