"""What runs found: scores by queries and by seconds, and the statistics of many of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from azora.bench.cost import Cost
from azora.bench.play import Run
from azora.bench.protocol import Protocol
from azora.bench.table import Numbers

QUERIES = (5, 10, 25, 50, 100, 150, 300)
PARTS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""At which parts of a budget in seconds scores are given."""
CONFIDENCE = 0.95
ROUNDING = 1e-9
"""What two means of the same numbers may differ by."""


@final
@dataclass(frozen=True)
class Curve:
    """One run, query by query.

    Args:
        validation: (queries,) what the search saw, NaN where it saw nothing.
        score: (queries,) score of the architecture that validation had chosen by then; NaN before there is one.
        seconds: (queries,) of training spent by then.
        seen: (queries,) what the search saw of that architecture; NaN where the score is of a front.
    """

    validation: Numbers
    score: Numbers
    seconds: Numbers
    seen: Numbers

    @classmethod
    def of(cls, run: Run, protocol: Protocol) -> Curve:
        """The curve of a run."""
        if protocol.cost_of is not None:
            return cls._of_fronts(run, protocol, protocol.cost_of)
        best, chosen = (-1, -math.inf), -1
        validation, score, seen = (np.full(len(run.rows), np.nan) for _ in range(3))
        for place, (row, level) in enumerate(zip(run.rows, run.levels, strict=True)):
            if row >= 0:
                validation[place] = protocol.seen[level][row]
                standing = (level, protocol.sign * float(validation[place]))
                if standing > best:  # the earlier of two equals stays
                    best, chosen = standing, row
            if chosen >= 0:
                score[place], seen[place] = protocol.scores[chosen], protocol.seen[best[0]][chosen]
        return cls(validation, score, np.cumsum(np.asarray(run.seconds, float)), seen)

    @classmethod
    def _of_fronts(cls, run: Run, protocol: Protocol, cost: Cost) -> Curve:
        """The score is the share of the true front's hypervolume; one longer training outweighs all shorter ones."""
        validation, score = np.full(len(run.rows), np.nan), np.full(len(run.rows), np.nan)
        front, top, share = list[int](), -1, math.nan
        for place, (row, level) in enumerate(zip(run.rows, run.levels, strict=True)):
            if row >= 0:
                validation[place] = protocol.seen[level][row]
                if level >= top:
                    before, front, top = front, [*(front if level == top else []), row], level
                    front = cost.chosen(front, protocol.sign * protocol.seen[level])
                    if front != before:
                        share = cost.share(front)
            score[place] = share
        return cls(validation, score, np.cumsum(np.asarray(run.seconds, float)), np.full(len(run.rows), np.nan))

    def at(self, places: Sequence[float] | Numbers, by_queries: bool, seen: bool = False) -> Numbers:
        """Scores, or with `seen` what the search saw instead, after so many queries, or when so many seconds had been
        spent: (places,) numbers; after the last query its score stays, and before the first there is none (NaN)."""
        counts = np.asarray(places, int) if by_queries else np.searchsorted(self.seconds, places, side="right")
        known = np.concatenate([[np.nan], self.seen if seen else self.score])
        found: Numbers = known[np.minimum(counts, len(self.score))]
        return found


def front_of(run: Run, protocol: Protocol, cost: Cost) -> list[int]:
    """The rows of a run that none of it beats in cost and in what it saw, among those trained longest."""
    top = max((level for row, level in zip(run.rows, run.levels, strict=True) if row >= 0), default=0)
    rows = [row for row, level in zip(run.rows, run.levels, strict=True) if row >= 0 and level == top]
    return cost.chosen(rows, protocol.sign * protocol.seen[top])


