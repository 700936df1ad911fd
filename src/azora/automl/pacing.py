"""What the speed of this machine leaves of a space, and of a budget."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import final

from azora.automl.baseline import SHARE
from azora.automl.boosting import again
from azora.automl.pace import Ceiling, Pace, measure_pace, sampled_epochs
from azora.automl.setting import Setting
from azora.automl.winner import LONGEST, parts_of
from azora.automl.writing import SHARE as WRITING
from azora.errors import BudgetError
from azora.loop import MEASURED
from azora.methods.method import PHASE
from azora.methods.phases import of_networks
from azora.space import Space
from azora.study import Study

FINAL_SHARE = 0.4  # of the budget, without what is kept for writing: at most this much is for the last training
JUDGED = 100  # how many networks a search should judge at least; what is too slow for that is left out
PER_START = 7 / 3  # epochs trained for each network that is begun, promotions included
OVERHEAD = 0.15  # seconds of a judgement that are no training
FINAL_EPOCHS = 20  # epochs that the last training should have
FIRST_ROWS = 9_000  # rows that a first training sees before it is cut short: fewer favour whatever learns quickest
FEWER, MANY_ROWS = 40, 5_000  # networks that are enough where a first training sees so many rows: each tells more
SHORTLISTED = 16  # networks that are enough where something else has chosen them
SHARED_EPOCHS = 3.0  # of networks of the middle size: fewer teach shared weights nothing
FULL = 0.8  # a search drifts towards what the ceiling allows: the mean network takes this share of it
LEFT = 0.05  # of a space's networks: the quickest share, which is searched however short the budget
PROBING = 0.05  # of the budget: after that, three networks must do to tell how fast the machine is
TOGETHER = 0.6  # of what each process that takes part of the batches adds to the speed of a training
MARGIN = 0.5  # seconds kept for what nobody measured


@final
class Pacing:
    """How fast networks train here, as measured once for a study; what that leaves of the space and of the budget.

    Args:
        limited: the space within the job's limits.
    """

    def __init__(self, setting: Setting, study: Study, limited: Space) -> None:
        self.setting, self.study, self.limited = setting, study, limited
        self.pace: Pace | None = None
        self.ceiling: float | None = None  # seconds of an epoch
        self.rule: Ceiling | None = None
        self.first = 1.0  # epochs of a network's first training, where a strategy does not say
        self.phases: Mapping[str, float] = {}  # seconds for each phase of a method

    def measure(self, mode: str) -> None:
        """Measure, unless the study knows.

        Raises:
            BudgetError: not one training fits into the budget, or not the phases of the method.
        """
        study, data, job = self.study, self.setting.data, self.setting.job
        if study.measures:
            pace = study.measures["pace"]
            self.pace = None if pace is None else Pace.from_json(pace)
            self.ceiling, self.first = study.measures["ceiling"], study.measures["first"]
            self.phases = self._left_of(study.measures.get("phases") or self._phases_since_then())
            return
        known = {"precision": mode, "writing": self.setting.writing}
        if job.evaluator != "trained" or self.setting.until is None:
            # Without a clock nothing may depend on the clock.
            study.measured({**known, "pace": None, "ceiling": None, "first": 1.0})
            return
        # Of what is within the limits: others may be so large that a step of them takes the budget.
        most = PROBING * self.setting.until
        self.pace = measure_pace(self.limited, data, mode, job.device, job.seed, most)
        self._fit_to_budget()
        if (method := self.setting.method) is not None:
            whole = self.before_the_last()
            self.phases = {name: share * whole for name, share in method.shares().items()}
        least = self._least()
        if self.setting.until < least:
            what = "one training" if method is None else f"the phases of {method.name} with a training"
            raise BudgetError(
                f"a budget of {job.budget:g}s is too short for {what} of {self.setting.task.name} here;"
                f" the least is about {least / (1 - WRITING):.0f}s"
            )
        measures = {**known, "pace": self.pace.to_json(), "ceiling": self.ceiling, "first": self.first}
        study.measured(measures | ({"phases": dict(self.phases)} if self.phases else {}))

    def _phases_since_then(self) -> Mapping[str, float]:
        """The phases of a study that began without a clock and goes on with one: their shares of what there is, which
        they have had a part of."""
        method, study = self.setting.method, self.study
        if method is None or self.setting.until is None:
            return {}
        had = sum(study.spent_in(PHASE + name) for name in method.shares())
        whole = max(0.0, self.before_the_last()) + had
        phases = {name: share * whole for name, share in method.shares().items()}
        study.measured({**study.measures, "phases": phases})
        return phases

    def space(self) -> Space:
        """The space within the limits, and without what is too slow for the budget as it was measured at first: a later
        session finds in it what an earlier one chose before `correct`."""
        if self.pace is None:
            return self.limited
        # Where hardly anything is quick enough, the quicker part of what there is can be searched.
        epochs = self._epochs()
        least = epochs[int(LEFT * len(epochs))]
        ceiling = max(self.ceiling or 0.0, least)
        self.rule = Ceiling(self.pace, self.setting.space, self.setting.data, ceiling, least)
        return self.limited.constrain(self.rule, f"an epoch within {ceiling:.2g} s")

    def correct(self) -> None:
        """Once some networks are trained, what they took says more than what was predicted from two steps."""
        if self.rule is not None and not self.rule.corrected and len(self.study.trials) >= MEASURED:
            self.rule.correct(self.study.trials[:MEASURED])

    def before_the_last(self) -> float:
        """Seconds until the last training, its share being all that it may have."""
        until = self.setting.until
        assert until is not None
        seconds = (1 - FINAL_SHARE) * until - self.study.elapsed
        return seconds * SHARE if self.setting.job.baseline else seconds

    def reserve(self) -> float:
        """Seconds for the last training: what the present best, as a network or as members of an ensemble, and a usual
        network beside it would take for as long as is of any use."""
        job, data, study = self.setting.job, self.setting.data, self.study
        assert self.setting.until is not None
        most, best = FINAL_SHARE * self.setting.until, study.best(self.setting.objective)
        if best is None or "epoch_seconds" not in best.report.metrics:
            return most
        rows = 1 + len(data.validation) / len(data.train)
        parts = parts_of(self.setting, best.proposal.architecture)
        one = LONGEST * rows * best.report.metrics["epoch_seconds"] / max(1.0, TOGETHER * parts)
        # Trees are grown to be weighed against networks; of an ensemble again on all rows, whatever they are then.
        trees = 2.0 * float((study.boosted or {}).get("seconds", 0.0)) if job.ensemble else again(study)
        return min(most, (max(1, job.ensemble) + job.reference) * one + trees)

    def _left_of(self, phases: Mapping[str, float]) -> Mapping[str, float]:
        """The phases in a later session: what it took to begin again is taken from what is left of each, and not from
        the trainings of what they choose alone."""
        method = self.setting.method
        if method is None or self.setting.until is None or not phases:
            return phases
        left = {name: max(0.0, seconds - self.study.spent_in(PHASE + name)) for name, seconds in phases.items()}
        share = sum(method.shares().values())
        choosing = sum(phases.values()) * (1 - share) / share
        factor = min(1.0, max(0.0, self.before_the_last()) / max(1e-9, sum(left.values()) + choosing))
        return {name: seconds - (1 - factor) * left[name] for name, seconds in phases.items()}

    def _epochs(self) -> list[float]:
        """Seconds of an epoch of some networks, the quickest first; of a method's, whose weights are shared or mixed by
        the usual recipe, with that one: others may be quicker, and what they allow leaves it nothing."""
        assert self.pace is not None
        space = self.limited if self.setting.method is None else of_networks(self.limited)
        return sampled_epochs(space, self.pace, self.setting.data, self.setting.job.seed)

    def _least(self) -> float:
        """Seconds of a budget in which something can be done."""
        assert self.pace is not None
        method, epochs = self.setting.method, self._epochs()
        # One epoch in the search and one after it, the start of a worker, and what has gone already.
        pricing, boosted = self.setting.pricing, self.study.boosted or {}
        start = self.study.elapsed - float(boosted.get("seconds", 0.0)) - (0.0 if pricing is None else pricing.seconds)
        least = self.study.elapsed + start + 3.0 * epochs[0] + MARGIN
        if method is None:
            return least
        # Beside that, what the least share of a phase must be enough for: some epochs of shared weights.
        shared = SHARED_EPOCHS * statistics.median(epochs) / next(iter(method.shares().values()))
        halves = SHARE if self.setting.job.baseline else 1.0
        return max(least, (self.study.elapsed + shared / halves) / (1 - FINAL_SHARE))

    def _fit_to_budget(self) -> None:
        """Set what an epoch may take, and which share of one the first training of a network gets.

        A search should judge many networks, and the last training should have many epochs of the one that was chosen.
        Where a whole epoch of a network that could still be trained to the end is too long for the first of these, the
        networks begin with less than one; not with so few steps that nothing can be seen.
        """
        data, job, method, until = self.setting.data, self.setting.job, self.setting.method, self.setting.until
        assert until is not None
        seconds = self.before_the_last()
        judged = JUDGED if len(data.train) < MANY_ROWS else FEWER
        if method is not None:
            seconds *= 1 - sum(method.shares().values())
            judged = SHORTLISTED
        unit = max(0.0, seconds * job.workers / judged / PER_START - OVERHEAD) / FULL
        rows = 1 + len(data.validation) / len(data.train)
        longest = FINAL_SHARE * until / FINAL_EPOCHS / rows
        least = FIRST_ROWS / len(data.train)
        while unit / self.first < longest and self.first / 3 >= least:
            self.first /= 3
        self.ceiling = min(unit / self.first, max(unit, longest))
