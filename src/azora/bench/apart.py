"""A space whose points are told apart by their decisions alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from azora.space import Derived, Option, Space


@final
class Apart(Derived):
    """`space`, but no two points of it are one network.

    Costs were measured with all that was decided, operations that no path passes through among them: on NAS-Bench-201
    the latencies of cells that compute the same differ by six per cent and more. Where such a cost counts, another row
    of the same function is another network.
    """

    def __init__(self, space: Space) -> None:
        super().__init__(space, list(space.choices.values()))

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        return Space.representative(self, decisions)
