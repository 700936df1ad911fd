"""A space of cells that is small enough to be trained whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final

from torch import nn

from azora.errors import SpaceError
from azora.networks.cell import Cell, expression
from azora.networks.cell_network import CellNetwork, Skeleton
from azora.networks.cells import cell_graph
from azora.networks.checks import check_counts, check_pictures
from azora.networks.decide import Decide
from azora.networks.skeleton import staged
from azora.operations import make_operation
from azora.space import Architecture, Categorical, Graph, Option, Space
from azora.tasks import Signature

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATIONS = ("none", "skip_connect", "conv_3x3", "depthwise_conv_3x3", "max_pool_3x3")
LONG = (0, 3)  # the way past all others: open or not


@final
class DigitsCells(Space):
    """Four nodes and six edges, of which the longest is a skip or nothing: 6,250 cells, 2,251 of them distinct.

    The cell stands in two stages of a network whose other parts see no shapes. Every one of the 2,251 was trained for
    the benchmark `digits-cells`.

    Args:
        signature: the shape of the task; pictures only.
        width: channels of the first stage; twice as many in the second (benchmark: 8).
        depth: cells a stage (benchmark: 1).
    """

    def __init__(self, signature: Signature, width: int = 8, depth: int = 1) -> None:
        check_pictures("digits-cells", signature)
        check_counts("digits-cells", width=width, depth=depth)
        self.signature, self.width, self.depth = signature, width, depth
        choices = [Categorical(_name(edge), OPERATIONS[:2] if edge == LONG else OPERATIONS) for edge in EDGES]
        super().__init__("digits-cells", choices, settings={"width": width, "depth": depth})

    def build(self, decide: Decide) -> nn.Module:
        """(B, C, H, W) → (B, outputs)."""
        return staged(self.signature, self._widths(), self.depth, partial(self._cell, decide), plain=True)

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        return expression(_edges(decisions), 3, loose=False)

    def features(self, decisions: Mapping[str, Option]) -> Mapping[str, Sequence[float]]:
        """Those of `CellNetwork`."""
        return self._described(decisions).features(OPERATIONS)

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        return self._described(decisions).cost()

    def graph(self, architecture: Architecture) -> Graph:
        return cell_graph(f"cell, {self.depth} a stage", _edges(architecture), 3, loose=False)

    def from_code(self, code: str) -> Architecture:
        """The architecture whose six digits say, edge by edge, which of the five operations it has.

        Raises:
            SpaceError: it is not six digits from 0 to 4, or the fourth is neither 0 nor 1.
        """
        if len(code) != len(EDGES) or not set(code) <= set("01234"):
            raise SpaceError(f"digits-cells: {code!r} is not six digits from 0 to 4")
        return self.architecture(
            **{_name(edge): OPERATIONS[int(digit)] for edge, digit in zip(EDGES, code, strict=True)}
        )

    def _cell(self, decide: Decide, channels: int) -> Cell:
        edges = {edge: decide.module(_name(edge), lambda name: make_operation(name, channels)) for edge in EDGES}
        return Cell(edges, 3, loose=False)

    def _widths(self) -> tuple[int, int]:
        return self.width, 2 * self.width

    def _described(self, decisions: Mapping[str, Option]) -> CellNetwork:
        skeleton = Skeleton(self.signature, self._widths(), plain=True)
        return CellNetwork(_edges(decisions), 3, False, skeleton, self.depth)


def to_code(architecture: Architecture) -> str:
    """The six digits of an architecture of this space."""
    return "".join(str(OPERATIONS.index(name)) for name in _edges(architecture).values())


def _name(edge: tuple[int, int]) -> str:
    return f"operation_{edge[0]}_{edge[1]}"


def _edges(decisions: Mapping[str, Option]) -> dict[tuple[int, int], str]:
    return {edge: decisions[_name(edge)] for edge in EDGES}
