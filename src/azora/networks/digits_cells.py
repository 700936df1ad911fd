"""A space of cells that is small enough to be trained whole."""

from __future__ import annotations

from typing import final

from azora.errors import SpaceError
from azora.networks.four_nodes import EDGES, FourNodes, edge_name, edges_of
from azora.space import Architecture
from azora.tasks import Signature

OPERATIONS = ("none", "skip_connect", "conv_3x3", "depthwise_conv_3x3", "max_pool_3x3")
LONG = (0, 3)  # the way past all others: open or not


@final
class DigitsCells(FourNodes):
    """Four nodes and six edges, of which the longest is a skip or nothing: 6,250 cells, 2,251 of them distinct.

    The cell stands in two stages of a network whose other parts see no shapes. Every one of the 2,251 was trained for
    the benchmark `digits-cells`.

    Args:
        signature: the shape of the task; pictures only.
        width: channels of the first stage; twice as many in the second (benchmark: 8).
        depth: cells a stage (benchmark: 1).
    """

    operations = OPERATIONS
    stages = 2
    plain = True

    def __init__(self, signature: Signature, width: int = 8, depth: int = 1) -> None:
        options = [OPERATIONS[:2] if edge == LONG else OPERATIONS for edge in EDGES]
        super().__init__("digits-cells", options, signature, width, depth)

    def from_code(self, code: str) -> Architecture:
        """The architecture whose six digits say, edge by edge, which of the five operations it has.

        Raises:
            SpaceError: it is not six digits from 0 to 4, or the fourth is neither 0 nor 1.
        """
        if len(code) != len(EDGES) or not set(code) <= set("01234"):
            raise SpaceError(f"digits-cells: {code!r} is not six digits from 0 to 4")
        return self.architecture(
            **{edge_name(edge): OPERATIONS[int(digit)] for edge, digit in zip(EDGES, code, strict=True)}
        )


def to_code(architecture: Architecture) -> str:
    """The six digits of an architecture of this space."""
    return "".join(str(OPERATIONS.index(name)) for name in edges_of(architecture).values())
