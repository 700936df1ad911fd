"""Rows that nothing was learned from: those of the test, and those of the second look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from azora.improving.paired import LEVEL, least_p, paired_test
from azora.tasks import Split
from azora.tasks.array import Array

NUMBERS = "regression"  # as which sums over groups are tested: they are numbers, whatever the rows are


@final
@dataclass(frozen=True)
class Held:
    """Some of them.

    Args:
        groups: (N,) the number of each row's group, where rows hang together: then groups are compared and not rows,
            of which one says nearly what the next one does.
    """

    rows: Split
    groups: Array | None = None

    def part(self, chosen: Array) -> Held:
        """Those that are chosen, (N,) true or false."""
        groups = None if self.groups is None else self.groups[chosen]
        return Held(Split(self.rows.x[chosen], self.rows.y[chosen]), groups)

    def p(self, kind: str, old: Array, new: Array, margin: float = 0.0, level: float = LEVEL) -> float:
        """`paired_test` of what each row costs two networks, (N,) twice."""
        if self.groups is None:
            return paired_test(kind, old, new, margin, level)
        _, numbers = np.unique(self.groups, return_inverse=True)
        groups = int(numbers.max()) + 1
        old, new = (np.bincount(numbers, each) * (groups / len(each)) for each in (old, new))
        return paired_test(NUMBERS, old, new, margin, level)


def first_half(rows: int, share: float, groups: Array | None = None) -> Array:
    """(rows,) which of them the test asks: so many of them, evenly; whole groups, where there are groups."""
    if groups is not None:
        _, numbers = np.unique(groups, return_inverse=True)
        chosen: Array = first_half(int(numbers.max()) + 1, share)[numbers]
        return chosen
    counted: Array = np.ceil(np.arange(rows + 1) * share - 1e-9)
    first: Array = np.diff(counted) > 0
    return first


def least(kind: str, chosen: Array, groups: Array | None, margin: float = 0.0, level: float = LEVEL) -> float:
    """The smallest p that the chosen rows can give."""
    if groups is None:
        return least_p(kind, int(chosen.sum()), margin, level)
    return least_p(NUMBERS, len(np.unique(groups[chosen])), margin, level)
