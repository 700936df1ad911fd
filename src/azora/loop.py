"""The loop: ask, judge, record, tell."""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import final

from azora.executors import Executor
from azora.strategies import Affordable, Strategy
from azora.study import Study
from azora.trial import Proposal, Report, Trial

LOOK = 0.2  # seconds between looks at the clock while everybody works
ALIVE = 5.0  # and between notes of the time worked, while no judgement ends
MEASURED = 8  # judgements after which it is known what one costs
MOST = 1e6  # that a search is told that it can pay for: where no clock is running, a journal holds no infinity


def _never() -> float | None:
    return None


@final
@dataclass
class Budget:
    """When to stop: after a number of judgements, at a time, at a score, or when told to.

    `deadline` gives a `time.monotonic` value, or None; it is asked again and again, for the end of a search may move as
    the network that will be trained last becomes known.
    """

    trials: int | None = None
    deadline: Callable[[], float | None] = _never
    score: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, *, trials: int | None = None, seconds: float | None = None) -> Budget:
        """So many judgements, or so many seconds from now."""
        end = None if seconds is None else time.monotonic() + seconds
        return cls(trials, lambda: end)

    def left(self) -> float:
        """Seconds to the deadline."""
        deadline = self.deadline()
        return math.inf if deadline is None else deadline - time.monotonic()

    def spent(self, study: Study, strategy: Strategy) -> bool:
        """Whether nothing may be asked any more."""
        enough = self.score is not None and study.top(strategy.objective) >= self.score
        trials = self.trials is not None and len(study.trials) + len(study.pending) >= self.trials
        return enough or trials or self.stop.is_set() or self.left() <= 0


def search(
    strategy: Strategy,
    executor: Executor,
    study: Study,
    budget: Budget,
    on_trial: Callable[[Study], None] = lambda study: None,
) -> Study:
    """Let `strategy` propose and `executor` judge until `budget` is spent; everything is in `study`.

    A study that was begun before goes on: the strategy is shown what happened, and what was asked and never told is
    judged first. Whatever the deadline interrupts is recorded as cut.

    Raises:
        ConfigError: the executor can judge nothing at all.
        StudyError: the journal cannot be written.
    """
    strategy.replay(_events(study))
    _fit(strategy, study, budget, executor.workers)
    running: dict[int, Future[Report]] = {}
    noted = time.monotonic()
    for number in study.pending:
        running[number] = _submit(executor, study, running, number)
    while running or not budget.spent(study, strategy):
        while len(running) < executor.workers and not budget.spent(study, strategy):
            if (proposal := strategy.ask(budget.deadline())) is None:
                break
            number = study.asked(proposal)
            running[number] = _submit(executor, study, running, number)
        if not running:
            if budget.spent(study, strategy) or not _fit(strategy, study, budget, executor.workers, least=1):
                break  # nothing to judge, nothing more to ask
            continue  # a space that was used up before a judgement's cost was known: is there more to do for it?
        wait(running.values(), timeout=min(LOOK, max(0.0, budget.left())), return_when=FIRST_COMPLETED)
        for number in [number for number, future in running.items() if future.done()]:
            _tell(strategy, study, number, running.pop(number).result())
            _fit(strategy, study, budget, executor.workers)
            on_trial(study)
            noted = time.monotonic()
        if time.monotonic() - noted > ALIVE:
            study.alive()
            noted = time.monotonic()
        if budget.left() <= 0 or budget.stop.is_set():
            _cut(study, running, "interrupted" if budget.stop.is_set() else "the budget was spent")
    return study


def _submit(executor: Executor, study: Study, running: dict[int, Future[Report]], number: int) -> Future[Report]:
    """Nothing is judged twice: what the study knows is answered at once, what is being judged is waited for."""
    proposal = study.pending[number]
    if (known := study.find(proposal)) is not None:
        answered: Future[Report] = Future()
        answered.set_result(known)
        return answered
    for other, future in running.items():
        if study.pending[other].identity == proposal.identity:
            return future
    return executor.submit(proposal)


def _tell(strategy: Strategy, study: Study, number: int, report: Report) -> None:
    """Durable first: what the strategy has heard must be there when the study goes on."""
    proposal = study.pending[number]
    lacking = [each.metric for each in strategy.objectives if each.metric not in report.metrics]
    if report.ok and lacking:
        gave = ", ".join(sorted(report.metrics))
        error = f"the evaluator gave no {lacking[0]!r}, which the search is for; it gave {gave}"
        report = replace(report, error=error)
    study.told(number, report, known=study.find(proposal) is not None)
    strategy.tell(proposal, report)


def _fit(strategy: Strategy, study: Study, budget: Budget, workers: int, least: int = MEASURED) -> bool:
    """Tell the strategy, once it is known (by so many judgements), what can be paid for; after a kill between the two
    events too. Whether it was told now."""
    if len(_trained(study)) < least or any(kind == "fitted" for kind, _, _ in study.history()):
        return False
    affordable = _affordable(study, budget, workers)
    study.fitted(affordable.budgets, affordable.judgements)
    strategy.fit(affordable)
    return True


def _affordable(study: Study, budget: Budget, workers: int) -> Affordable:
    """What is left to spend: of the time, in units of a proposal's budget at the pace of the first judgements, and of
    judgements."""
    pace = _pace(_trained(study))
    by_clock = budget.left() * workers / pace if pace > 0 else math.inf
    judgements = math.inf if budget.trials is None else float(max(0, budget.trials - len(study.trials)))
    return Affordable(max(0.0, min(by_clock, MOST)), judgements)


def _pace(trained: Sequence[Trial]) -> float:
    """Seconds that a unit of a training takes which comes to a number, with its share of what failures take.

    Failures have no say in what a training takes (many end at once), but each second of them is one of the budget.
    """
    good = [trial for trial in trained if trial.report.ok] or trained
    # The median: a worker's first judgement is slower than any later one.
    pace = statistics.median(trial.report.seconds / (trial.proposal.budget or 1.0) for trial in good)
    whole, useful = (sum(trial.report.seconds for trial in some) for some in (trained, good))
    return pace * whole / useful if useful > 0 else pace


def _trained(study: Study) -> list[Trial]:
    """Judgements that tell what one costs: all but those of networks that had no training of their own."""
    return [trial for trial in study.trials if trial.proposal.budget != 0]


def _cut(study: Study, running: dict[int, Future[Report]], why: str) -> None:
    """Let go of what is being judged, but not of what was just finished; the executor's shutdown ends it."""
    for number in [number for number, future in running.items() if not future.done()]:
        study.cut(number, why)
        del running[number]


def _events(study: Study) -> list[tuple[str, Proposal] | tuple[str, Proposal, Report] | tuple[str, Affordable]]:
    events: list[tuple[str, Proposal] | tuple[str, Proposal, Report] | tuple[str, Affordable]] = []
    for kind, first, second in study.history():
        if kind != "fitted" and (second if kind == "asked" else first).budget == 0:
            continue  # judged without a training of its own, which no strategy asked for
        if kind == "asked":
            events.append(("asked", second))
        elif kind == "told":
            events.append(("told", first, second))
        else:
            events.append(("fitted", Affordable(first, second)))
    return events
