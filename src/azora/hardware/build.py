"""From a target and a space to a predictor: choose, measure, fit, and check on networks not seen."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, final

import numpy as np
import torch

from azora.errors import TargetError
from azora.hardware.choosing import POOL, draw_distinct, first_choice
from azora.hardware.features import Features
from azora.hardware.measurement import SECONDS
from azora.hardware.predictor import FEWEST, QUICK, Predictor, Row
from azora.hardware.steady import GROUP, Steady
from azora.hardware.target import Deployable, Measured, Target, TimedTarget
from azora.networks.complexity import signature_of
from azora.networks.decide import As
from azora.space import Architecture, Option, Space
from azora.strategies.surrogates import Array

FIRST = 0.6  # share of the measurements that are chosen before anything is known
STEPS = 4  # rounds for the rest
WITHIN = 0.1
LONGEST = 5 * SECONDS  # of a network's answers: beyond it, they tell little more
LEAST_CHECKED = 3  # networks, each measured twice, from which anything can be said of a predictor
MOST_FAILURES = 3  # one after another: whether the target works at all is looked at then

Decisions = tuple[tuple[str, Option], ...]
Seen = Callable[[str, int, int], None]
"""Told of the step, how many networks of it are measured, and of how many."""


def unseen(step: str, done: int, of: int) -> None:
    """Nobody looks."""


@final
@dataclass(frozen=True)
class Validation:
    """How predictions agree with measurements of networks that were not fitted to, and how measurements agree with
    themselves when the same networks are measured again."""

    networks: int
    spearman: float
    within: float
    error: float
    again_spearman: float
    again_within: float
    again_error: float

    def to_json(self) -> dict[str, Any]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


@final
@dataclass
class Beside:
    """Seconds beside answers, for making and loading networks, and of how many networks."""

    seconds: float = 0.0
    count: int = 0

    def add(self, seconds: float, count: int) -> None:
        self.seconds, self.count = self.seconds + seconds, self.count + count

    @property
    def usual(self) -> float:
        """Of one network; 0 where none is known."""
        return self.seconds / max(1, self.count)


@final
class Measuring:
    """Measures networks of a space on a target, until the time is over.

    Args:
        space: of networks.
        seconds: for all of them; None has no end.
        beside: an earlier measuring of the same target, whose reference is gone on with (see `Steady`), and what that
            took until then: what both measured can be compared, though the machine became slower or quicker. Where the
            first networks of this one cannot be measured, the last of that one tells whether the target works at all.
        each: seconds of repeated answers of one.
        slot: seconds of the clock that one may take, from what it is made of to its last answer. Of what making it
            leaves, more than `each` are answers, `LONGEST` at most.
        fewest: so many are measured however little time there is: usually those that anything can be fitted to.
    """

    def __init__(
        self,
        target: Target,
        space: Space,
        seconds: float | None = None,
        each: float = SECONDS,
        fewest: int = FEWEST,
        beside: Measuring | None = None,
        slot: float = 0.0,
    ) -> None:
        self.target, self.space, self.signature = target, space, signature_of(space)
        self.each, self.slot = each, slot
        self.failures: list[str] = []
        self.ended: str | None = None  # why the target did, before the time was over
        self._rows: list[Row] = []
        self._in_a_row = 0  # of the last networks could not be measured
        self._steady: Steady | None = None
        self._known: Sequence[Row] = ()  # what could be measured before
        self._tried = set[Decisions]()
        self._end, self._fewest = math.inf if seconds is None else time.monotonic() + seconds, fewest
        self._usual: float | None = None  # milliseconds of the reference; None, as long as it may change
        self._aside = {False: Beside(), True: Beside()}  # of networks that are new, and of those measured before
        if beside is not None:
            self._steady, self._known, self._aside = beside._steady, beside._rows, beside._aside
            self._usual = None if self._steady is None else self._steady.usual

    @property
    def rows(self) -> list[Row]:
        """All that was measured."""
        return [self._scaled(row) for row in self._rows]

    def close(self) -> None:
        """Let go what is held for measuring."""
        if self._steady is not None:
            self._steady.close()

    @property
    def over(self) -> bool:
        """Whether its time is."""
        return self._fits(self._end, again=False) == 0

    @property
    def tried(self) -> int:
        """The number of networks that were given to the target."""
        return len(self._tried)

    def untried(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        """Those of them that were not."""
        return [each for each in architectures if tuple(each.items()) not in self._tried]

    def __call__(
        self, architectures: Sequence[Architecture], step: str, seen: Seen = unseen, share: float = 1.0
    ) -> list[Row]:
        """What was measured of these, those that the target cannot run left out.

        Args:
            share: of the time that is left.

        Raises:
            TargetError: it could run none of the first, or does not run any more what it could.
        """
        found: list[Row] = []
        now = time.monotonic()
        end, start = now + share * (self._end - now), 0
        again = not self.untried(architectures)
        while start < len(architectures) and (fits := self._fits(end, again)):
            some = architectures[start : start + fits]
            start += len(some)
            self._tried.update(tuple(architecture.items()) for architecture in some)
            for architecture, each in zip(some, self._clocked(some, again), strict=True):
                if isinstance(each, Measured):
                    self._rows.append((architecture, each))
                    found.append(self._rows[-1])
                    self._in_a_row = 0
                    continue
                self.failures.append(str(each))
                self._in_a_row += 1
                if self._in_a_row % MOST_FAILURES == 0 and not self._works():
                    raise each
            seen(step, len(found), len(architectures))
        return [self._scaled(row) for row in found]

    def _works(self) -> bool:
        """Whether the last that could be measured still can be: else the device has gone."""
        known = [*self._known[-1:], *self._rows[-1:]]
        return bool(known) and isinstance(self._measured([known[-1][0]], self.each)[0], Measured)

    def _seconds(self, again: bool) -> float:
        """Of the next network's answers: what making it leaves of its slot, by what making others took."""
        aside = self._beside(again)
        return max(self.each, min(LONGEST, self.slot - max(0.0, aside.usual))) if aside.count else self.each

    def _beside(self, again: bool) -> Beside:
        """By which to reckon; what new ones took, as long as none was measured again."""
        return self._aside[again if self._aside[again].count else False]

    def _fits(self, end: float, again: bool) -> int:
        """How many networks there is time for now; as many as are measured together, while there are too few."""
        together = GROUP if isinstance(self.target, TimedTarget) else 1
        one = self._seconds(again) + self._beside(again).usual
        fits = int(min(together, max(0.0, end - time.monotonic()) / max(one, 1e-9) + 0.01))
        enough = len(self._rows) >= self._fewest or self._in_a_row >= MOST_FAILURES
        return fits if enough else together

    def _clocked(self, architectures: Sequence[Architecture], again: bool) -> list[Measured | TargetError]:
        seconds, begun = self._seconds(again), time.monotonic()
        found = self._measured(architectures, seconds)
        self._aside[again].add(time.monotonic() - begun - seconds * len(architectures), len(architectures))
        return found

    def _measured(self, architectures: Sequence[Architecture], seconds: float) -> list[Measured | TargetError]:
        deployables = [self._deployable(architecture) for architecture in architectures]
        if not isinstance(self.target, TimedTarget):
            return [_tried(self.target, each, seconds) for each in deployables]
        for each in deployables if self._steady is None else ():
            try:  # the first that runs: those that are chosen first are the usual ones
                self._steady = Steady(self.target, each)
                break
            except TargetError:
                continue
        if self._steady is None:
            return [_tried(self.target, each, seconds) for each in deployables]
        return self._steady.shares(deployables, seconds)

    def _scaled(self, row: Row) -> Row:
        """A row in milliseconds."""
        architecture, measured = row
        if self._steady is None:
            return row
        usual = self._steady.usual if self._usual is None else self._usual
        return architecture, replace(measured, latency=measured.latency.times(usual))

    def _deployable(self, architecture: Architecture) -> Deployable:
        """A network with random weights: they change no time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = self.space.root.build(As(architecture)).eval()
        return Deployable.bare(network, self.signature, architecture)


def _tried(target: Target, deployable: Deployable, seconds: float) -> Measured | TargetError:
    try:
        return target.measure(deployable, seconds)
    except TargetError as error:
        return error


def facts_of(*measurings: Measuring) -> dict[str, Any]:
    """For the reader: why the target ended it early, why networks were left out, and how many took more runs because
    the first ones varied."""
    ended = next((each.ended for each in measurings if each.ended is not None), None)
    failures = [failure for each in measurings for failure in each.failures]
    rows = [row for each in measurings for row in each.rows]
    repeated = {tuple(architecture.items()) for architecture, measured in rows if measured.latency.repeated}
    return {
        **({} if ended is None else {"ended": ended}),
        **({"skipped": failures} if failures else {}),
        **({"repeated": len(repeated)} if repeated else {}),
    }


@contextmanager
def keeping(measuring: Measuring, enough: Callable[[], bool]) -> Iterator[None]:
    """Where the target ends a measuring, what there is will do if it is `enough`, and the reason is kept.

    Raises:
        TargetError: it is not.
    """
    try:
        yield
    except TargetError as error:
        if not enough():
            raise
        measuring.ended = str(error)


def build_predictor(
    measuring: Measuring, measurements: int = 100, seed: int = 0, seen: Seen = unseen, *, brief: bool = False
) -> Predictor:
    """A predictor from at most so many measured networks: different and usual ones first, then those about which it is
    most in doubt. Where the target goes away, from those that were measured until then.

    Args:
        brief: choose among fewer networks, and try no other regressor than the usual one: some seconds less.

    Raises:
        TargetError: the target runs none of them, or too few.
    """
    space, features = measuring.space, Features(measuring.space)
    with keeping(measuring, lambda: len(measuring.rows) >= FEWEST):
        _measure(measuring, features, measurements, seed, seen, brief=brief)
    if len(rows := measuring.rows) < FEWEST:
        raise TargetError(
            f"{measuring.target.spec}: {len(rows)} networks could be measured, {FEWEST} at least are wanted;"
            f" {measuring.failures[-1] if measuring.failures else 'give it more time'}"
        )
    return Predictor(space, rows, QUICK if brief else None, features)


def _measure(
    measuring: Measuring, features: Features, measurements: int, seed: int, seen: Seen, *, brief: bool
) -> None:
    """The networks that `build_predictor` fits to."""
    space, rng = measuring.space, random.Random(f"{seed} target")
    pool = draw_distinct(space, 2 * measurements if brief else max(POOL, 2 * measurements), rng)
    first = min(measurements, max(FEWEST, round(FIRST * measurements)))
    rows = measuring(first_choice(features, pool, first), "measuring", seen)
    for step in range(STEPS):
        wanted = (measurements - first) * (step + 1) // STEPS + first - measuring.tried
        if wanted <= 0 or measuring.over:
            continue
        left = measuring.untried(pool)
        if len(rows) >= FEWEST:
            left = _doubtful(Predictor(space, rows, QUICK, features), left)
        rows += measuring(left[:wanted], "measuring", seen)


def _doubtful(predictor: Predictor, architectures: Sequence[Architecture]) -> list[Architecture]:
    """Those of which the predictor is least sure first."""
    if not architectures:
        return []
    doubts = predictor.predict(architectures)[1]
    return [architectures[place] for place in np.argsort(-doubts, kind="stable")]


def validate(
    measuring: Measuring, predictor: Predictor, count: int, seed: int = 0, seen: Seen = unseen
) -> Validation | None:
    """Of random networks that the predictor has not seen, each measured twice: as many as half of the time has room
    for, then these again; then, where files that the target keeps left time, others in the same way. None where there
    are fewer than three.

    Raises:
        TargetError: the target ended it before three were measured twice.
    """
    rng = random.Random(f"{seed} validation")
    drawn = draw_distinct(measuring.space, count, rng, [architecture for architecture, _ in predictor.rows])
    before, left = len(measuring.rows), drawn
    with keeping(measuring, lambda: len(_twice(measuring.rows[before:])) >= LEAST_CHECKED):
        while some := measuring(left, "validating", seen, share=0.5):
            measuring([architecture for architecture, _ in some], "measuring again", seen)
            left = measuring.untried(left)
    twice = _twice(measuring.rows[before:])
    if len(twice) < LEAST_CHECKED:
        return None
    times, again = np.array([medians for _, medians in twice]).T
    predicted = predictor.predict([architecture for architecture, _ in twice])[0]
    return Validation(len(twice), *agreement(predicted, times), *agreement(again, times))


def _twice(rows: Sequence[Row]) -> list[tuple[Architecture, tuple[float, float]]]:
    """The networks that were measured twice, with both medians."""
    once: dict[Decisions, float] = {}
    found = list[tuple[Architecture, tuple[float, float]]]()
    for architecture, measured in rows:
        decisions, median = tuple(architecture.items()), measured.latency.median
        if decisions in once:
            found.append((architecture, (once[decisions], median)))
        once[decisions] = median
    return found


def agreement(found: Array, true: Array) -> tuple[float, float, float]:
    """Spearman's correlation (0 where all are equal), the share within 10 %, and the mean relative error."""
    from scipy.stats import spearmanr

    away = np.abs(found / true - 1.0)
    ordered = np.ptp(found) > 0 and np.ptp(true) > 0
    rank = float(spearmanr(found, true).statistic) if ordered else 0.0
    return rank, float((away <= WITHIN).mean()), float(away.mean())
