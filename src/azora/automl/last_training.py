"""The training of what ships, and the measuring of it where it will run."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from azora.automl import ensemble
from azora.automl.nearest import Nearest
from azora.automl.pacing import FINAL_SHARE, MARGIN
from azora.automl.pricing import MOST_SECONDS, Pricing, beyond, costs_of, holding, on_target, seconds_for
from azora.automl.setting import Setting
from azora.automl.watching import Watcher
from azora.automl.winner import Winner, train_winner
from azora.errors import StudyError, TargetError, UnsteadyError
from azora.hardware import Measured
from azora.space import Architecture, Space
from azora.study import Study
from azora.training import TrainingDiverged
from azora.trial import Trial

LOOKS, TOLERANCE = 3, 0.05  # measurements of what ships, and how far beyond a limit one may be
ALIVE = 5.0  # seconds between notes of the time worked
Show = Callable[[str, float | None], None]


@final
@dataclass
class LastTraining:
    """What comes after a search, within what is left of the budget.

    Args:
        limited: the space within the limits, whose first familiar network stands beside the winner.
        checkpoints: what the search left of its networks.
        scratch: a folder that is removed afterwards.
        stop: set, it ends a training; where it was set before the first, all trainings together have two thirds of the
            time that the search had, at most.
        show: is told what goes on, and the seconds left.
    """

    setting: Setting
    study: Study
    limited: Space
    checkpoints: Path
    scratch: Path
    stop: threading.Event
    watch: Watcher
    show: Show
    _refused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Whoever interrupts a search wants its best soon, but trained: as long as it would be after a search so short.
        self._end = self.study.elapsed / (1 - FINAL_SHARE) if self.stop.is_set() else math.inf
        self._hurried = threading.Event() if self.stop.is_set() else self.stop

    def ship(self, best: Trial) -> tuple[Trial, Winner, Measured | None]:
        """What ships, trained: an ensemble, trees, or the best network that holds the limits, and what was measured of
        it where it will run.

        Raises:
            TargetError: none holds the limits there.
            StudyError: no training came to an end.
        """
        whole, stop = self._seconds(best), self._hurried
        # What is a usual network's half stays so, whenever a member asks for its part of the other.
        end = None if whole is None else self.study.elapsed + whole

        def seconds() -> float | None:
            return None if end is None else max(1.0, end - self.study.elapsed)

        other = ensemble.ship(self.setting, self.study, best, self.checkpoints, self._train, seconds, stop, self.watch)
        if other is not None:
            return *other, None
        pricing = self.setting.pricing
        if pricing is None or not pricing.here:
            if pricing is not None:
                self.watch.note(f"{pricing.file.spec} was measured on another device: what ships is not measured here")
            while (winner := self._winner(best)) is None:
                best = self._next()
            return best, winner, None
        return self._on_target(pricing)

    def reference(self, winner: Winner) -> Winner | None:
        """A usual network, trained as long as the winner, beside trees for all that is left; None where none is wanted
        or none is within the limits, and where its training does not end."""
        familiar = self._familiar()
        if familiar is None or self.stop.is_set():
            return None
        best = self.study.best(self.setting.objective)
        testing = 0.0 if best is None else self._testing(best)
        seconds = min(winner.seconds if winner.epochs else math.inf, self._left() - MARGIN - testing)
        try:
            return self._train(familiar, None if self.setting.until is None else seconds)
        except TrainingDiverged as error:
            self.watch.note(f"no usual network stands beside the winner: {error}")
            return None

    # The winner -------------------------------------------------------------------------------------------------------

    def _on_target(self, pricing: Pricing) -> tuple[Trial, Winner, Measured | None]:
        """The best that holds the limits before its training and after it."""
        nearest = Nearest(on_target(self.setting.job.limits) if self.setting.reward is None else ())
        while True:
            best = self._candidate(pricing, nearest)
            if (winner := self._winner(best)) is None:
                continue
            holds, measured = self._holds(pricing, nearest, winner)
            if holds:
                return best, winner, measured
            self._refused.add(best.proposal.architecture.key)

    def _candidate(self, pricing: Pricing, nearest: Nearest) -> Trial:
        """The best that is left, and that holds the limits before its training."""
        if not nearest.limits:
            return self._next()
        seconds = seconds_for(self.setting.job.budget) or MOST_SECONDS
        if self._refused:  # what was set aside for looking is spent, and on training what did not hold
            seconds = min(seconds, max(0.0, self._left()))
        return holding(pricing, nearest, self._ranked(), self.setting.task.scaling, seconds)

    def _holds(self, pricing: Pricing, nearest: Nearest, winner: Winner) -> tuple[bool, Measured | None]:
        """Whether what was trained holds the limits where it will run, and what was measured of it there.

        What was measured to be beyond them does not, whatever the device does after that; nor does what has no time
        that could be believed. Where the device has gone before it told anything, what was trained is not lost for it.
        """
        shipped = pricing.deployable(winner.network, winner.architecture, winner.scaling)
        measured: Measured | None = None
        failed: TargetError | None = None
        for _ in range(LOOKS):  # the machine may have had other work just then
            try:
                measured = pricing.measure(shipped)
            except UnsteadyError as error:
                failed = error
            except TargetError as error:
                failed = error
                break
            else:
                if beyond(nearest.limits, measured, TOLERANCE) is None:
                    return True, measured
        name = winner.architecture.key[:8]
        if measured is not None:
            costs = costs_of(measured)
            told = ", ".join(f"{limit.quantity} {limit.show(costs[limit.quantity])}" for limit in nearest.limits)
            self.watch.note(f"{name} has {told} once it is trained: the next best")
            nearest.see(costs)
        elif nearest.limits and isinstance(failed, UnsteadyError):
            self.watch.note(f"{name} is not known to hold the limits once it is trained ({failed}): the next best")
        else:
            self.watch.note(f"what ships could not be measured: {failed}")
            return True, None
        return False, measured

    def _ranked(self) -> list[Trial]:
        ranked = self.study.ranked(self.setting.objective)
        return [trial for trial in ranked if trial.proposal.architecture.key not in self._refused]

    def _next(self) -> Trial:
        if not (left := self._ranked()):
            raise StudyError("no network is left to ship: the last training of every one that was judged failed")
        return left[0]

    def _winner(self, best: Trial) -> Winner | None:
        """The network of this trial, trained; None where its loss became no number, and then it is not tried again."""
        self.study.enter("final")
        try:
            return self._train(best.proposal.architecture, self._seconds(best))
        except TrainingDiverged as error:
            self._refused.add(best.proposal.architecture.key)
            self.watch.note(
                f"the last training of {best.proposal.architecture.key[:8]} failed ({error}): the next best"
            )
            return None

    def _train(self, architecture: Architecture, seconds: float | None) -> Winner:
        study, job = self.study, self.setting.job
        last_note = time.monotonic()

        def see(progress: float, loss: float) -> bool:
            nonlocal last_note
            if time.monotonic() - last_note > ALIVE:
                last_note = time.monotonic()
                study.alive()
            self.show("training the winner", None if math.isinf(left := self._left()) else left)
            return not self._hurried.is_set()

        return train_winner(
            self.setting,
            architecture,
            self.checkpoints,
            self.scratch,
            seconds=seconds,
            precision=study.measures.get("precision", job.precision) if job.budget is None else job.precision,
            watch=see,
        )

    # The clock --------------------------------------------------------------------------------------------------------

    def _left(self) -> float:
        """Seconds until the last training must be over."""
        until = self.setting.until
        return math.inf if until is None else until - self.study.elapsed

    def _familiar(self) -> Architecture | None:
        """The usual network that stands beside the winner: within the limits, however slow to train."""
        return next(iter(self.limited.known()), None) if self.setting.job.reference else None

    def _seconds(self, best: Trial) -> float | None:
        """For the last training: half of what is left, where a fixed network is to stand beside the winner."""
        judging = best.report.metrics.get("judging_seconds", 0.0) + self._testing(best)
        left = min(self._left() - MARGIN - judging, self._end - self.study.elapsed)
        if math.isinf(left):
            return None
        return max(1.0, left / (2 if self._familiar() is not None else 1))

    def _testing(self, best: Trial) -> float:
        """Seconds for judging what ships, of an ensemble every member, on the test split: by the same clock, in
        float32, which may be half as fast."""
        rows = self.setting.task.test_rows / len(self.setting.data.validation)
        return 2.0 * rows * best.report.metrics.get("judging_seconds", 0.0) * max(1, self.setting.job.ensemble)
