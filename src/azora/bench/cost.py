"""A second objective of a table: what each of its networks costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from azora.bench.table import Numbers
from azora.fronts import front_ranks, hypervolume

MARGIN = 1.01  # of the costliest network on the true front: the reference is a little beyond it
FLOOR = 0.1  # the quantile of scores that is the reference, where nobody says one


@final
@dataclass(frozen=True, eq=False)
class Cost:
    """What the rows of a table cost, which is to be low while the score is high.

    Args:
        name: the column it comes from.
        values: (rows,) of any unit, all known.
        scores: (rows,) that a search sees of the longest training; more is better.
        held: (rows,) scores that it does not see.
        floor: the score that counts for nothing; None is that of the worst tenth of the rows.

    A set of networks is worth the share that it has of the hypervolume of the true front (Zitzler & Thiele, 1999). Its
    reference is `floor`, and 1.01 times the cost of the costliest network of the true front. Both are by `scores`: by
    others, what knows every row's score has less than all of it (0.975 on NAS-Bench-201 with test accuracies).
    """

    name: str
    values: Numbers
    scores: Numbers
    held: Numbers
    floor: float | None = None

    @cached_property
    def reference(self) -> tuple[float, float]:
        """The score, and minus the cost, that are worth nothing."""
        floor = float(np.quantile(self.scores, FLOOR)) if self.floor is None else self.floor
        return floor, -MARGIN * max(float(self.values[row]) for row in self.front)

    @cached_property
    def front(self) -> list[int]:
        """The rows that no other beats in both."""
        # From the cheapest on, a network is on the front when it is better than all cheaper ones.
        order = sorted(range(len(self.values)), key=lambda row: (self.values[row], -self.scores[row]))
        best, kept = -np.inf, []
        for row in order:
            if self.scores[row] > best:
                best = self.scores[row]
                kept.append(row)
        return kept

    def share(self, rows: list[int]) -> float:
        """The part of the true front's hypervolume that `rows` dominate."""
        return self._volume(rows, self.scores) / self.whole

    def held_out(self, rows: list[int]) -> float:
        """The hypervolume of `rows` by the scores that no search saw, as a share of what the true front, which is by
        those that were seen, has by them. May be above 1: who knows all that can be seen can still be misled."""
        return self._volume(rows, self.held) / self.held_whole

    def chosen(self, rows: list[int], seen: Numbers) -> list[int]:
        """Those of `rows` that no other of them beats in cost and in what a search has `seen` of it, (rows,)."""
        ranks = front_ranks([(seen[row], -self.values[row]) for row in rows])
        return [row for row, rank in zip(rows, ranks, strict=True) if rank == 0]

    def _volume(self, rows: list[int], scores: Numbers) -> float:
        return hypervolume([(float(scores[row]), -float(self.values[row])) for row in rows], self.reference)

    @cached_property
    def whole(self) -> float:
        """The true front's hypervolume by what a search sees; 0 where nothing on it is above the floor."""
        return self._volume(self.front, self.scores)

    @cached_property
    def held_whole(self) -> float:
        """The true front's hypervolume by what no search sees."""
        return self._volume(self.front, self.held)
