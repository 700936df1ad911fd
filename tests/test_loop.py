"""The loop: budgets, duplicates, failures, resuming."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from azora.executors import Executor, InlineExecutor
from azora.executors import judge as judged_by
from azora.loop import Budget, search
from azora.space import Categorical, Space
from azora.strategies import Level, RandomSearch, RegularizedEvolution, Strategy, SuccessiveHalving
from azora.strategies.pareto import ParetoEvolution
from azora.study import MemoryJournal, Study
from azora.testing import tiny_space
from azora.testing.strategy_contract import judge
from azora.trial import Objective, Proposal, Report


def metrics(proposal: Proposal) -> dict[str, float]:
    return dict(judge(proposal).metrics)


def keys(study: Study) -> list[tuple[str, float | None]]:
    return [trial.proposal.identity for trial in study.trials]


class Hanging(Executor):
    """Never answers."""

    workers = 2

    def submit(self, proposal: Proposal) -> Future[Report]:
        return Future()

    def shutdown(self) -> None:
        """There is nothing to stop."""


class Repeating(Strategy):
    """Asks for the same two networks over and over."""

    def propose(self, rng: random.Random) -> Proposal | None:
        return Proposal(self.space.sample(random.Random(self.asked % 2)), 1.0)


MAKERS: list[Callable[[Space, int], Strategy]] = [
    RandomSearch,
    lambda space, seed: RegularizedEvolution(space, seed, population=6),
    lambda space, seed: SuccessiveHalving(RegularizedEvolution(space, seed)),
]


@pytest.mark.parametrize("make", MAKERS)
def test_so_many_judgements_and_no_more(make: Callable[[Space, int], Strategy]) -> None:
    study = Study(MemoryJournal(), tiny_space())
    search(make(tiny_space(), 0), InlineExecutor(metrics), study, Budget.of(trials=17))
    assert len(study.trials) == 17
    assert not study.pending


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_seed_gives_the_same_search_and_resuming_changes_nothing(
    make: Callable[[Space, int], Strategy],
) -> None:
    whole = Study(MemoryJournal(), tiny_space())
    search(make(tiny_space(), 5), InlineExecutor(metrics), whole, Budget.of(trials=40))
    journal = MemoryJournal()
    for trials in (3, 11, 26, 40):
        # The strategy of each session is a new one, that was shown the journal; what was fitted stays fitted.
        study = Study(journal, tiny_space())
        budget = Budget(trials=40, stop=StopAt(study, trials))
        search(make(tiny_space(), 5), InlineExecutor(metrics), study, budget)
    assert keys(Study(journal, tiny_space())) == keys(whole)


class StopAt(threading.Event):
    """Is set once the study has so many trials."""

    def __init__(self, study: Study, trials: int) -> None:
        super().__init__()
        self.study, self.trials = study, trials

    def is_set(self) -> bool:
        return len(self.study.trials) >= self.trials


def test_what_was_asked_and_never_told_is_judged_first_when_resumed() -> None:
    journal = MemoryJournal()
    study = Study(journal, tiny_space())
    lost = Proposal(tiny_space().sample(random.Random(9)), 1.0)
    study.asked(lost)
    again = Study(journal, tiny_space())
    search(RandomSearch(tiny_space(), 0), InlineExecutor(metrics), again, Budget.of(trials=3))
    assert again.trials[0].proposal == lost


@pytest.mark.parametrize("make", MAKERS)
def test_what_was_judged_without_a_training_is_not_shown_to_a_strategy(make: Callable[[Space, int], Strategy]) -> None:
    plain, other = Study(MemoryJournal(), tiny_space()), Study(MemoryJournal(), tiny_space())
    untrained = Proposal(tiny_space().sample(random.Random(9)), 0.0)
    other.told(other.asked(untrained), Report({"accuracy": 1.0}))
    search(make(tiny_space(), 0), InlineExecutor(metrics), plain, Budget.of(trials=6))
    search(make(tiny_space(), 0), InlineExecutor(metrics), other, Budget.of(trials=7))
    assert keys(other)[1:] == keys(plain)


def test_nothing_is_judged_twice() -> None:
    judged: list[str] = []

    def count(proposal: Proposal) -> dict[str, float]:
        judged.append(proposal.architecture.key)
        return metrics(proposal)

    study = Study(MemoryJournal(), tiny_space())
    search(Repeating(tiny_space(), 0), InlineExecutor(count), study, Budget.of(trials=10))
    assert len(judged) == len(set(judged)) == 2
    assert len(study.trials) == 10


def test_a_finite_space_ends_the_search() -> None:
    space = Space("three", [Categorical("depth", (1, 2, 3))])
    study = Study(MemoryJournal(), space)
    search(RandomSearch(space, 0), InlineExecutor(lambda proposal: {"accuracy": 0.5}), study, Budget.of(trials=50))
    assert len(study.trials) == 3


def test_failures_are_data_and_the_search_goes_on() -> None:
    def fails(proposal: Proposal) -> dict[str, float]:
        if proposal.architecture["depth"] == 2:
            raise ValueError("no")
        return metrics(proposal)

    study = Study(MemoryJournal(), tiny_space())
    search(RandomSearch(tiny_space(), 0), InlineExecutor(fails), study, Budget.of(trials=30))
    assert 0 < study.failed < 30
    assert {trial.report.error for trial in study.trials} == {None, "ValueError: no"}


def test_the_deadline_holds_when_nothing_ever_answers() -> None:
    study = Study(MemoryJournal(), tiny_space())
    begun = time.monotonic()
    search(RandomSearch(tiny_space(), 0), Hanging(), study, Budget.of(seconds=0.5))
    assert 0.45 < time.monotonic() - begun < 1.0
    assert (study.failed, len(study.trials), study.pending) == (0, 0, {})


def test_every_objective_must_be_given() -> None:
    study = Study(MemoryJournal(), tiny_space())
    strategy = ParetoEvolution(tiny_space(), 0, objectives=(Objective("accuracy"), Objective("watts", False)))
    search(Level(strategy, 1.0), InlineExecutor(metrics), study, Budget.of(trials=3))
    assert {trial.report.error for trial in study.trials} == {
        "the evaluator gave no 'watts', which the search is for; it gave accuracy, loss"
    }


def test_a_score_is_enough() -> None:
    study = Study(MemoryJournal(), tiny_space())
    search(RandomSearch(tiny_space(), 0), InlineExecutor(metrics), study, Budget(trials=500, score=0.6))
    assert study.trials[-1].report.metrics["accuracy"] >= 0.6
    assert len(study.trials) < 500


def test_stopping_is_heard() -> None:
    stop = threading.Event()
    stop.set()
    study = Study(MemoryJournal(), tiny_space())
    search(RandomSearch(tiny_space(), 0), InlineExecutor(metrics), study, Budget(trials=5, stop=stop))
    assert not study.trials


def test_the_strategy_learns_what_can_be_paid_for_once() -> None:
    study = Study(MemoryJournal(), tiny_space())
    strategy = SuccessiveHalving(RandomSearch(tiny_space(), 0))
    search(strategy, InlineExecutor(metrics), study, Budget.of(trials=200))
    fitted = [judgements for kind, _, judgements in study.history() if kind == "fitted"]
    assert fitted == [192.0]
    assert len(strategy.ladder) == 4


def test_where_judgements_are_counted_a_population_is_fitted_to_how_many_there_are() -> None:
    """However long each of them is; a session that goes on knows it too."""
    journal, sizes = MemoryJournal(), list[tuple[float, int]]()
    for trials in (12, 20):
        study, inner = Study(journal, tiny_space()), RegularizedEvolution(tiny_space())
        strategy = Level(inner)
        search(strategy, InlineExecutor(metrics), study, Budget(trials=400, stop=StopAt(study, trials)))
        sizes.append((strategy.length, inner.size))
    assert sizes == [(9.0, 49)] * 2


class Threads(Executor):
    """Judges in threads, several at a time."""

    def __init__(self, evaluate: Callable[[Proposal], dict[str, float]], workers: int) -> None:
        self.workers, self.evaluate, self.pool = workers, evaluate, ThreadPoolExecutor(workers)

    def submit(self, proposal: Proposal) -> Future[Report]:
        return self.pool.submit(judged_by, self.evaluate, proposal)

    def shutdown(self) -> None:
        self.pool.shutdown()


def test_nothing_is_judged_twice_at_the_same_time() -> None:
    judged: list[str] = []

    def count(proposal: Proposal) -> dict[str, float]:
        judged.append(proposal.architecture.key)
        time.sleep(0.02)
        return metrics(proposal)

    class Pairs(Strategy):
        def propose(self, rng: random.Random) -> Proposal | None:
            return Proposal(self.space.sample(random.Random(self.asked // 2)), 1.0)

    journal, executor = MemoryJournal(), Threads(count, 2)
    study = search(Pairs(tiny_space(), 0), executor, Study(journal, tiny_space()), Budget.of(trials=12))
    executor.shutdown()
    assert len(judged) == len(set(judged)) == 6
    assert len(study.trials) == 12
    assert sum(event.get("known", False) for event in journal.read()) == 6


def test_a_kill_between_the_eighth_report_and_the_fit_changes_nothing() -> None:
    class Killed(Exception):
        pass

    def kill(budgets: float, judgements: float) -> None:
        raise Killed

    whole = Study(MemoryJournal(), tiny_space())
    search(MAKERS[2](tiny_space(), 0), InlineExecutor(metrics), whole, Budget.of(trials=60))
    journal = MemoryJournal()
    study = Study(journal, tiny_space())
    study.fitted = kill  # type: ignore[method-assign]
    with pytest.raises(Killed):
        search(MAKERS[2](tiny_space(), 0), InlineExecutor(metrics), study, Budget.of(trials=60))
    again = Study(journal, tiny_space())
    search(MAKERS[2](tiny_space(), 0), InlineExecutor(metrics), again, Budget.of(trials=60))
    assert keys(again) == keys(whole)


def test_a_score_is_enough_however_many_finish_after_it() -> None:
    first = threading.Event()

    def once(proposal: Proposal) -> dict[str, float]:
        if not first.is_set():
            first.set()
            return {"accuracy": 0.99}
        time.sleep(0.1)
        return {"accuracy": 0.5}

    executor, study = Threads(once, 16), Study(MemoryJournal(), tiny_space())
    search(RandomSearch(tiny_space(), 0), executor, study, Budget(trials=100, score=0.9))
    executor.shutdown()
    assert len(study.trials) <= 16
    search(RandomSearch(tiny_space(), 0), Hanging(), study, Budget(trials=100, score=0.9))
    assert len(study.trials) <= 16


def test_an_evaluator_that_does_not_give_the_metric_is_told_so() -> None:
    study = Study(MemoryJournal(), tiny_space())
    search(RandomSearch(tiny_space(), 0), InlineExecutor(lambda proposal: {"acc": 0.5}), study, Budget.of(trials=2))
    why = "the evaluator gave no 'accuracy', which the search is for; it gave acc"
    assert [trial.report.error for trial in study.trials] == [why, why]


class Held(Executor):
    """Answers the first at once, the others when told to."""

    workers = 3

    def __init__(self) -> None:
        self.futures: list[Future[Report]] = []

    def submit(self, proposal: Proposal) -> Future[Report]:
        self.futures.append(Future())
        if len(self.futures) == 1:
            self.futures[0].set_result(judge(proposal))
        return self.futures[-1]

    def shutdown(self) -> None:
        """There is nothing to stop."""


def test_what_is_finished_when_the_search_is_stopped_is_told_and_the_rest_comes_first_when_it_goes_on() -> None:
    journal, executor, stop = MemoryJournal(), Held(), threading.Event()

    def stop_after_the_first(study: Study) -> None:
        if not stop.is_set():
            executor.futures[1].set_result(Report({"accuracy": 0.5}))
            stop.set()

    study = Study(journal, tiny_space())
    search(RandomSearch(tiny_space(), 0), executor, study, Budget(trials=9, stop=stop), stop_after_the_first)
    assert [trial.number for trial in study.trials] == [0, 1]
    assert not study.pending
    again = Study(journal, tiny_space())
    again.open()
    assert list(again.pending) == [2]
    search(RandomSearch(tiny_space(), 0), InlineExecutor(metrics), again, Budget.of(trials=9))
    assert [trial.number for trial in again.trials] == list(range(9))


class Timed(Executor):
    """Judges at once, and says that it took as long as `report` has it."""

    workers = 1

    def __init__(self, report: Callable[[int], Report]) -> None:
        self.report, self.count = report, 0

    def submit(self, proposal: Proposal) -> Future[Report]:
        answered: Future[Report] = Future()
        answered.set_result(self.report(self.count))
        self.count += 1
        return answered

    def shutdown(self) -> None:
        """There is nothing to stop."""


def affordable(study: Study, report: Callable[[int], Report]) -> float:
    """What a search of a thousand seconds takes for affordable after its first judgements."""
    stop = StopAt(study, len(study.trials) + 9)
    end = time.monotonic() + 1000
    search(RandomSearch(tiny_space(), 0), Timed(report), study, Budget(deadline=lambda: end, stop=stop))
    (units,) = [units for kind, units, _ in study.history() if kind == "fitted"]
    return float(units)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(0.0, 100.0), (10.0, 100.0 * 3 / 8)],  # those that fail late take five eighths of the time
)
def test_failures_do_not_set_the_pace_and_their_time_is_counted(failure: float, expected: float) -> None:
    def report(number: int) -> Report:
        if number in (0, 2, 3, 5, 6):
            return Report(error="no", seconds=failure)
        return Report({"accuracy": 0.5}, seconds=10.0)

    assert affordable(Study(MemoryJournal(), tiny_space()), report) == pytest.approx(expected, rel=0.01)


def test_where_all_fail_their_time_is_all_that_is_known() -> None:
    study = Study(MemoryJournal(), tiny_space())
    assert affordable(study, lambda number: Report(error="no", seconds=4.0)) == pytest.approx(250.0, rel=0.01)


def test_what_was_judged_without_a_training_does_not_set_the_pace() -> None:
    study = Study(MemoryJournal(), tiny_space())
    for seed in range(5):
        untrained = Proposal(tiny_space().sample(random.Random(seed)), 0.0)
        study.told(study.asked(untrained), Report({"accuracy": 1.0}, seconds=0.01))
    units = affordable(study, lambda number: Report({"accuracy": 0.5}, seconds=10.0))
    assert units == pytest.approx(100.0, rel=0.01)


@pytest.mark.parametrize("around", [Level, SuccessiveHalving])
def test_a_space_of_few_points_is_judged_in_full_and_replays_alike(around: Callable[[Strategy], Strategy]) -> None:
    space, end = Space("three", [Categorical("depth", (1, 2, 3))]), time.monotonic() + 1000
    journal, judged = MemoryJournal(), Timed(lambda number: Report({"accuracy": number / 10}, seconds=1.0))
    for trials in (2, 3, 5, 50):  # sessions: each strategy is a new one, that was shown the journal
        study = Study(journal, space)
        search(around(RandomSearch(space, 0)), judged, study, Budget(deadline=lambda: end, stop=StopAt(study, trials)))
    assert [kind for kind, _, _ in study.history()].count("fitted") == 1
    budgets = [trial.proposal.budget for trial in study.trials]
    assert budgets[:3] == [1.0, 1.0, 1.0]
    assert len(set(keys(study))) == len(keys(study))
    longest = max(budgets, key=lambda each: each or 0.0)
    assert longest is not None and longest > 20 and budgets.count(longest) == 3


def test_a_space_without_a_point_ends_the_search() -> None:
    class Mute(Strategy):
        def propose(self, rng: random.Random) -> Proposal | None:
            return None

    study = Study(MemoryJournal(), tiny_space())
    search(Mute(tiny_space(), 0), InlineExecutor(metrics), study, Budget.of(trials=5))
    assert not list(study.history())


def test_while_no_judgement_ends_the_time_worked_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed session's work counts, however long a judgement takes."""
    monkeypatch.setattr("azora.loop.ALIVE", 0.1)
    journal = MemoryJournal()
    study = Study(journal, tiny_space())
    search(RandomSearch(tiny_space(), 0), Hanging(), study, Budget.of(seconds=0.9))
    alive = [float(event["elapsed"]) for event in journal.read() if event["kind"] == "alive"]
    assert len(alive) >= 2 and alive[-1] > 0.4
