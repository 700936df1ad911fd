"""What a search may see of a table, what that costs, and what it is scored by."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from azora.bench.cost import Cost
from azora.bench.table import Fidelity, Mask, Numbers, Table, masked_mean
from azora.errors import BenchmarkError
from azora.settings import closest
from azora.trial import Objective, Report

NOISE = ("mean", "seed")


@final
@dataclass(frozen=True)
class Protocol:
    """A search sees validation scores and nothing else; it is scored by what it did not see.

    Args:
        noise: `seed`: one training's score, of the first seed that a row has; `mean`: the mean of all seeds, less noise
            than a search would meet. None is the mean where there are test scores, else one seed.
        fidelity: judge by trainings of so many epochs. None: by the longest, when queries are counted; when seconds
            are, by whatever length a proposal asks for (the shortest that is no shorter), and by the longest where it
            does not say.
        queries: how many distinct networks may be judged.
        seconds: instead, how many seconds of training may be spent. Where the table says that lengths are points of one
            curve (`Table.continues`), a longer training of a network goes on from the shorter one and costs the
            difference; elsewhere it is paid in full. A training that would end later is not begun.
        costs: what each row costs. Then a search is for both, and its score is the share of the true front's
            hypervolume that its own front has, both by what a search may see of the longest training (see `Cost`).
        floor: the score that counts for nothing then; None is that of the worst tenth of the rows.

    The score is that of the architecture with the best validation score among those that were trained longest (ties go
    to the earlier): its test score; where the table has none, the mean of the validation seeds of its longest training
    that the search did not see, for which `mean` leaves out each row's last seed. Where a search sees no trainings but
    shorter ones, and these are means over seeds, or a row has no seed that was not seen in them, all seeds count.

    Raises:
        BenchmarkError: nothing is left to score with, a fidelity that is not in the table, a row without what is
            needed, or a floor that nothing on the true front is better than.
    """

    table: Table
    noise: str | None = None
    fidelity: float | None = None
    queries: int | None = None
    seconds: float | None = None
    costs: Numbers | None = None
    cost_name: str = "cost"
    floor: float | None = None

    def __post_init__(self) -> None:
        if self.noise not in (None, *NOISE):
            raise BenchmarkError(f"noise {self.noise!r} is not known; {closest(str(self.noise), NOISE)}")
        if (self.queries is None) == (self.seconds is None):
            raise BenchmarkError("a comparison is over queries or over seconds of training: say one of the two")
        if self.queries is not None and self.queries < 1:
            raise BenchmarkError(f"{self.queries} queries: ask for one at least")
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise BenchmarkError(f"{self.seconds:g} seconds of training: must be above zero")
        self._whole("score to be judged by", self.scores)
        for numbers in self.seen:
            self._whole("validation score", numbers)
        self._check_front()
        if self.seconds is not None:
            for numbers in self.cost:
                self._whole("time of training above zero", np.where(numbers > 0, numbers, np.nan))

    @cached_property
    def levels(self) -> tuple[Fidelity, ...]:
        """The lengths of training that are open to the search, the shortest first."""
        known = self.table.fidelities
        if self.fidelity is None:
            return known if self.seconds is not None else known[-1:]
        found = tuple(each for each in known if each.epochs == self.fidelity)
        if not found:
            stated = ["one of no stated length" if each.epochs is None else f"{each.epochs:g}" for each in known]
            raise BenchmarkError(
                f"{self.table.name} has no fidelity of {self.fidelity:g} epochs; there is {', '.join(stated)}"
            )
        return found

    @cached_property
    def kind(self) -> str:
        """`noise`, where it was left open."""
        if self.noise is not None:
            return self.noise
        return "mean" if self.table.test is not None or not self.levels[-1].by_seed else "seed"

    @cached_property
    def seen(self) -> tuple[Numbers, ...]:
        """For each level, the (rows,) scores that a search sees."""
        return tuple(masked_mean(level.validation, self._open(level)) for level in self.levels)

    @cached_property
    def scores(self) -> Numbers:
        """The (rows,) scores that count."""
        if self.table.test is not None:
            return self.table.test
        top = self.table.fidelities[-1]
        held = ~np.isnan(top.validation)
        if top in self.levels:
            held &= ~self._open(top)
        elif top.by_seed and self.levels[-1].by_seed:  # a search sees seeds, each perhaps the beginning of one of these
            rest = held & ~self._open(top)
            held = rest if rest.any(1).all() else held
        if not held.any():
            raise BenchmarkError(
                f"{self.table.name} has neither test scores nor a second seed of validation: nothing is left to score"
                " a search with"
            )
        return masked_mean(top.validation, held)

    @cached_property
    def cost(self) -> tuple[Numbers, ...]:
        """For each level, the (rows,) seconds of a training."""
        for level in self.levels:
            if level.seconds is None:
                raise BenchmarkError(f"{self.table.name} does not say how long trainings took; count --queries instead")
        return tuple(level.seconds for level in self.levels if level.seconds is not None)

    def check_queries(self) -> None:
        """Counting the networks of a table takes as long as a hundred searches of it: once a comparison is enough.

        Raises:
            BenchmarkError: more queries than there are networks.
        """
        table = self.table
        if self.queries is not None and self.queries > table.networks:
            raise BenchmarkError(
                f"{self.queries:,} queries: {table.name} has {table.networks:,} distinct networks"
                f" (in {len(table):,} rows); ask for no more than that"
            )

    @property
    def objective(self) -> Objective:
        """What a strategy is told that it searches for."""
        return Objective("accuracy" if self.table.maximise else "error", self.table.maximise)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What a strategy is told that it searches for, the cost behind the score."""
        return (self.objective, *(() if self.costs is None else (Objective(self.cost_name, False),)))

    @cached_property
    def cost_of(self) -> Cost | None:
        """The second objective, where there is one."""
        if self.costs is None:
            return None
        floor = None if self.floor is None else self.sign * self.floor
        return Cost(self.cost_name, self.costs, self.sign * self.seen[-1], self.sign * self.scores, floor)

    @property
    def sign(self) -> float:
        """What a score is multiplied with so that more is better."""
        return 1.0 if self.table.maximise else -1.0

    @property
    def best(self) -> float:
        """The best score of all rows, whatever validation says of them; 1 where it is a share."""
        return 1.0 if self.costs is not None else float(self.sign * np.max(self.sign * self.scores))

    @property
    def best_seen(self) -> float:
        """The best that a search can see of the longest training."""
        return float(self.sign * np.max(self.sign * self.seen[-1]))

    def level(self, budget: float | None) -> int:
        """The place of the level that a proposal of so many epochs is judged at."""
        if budget is not None:
            for place, level in enumerate(self.levels):
                if level.epochs is not None and level.epochs >= budget:
                    return place
        return len(self.levels) - 1

    def report(self, row: int, level: int, seconds: float) -> Report:
        """All that a search is ever told of a row."""
        metrics = {self.objective.metric: float(self.seen[level][row]) / self.table.unit}
        if self.costs is not None:
            metrics[self.cost_name] = float(self.costs[row])
        return Report(metrics, seconds)

    def describe_score(self) -> str:
        """What the score is, for the reader."""
        if self.cost_of is not None:
            floor, cost = self.cost_of.reference
            return (
                f"share of the hypervolume of the true front of {self._describe(self.levels[-1])} and {self.cost_name}"
                f" (reference {self.sign * floor:.4g} and {-cost:.4g})"
            )
        return self._score_name()

    def _score_name(self) -> str:
        if self.table.test is not None:
            return self.table.test_column
        return f"mean of the seeds of {_common(self.table.fidelities[-1])} that the search did not see"

    def describe_search(self) -> str:
        """What a search sees, for the reader."""
        return "; ".join(self._describe(level) for level in self.levels)

    def _describe(self, level: Fidelity) -> str:
        if not level.by_seed or self.kind == "seed":
            return level.columns[0]
        less = "" if self.table.test is not None else " but each row's last"
        return f"mean of the seeds of {_common(level)}{less}"

    def _open(self, level: Fidelity) -> Mask:
        """(rows, seeds): which trainings a search may see."""
        known: Mask = ~np.isnan(level.validation)
        if not level.by_seed:
            if self.noise == "seed":
                raise BenchmarkError(
                    f"{self.table.name}: {level.columns[0]} is a mean and there is no column by seed; leave noise open"
                )
            return known
        place = np.arange(known.shape[1])
        if self.kind == "seed":
            first: Mask = known & (place == known.argmax(1)[:, None])
            return first
        if self.table.test is not None:
            return known
        # The seed that scores is not seen at a shorter length either: it may be the same training.
        longest: Mask = ~np.isnan(self.table.fidelities[-1].validation)
        last = longest.shape[1] - 1 - longest[:, ::-1].argmax(1)
        others: Mask = known & (place != last[:, None])
        return others

    def _check_front(self) -> None:
        """What all shares are of must not be nothing, and that is not to be found out when all runs are over."""
        if self.cost_of is None:
            return
        floor, better = self.sign * self.cost_of.reference[0], "above" if self.table.maximise else "below"
        for scores, whole in (("", self.cost_of.whole), ("held-out ", self.cost_of.held_whole)):
            if whole <= 0:
                raise BenchmarkError(
                    f"{self.table.name}: no network on the true front has a {scores}score {better} the floor of"
                    f" {floor:g}, which is worth nothing: say a worse one by --floor"
                )

    def _whole(self, what: str, numbers: Numbers) -> None:
        for row in np.flatnonzero(np.isnan(numbers))[:1]:
            raise BenchmarkError(f"{self.table.name}: {self.table.show(int(row))} has no {what}")


def _common(level: Fidelity) -> str:
    """`c10_val200_s0`, `c10_val200_s1` … as `c10_val200`."""
    stems = {re.sub(r"_?s?\d+$", "", column) for column in level.columns}
    return stems.pop() if len(stems) == 1 else ", ".join(level.columns)