@final
@dataclass(frozen=True)
class Figure:
    """A strategy after so many queries or seconds: mean and standard deviation over runs, the ends of the 95 %
    interval of the mean (Student's t), and the regret of the mean to the table's best; `seen_regret` is by what a
    search sees, which has no noise that it could not know of. None where there is no such number."""

    mean: float | None
    std: float | None
    low: float | None
    high: float | None
    regret: float | None
    seen_regret: float | None = None

    @classmethod
    def of(cls, scores: Sequence[float] | Numbers, best: float) -> Figure:
        """`scores` are of different runs; of none of them may be missing."""
        values = np.asarray(scores, float)
        if not len(values) or np.isnan(values).any():
            return cls(None, None, None, None, None)
        mean = float(values.mean())
        regret = abs(best - mean)
        if len(values) < 2:
            return cls(mean, None, None, None, regret)
        std = float(values.std(ddof=1))
        half = student(len(values) - 1) * std / math.sqrt(len(values))
        return cls(mean, std, mean - half, mean + half, regret)


@final
@dataclass(frozen=True)
class Beside:
    """A strategy beside random search.

    Args:
        runs: how many there were.
        reached: queries (or seconds) after which its mean was what random search's mean was in the end; None: never.
        p: of Wilcoxon's signed-rank test, two-sided, on final scores paired by seed; None for random search itself.
        better: share of these pairs in which the strategy was better, counting ties half.
        ended: how many runs ended before their budget was spent.
    """

    runs: int
    reached: float | None
    p: float | None
    better: float | None
    ended: int


def checkpoints(protocol: Protocol) -> list[float]:
    """The queries, or the seconds, at which figures are given; the last is the budget."""
    if protocol.queries is not None:
        return sorted({*(float(each) for each in QUERIES if each < protocol.queries), float(protocol.queries)})
    return [float(protocol.seconds or 0.0) * part for part in PARTS]


def final_scores(curves: Mapping[int, Curve], protocol: Protocol) -> dict[int, float]:
    """What each run had in the end, by seed."""
    places = checkpoints(protocol)[-1:]
    return {seed: float(curve.at(places, protocol.queries is not None)[0]) for seed, curve in curves.items()}


def beside_random(
    curves: Mapping[int, Curve], random: Mapping[int, Curve], protocol: Protocol, ended: int, itself: bool
) -> Beside:
    """`curves` and `random` are by seed; pairs are of the seeds that both have."""
    guessed, found = final_scores(random, protocol), final_scores(curves, protocol)
    reached = _reached(list(curves.values()), float(np.mean(list(guessed.values()))), protocol)
    if itself:
        return Beside(len(curves), reached, None, None, ended)
    pairs = np.array([(found[seed], guessed[seed]) for seed in sorted(found.keys() & guessed.keys())])
    pairs = pairs.reshape(-1, 2)
    differences = protocol.sign * (pairs[:, 0] - pairs[:, 1])
    differences = differences[~np.isnan(differences)]
    better = float(np.mean((differences > 0) + 0.5 * (differences == 0))) if len(differences) else None
    return Beside(len(curves), reached, wilcoxon(differences), better, ended)


def _reached(curves: Sequence[Curve], target: float, protocol: Protocol) -> float | None:
    """The first query, or moment, at which the mean of `curves` is `target` or better."""
    by_queries = protocol.queries is not None
    if protocol.queries is not None:
        places = np.arange(1.0, protocol.queries + 1)
    else:
        places = np.unique(np.concatenate([curve.seconds for curve in curves]))
    means = np.mean([curve.at(places, by_queries) for curve in curves], axis=0)
    good = np.flatnonzero(protocol.sign * means >= protocol.sign * target - ROUNDING)
    return float(places[good[0]]) if len(good) else None


def student(degrees: int) -> float:
    """Student's t at the ends of the 95 % interval."""
    from scipy.stats import t  # half a second that nobody who only looks should pay

    return float(t.ppf(0.5 + CONFIDENCE / 2, degrees))


def wilcoxon(differences: NDArray[np.float64]) -> float | None:
    """p of Wilcoxon's signed-rank test that differences are as often above as below zero, two-sided; 1 where all are
    zero, None where there are none.

    Zeros count in the ranks (Pratt, 1959): on a table, two strategies that both find the best network are ties, and
    dropping them would leave the rest to look surer than it is.
    """
    from scipy.stats import wilcoxon as signed_rank

    if not len(differences):
        return None
    if not np.any(differences):
        return 1.0
    return float(signed_rank(differences, zero_method="pratt").pvalue)
