"""One search on a table: it goes as `azora.loop.search` would, and is charged for what it judges."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from azora.bench import Fidelity, Protocol, Setup, Table, play
from azora.errors import BenchmarkError, ConfigError
from azora.executors import InlineExecutor
from azora.loop import Budget, search
from azora.space import Categorical, Space
from azora.strategies import Affordable, RandomSearch, RegularizedEvolution, Strategy, SuccessiveHalving
from azora.study import MemoryJournal, Study
from azora.trial import Proposal, Report


@pytest.mark.parametrize("kind", [RandomSearch, RegularizedEvolution])
def test_it_asks_and_tells_as_the_loop_does(macro: Table, kind: type[RandomSearch | RegularizedEvolution]) -> None:
    protocol = Protocol(macro, queries=40)
    lean = play(kind(macro.space, 5, protocol.objective), protocol)

    def look_up(proposal: Proposal) -> dict[str, float]:
        row = macro.row(proposal.architecture)
        assert row is not None
        return dict(protocol.report(row, 0, 0.0).metrics)

    strategy, study = kind(macro.space, 5, protocol.objective), Study(MemoryJournal(), macro.space)
    search(strategy, InlineExecutor(look_up), study, Budget.of(trials=40))
    asked = [macro.row(trial.proposal.architecture) for trial in study.trials]
    assert lean.rows == asked
    fitted = [judgements for what, _, judgements in study.history() if what == "fitted"]
    assert fitted == [32.0]  # and evolution's population after it, so the rest would differ if ours were told otherwise


class Stubborn(Strategy):
    """Asks for one network twice before it asks for the next; remembers what it was told."""

    def __init__(self, space: Space, networks: int) -> None:
        super().__init__(space, 0)
        self.points, self.networks = list(space), networks
        self.told: list[Report] = []
        self.fitted: list[float] = []

    def propose(self, rng: random.Random) -> Proposal | None:
        place = self.asked // 2
        return Proposal(self.points[place % self.networks])

    def learn(self, proposal: Proposal, report: Report) -> None:
        self.told.append(report)

    def fit(self, affordable: Affordable) -> None:
        self.fitted.append(affordable.units)


def test_asking_again_is_answered_from_memory_and_is_no_query(macro: Table) -> None:
    strategy = Stubborn(macro.space, 81)
    run = play(strategy, Protocol(macro, queries=10))
    assert len(run.rows) == len(set(run.rows)) == 10
    assert run.asks == 19 and not run.ended
    assert strategy.told[0] is strategy.told[1]
    assert strategy.fitted == [6.0]  # eight judgements, of four networks


def test_a_strategy_that_has_settled_is_let_go(macro: Table) -> None:
    run = play(Stubborn(macro.space, 3), Protocol(macro, queries=10))
    assert len(run.rows) == 3
    assert run.ended == "1,000 proposals in a row were known"


def test_a_strategy_that_has_nothing_left_to_ask_for_ends(macro: Table) -> None:
    run = play(
        RandomSearch(macro.space.constrain(block_0="identity", block_1="identity"), 0), Protocol(macro, queries=81)
    )
    assert len(run.rows) == 9
    assert run.ended == "nothing was left to ask for"


def test_what_is_not_in_the_table_is_a_failure_and_costs_a_query(macro: Table) -> None:
    wider = Space(
        "wider", [Categorical(name, (*choice.options(), "new")) for name, choice in macro.space.choices.items()]
    )
    run = play(RandomSearch(wider, 1), Protocol(macro, queries=20))
    assert run.rows.count(-1) > 5 and len(run.rows) == 20


def timed(continues: bool = True) -> Table:
    space = Space("ten", [Categorical("kind", tuple("abcdefghij"))])
    scores = np.arange(20.0).reshape(10, 2)
    levels = [
        Fidelity(1.0, scores[:, :1], ("short",), False, np.full(10, 1.0)),
        Fidelity(4.0, scores, ("s0", "s1"), True, np.full(10, 4.0)),
    ]
    return Table("ten", space, [(letter,) for letter in "abcdefghij"], levels, scores[:, 1], continues=continues)


class Ladder(Strategy):
    """Every network briefly, and then at length."""

    def propose(self, rng: random.Random) -> Proposal | None:
        place = self.asked // 2
        return Proposal(list(self.space)[place], 4.0 if self.asked % 2 else 1.0)


def test_a_longer_training_goes_on_from_the_shorter_one(macro: Table) -> None:
    run = play(Ladder(timed().space), Protocol(timed(), seconds=11.0))
    assert run.seconds == [1, 3, 1, 3, 1]  # the next three seconds would end after eleven
    assert run.levels == [0, 1, 0, 1, 0]
    assert not run.ended


def test_trainings_with_schedules_of_their_own_are_paid_in_full() -> None:
    table = timed(continues=False)
    run = play(Ladder(table.space), Protocol(table, seconds=11.0))
    assert run.seconds == [1, 4, 1, 4, 1]
    assert not table.within(table.space.constrain(kind="a")).continues


def test_seconds_tell_a_strategy_how_many_epochs_it_can_afford() -> None:
    class Listening(Ladder):
        units = 0.0

        def fit(self, affordable: Affordable) -> None:
            self.units = affordable.units

    strategy = Listening(timed().space)
    play(strategy, Protocol(timed(), seconds=20.0))
    # Four networks have taken 16 of 20 seconds: a second an epoch at first, three for the four epochs of going on.
    assert strategy.units == pytest.approx(4 / ((1 + 0.75) / 2))


# How strategies are made for a table ----------------------------------------------------------------------------------


def test_ladders_have_the_rungs_of_the_table(macro_file: object) -> None:
    setup = Setup("", {"halving": {}, "evolution": {"population": 7}, "random": {"epochs": 3}})
    open_, single = Protocol(timed(), seconds=9.0), Protocol(timed(), queries=9)
    halving = setup.strategy("halving", open_, 0)
    assert isinstance(halving, SuccessiveHalving)
    assert [halving.budget(rung) for rung in range(len(halving.ladder))] == [1, 4]
    flat = setup.strategy("halving", single, 0)
    assert isinstance(flat, SuccessiveHalving) and len(flat.ladder) == 1 and flat.lowest == 4.0
    evolution = setup.strategy("evolution", single, 3)
    assert isinstance(evolution, RegularizedEvolution) and evolution.population == 7 and evolution.seed == 3
    proposal = evolution.ask()
    assert proposal is not None and proposal.budget is None  # nobody shares a budget out over epochs here
    with pytest.raises(ConfigError, match="epochs cannot be set here"):
        setup.strategy("random", single, 0)


@pytest.mark.parametrize(
    ("lengths", "budgets"),
    [
        (range(1, 13), [1, 4, 16]),  # 1, 3 and 9 would leave the longest training out
        (range(1, 17), [1, 4, 16]),
        ((1, 3, 9, 27, 81, 243), [1, 3, 9, 27, 81, 243]),  # the logarithm of 243 is a little below 5
        (range(1, 245), [1, 4, 16, 64, 256]),  # a sixth rung would be the longest training again
        ((12, 200), [12, 204]),
        ((10, 15), [10, 20]),
        ((5,), [5]),
    ],
)
def test_a_ladder_ends_at_the_longest_training(lengths: Sequence[int], budgets: list[float]) -> None:
    space, scores = Space("two", [Categorical("kind", ("a", "b"))]), np.array([[0.5], [0.7]])
    levels = [Fidelity(float(each), scores, ("v",), False, np.full(2, float(each))) for each in lengths]
    protocol = Protocol(Table("two", space, [("a",), ("b",)], levels, scores[:, 0]), seconds=9.0)
    halving = Setup("", {"halving": {}}).strategy("halving", protocol, 0)
    assert isinstance(halving, SuccessiveHalving)
    assert [halving.budget(rung) for rung in range(len(halving.ladder))] == budgets
    judged = [protocol.level(budget) for budget in budgets]
    assert judged[-1] == len(levels) - 1 and len(set(judged)) == len(judged)


class Faulty(Strategy):
    """Raises in the middle of a run."""

    def propose(self, rng: random.Random) -> Proposal | None:
        if self.asked == 3:
            raise ValueError("no\nmore")
        return Proposal(self.space.sample(rng))


def test_a_strategy_that_raises_is_named_with_its_seed(macro: Table) -> None:
    name = f"{__name__}:Faulty"
    with pytest.raises(BenchmarkError, match="Faulty failed in the run of seed 7: ValueError: no more") as caught:
        Setup("", {name: {}}).run(name, Protocol(macro, queries=10), 7)
    assert "\n" not in str(caught.value)
