"""One budget for all, and what was judged before it was known."""

from __future__ import annotations

import random

import pytest

from azora.space import Architecture, Categorical, Space
from azora.strategies import (
    Affordable,
    Bayesian,
    Event,
    Level,
    LocalSearch,
    RandomSearch,
    RegularizedEvolution,
    Strategy,
    SuccessiveHalving,
)
from azora.strategies.hypervolume import HypervolumeSearch
from azora.strategies.pareto import ParetoEvolution
from azora.testing.strategy_contract import Make, StrategyContract, tiny_space
from azora.trial import Objective, Proposal, Report

BOTH = (Objective(), Objective("macs", maximise=False))
UNITS = Affordable(400.0)  # which makes ten epochs


class TestAround(StrategyContract):
    """Others are in `test_strategies` and `test_optuna_search`."""

    length = 16

    @pytest.fixture(params=["pareto", "bayesian", "hypervolume"])
    def make(self, request: pytest.FixtureRequest) -> Make:
        two = (Objective(), Objective("loss", False))
        if request.param == "pareto":
            return lambda space, seed: Level(ParetoEvolution(space, seed, two, population=8))
        if request.param == "hypervolume":
            return lambda space, seed: Level(HypervolumeSearch(space, seed, two, start=6))
        return lambda space, seed: Level(Bayesian(space, seed, start=6))


def ask(strategy: Strategy) -> Proposal:
    proposal = strategy.ask()
    assert proposal is not None
    return proposal


def begun(strategy: Strategy, scores: list[float | None]) -> list[Architecture]:
    """What was judged for an epoch, with these scores; None failed."""
    first = []
    for score in scores:
        proposal = ask(strategy)
        assert proposal.budget == 1.0
        strategy.tell(proposal, Report(error="no") if score is None else Report({"accuracy": score}))
        first.append(proposal.architecture)
    return first


def test_what_is_counted_or_timed_limits_how_many_there_are() -> None:
    for affordable, length, size in (
        (Affordable(4000.0), 30.0, 17),
        (Affordable(1e6, 392.0), 9.0, 49),
        (Affordable(1800.0, 392.0), 9.0, 25),
        (Affordable(40_000.0, 392.0), 9.0, 49),
    ):
        inner = RegularizedEvolution(tiny_space(), 0)
        level = Level(inner)
        level.fit(affordable)
        assert (level.length, inner.size) == (length, size)


def test_the_best_four_are_the_first_to_be_judged_in_full() -> None:
    strategy = Level(RegularizedEvolution(tiny_space(), 0))
    first = begun(strategy, [0.1, 0.5, None, 0.7, 0.2, 0.6, 0.3, 0.4])
    strategy.fit(UNITS)
    again = [ask(strategy) for _ in range(4)]
    assert [each.architecture for each in again] == [first[place] for place in (3, 5, 1, 7)]
    assert {each.budget for each in again} == {10.0}
    assert {each.origin for each in again} == {"again, in full: random"}
    fresh = ask(strategy)
    assert fresh.budget == 10.0 and fresh.architecture not in first
    for each in again:
        strategy.tell(each, Report({"accuracy": 0.1}))
    assert ask(strategy).architecture not in first


def test_of_equals_the_smaller_loss_is_first() -> None:
    strategy = Level(RandomSearch(tiny_space(), 0))
    first = []
    for loss in (0.3, 0.1, 0.2):
        first.append(ask(strategy))
        strategy.tell(first[-1], Report({"accuracy": 0.5, "loss": loss}))
    strategy.fit(UNITS)
    assert [ask(strategy).architecture for _ in range(3)] == [first[place].architecture for place in (1, 2, 0)]


def test_of_several_objectives_the_front_is_judged_again_from_all_its_ends() -> None:
    strategy, first = Level(ParetoEvolution(tiny_space(), 0, BOTH)), []
    #         the best, dominated,  dominated, the cheapest, between,   dominated,  fails in one
    points = [(0.9, 90), (0.8, 95), (0.3, 40), (0.2, 10), (0.6, 30), (0.1, 20), (0.99, None)]
    for accuracy, macs in points:
        first.append(ask(strategy))
        metrics = {"accuracy": accuracy} if macs is None else {"accuracy": accuracy, "macs": float(macs)}
        strategy.tell(first[-1], Report(metrics))
    strategy.fit(UNITS)
    again = [ask(strategy) for _ in range(4)]
    assert [each.architecture for each in again] == [first[place].architecture for place in (0, 3, 4, 5)]


def test_what_was_still_being_judged_comes_in_later() -> None:
    strategy = Level(RandomSearch(tiny_space(), 0))
    begun(strategy, [0.1, 0.2])
    late = ask(strategy)
    strategy.fit(UNITS)
    ask(strategy)
    strategy.tell(late, Report({"accuracy": 0.9}))
    assert ask(strategy).architecture == late.architecture
    assert [ask(strategy).origin.startswith("again") for _ in range(2)] == [True, False]


def test_what_is_to_be_judged_again_is_kept_until_it_was() -> None:
    strategy = Level(RandomSearch(tiny_space(), 0))
    first = {each.key for each in begun(strategy, [0.1 * place for place in range(8)])}
    assert strategy.keep() == first
    strategy.fit(UNITS)
    again = [ask(strategy) for _ in range(3)]
    assert strategy.keep() == first  # three are under way, any of the others may be the fourth
    again.append(ask(strategy))
    assert strategy.keep() == first  # there may be nothing else to judge
    ask(strategy)
    assert strategy.keep() == {each.architecture.key for each in again}
    for each in again:
        strategy.tell(each, Report({"accuracy": 0.5}))
    assert strategy.keep() == set()


@pytest.mark.parametrize(("epochs", "units"), [(None, 60.0), (3.0, 400.0), (1.0, 400.0)])
def test_where_all_were_judged_equally_long_nothing_is_judged_twice(epochs: float | None, units: float) -> None:
    strategy, asked = Level(RandomSearch(tiny_space(), 0), epochs), []
    for number in range(20):
        if number == 8:
            strategy.fit(Affordable(units))
        asked.append(ask(strategy))
        strategy.tell(asked[-1], Report({"accuracy": 0.5}))
    assert len({each.architecture.key for each in asked}) == 20
    assert strategy.keep() == set()


def test_who_names_budgets_says_what_is_judged_for_longer() -> None:
    strategy = Level(SuccessiveHalving(RandomSearch(tiny_space(), 0), rungs=2))
    for number in range(8):
        strategy.tell(ask(strategy), Report({"accuracy": number / 8}))
    strategy.fit(UNITS)
    assert all(ask(strategy).budget in (1.0, 3.0) for _ in range(4))


def test_where_nothing_else_is_left_all_are_judged_again() -> None:
    space = Space("seven", [Categorical("depth", tuple(range(7)))])
    strategy, first, again = Level(RandomSearch(space, 0)), [], []
    for place in range(7):
        first.append(ask(strategy))
        if place < 6:
            strategy.tell(first[-1], Report({"accuracy": place / 10}))
    strategy.fit(UNITS)
    for _ in range(4):
        again.append(ask(strategy))
    assert strategy.ask() is None  # the seventh is still being judged
    strategy.tell(first[-1], Report({"accuracy": 0.9}))
    assert {each.architecture.key for each in first} == strategy.keep()
    again += [ask(strategy) for _ in range(3)]
    assert [each.architecture for each in again] == [first[place].architecture for place in (5, 4, 3, 2, 6, 1, 0)]
    assert {each.budget for each in again} == {10.0}
    assert strategy.ask() is None


class Naming(Strategy):
    """Names budgets: an epoch for the first eight, then `budget` for the first of them, then an epoch again."""

    def __init__(self, budget: float) -> None:
        super().__init__(tiny_space(), 0)
        self.budget, self.made = budget, list[Proposal]()

    def propose(self, rng: random.Random) -> Proposal | None:
        if len(self.made) == 8:
            return Proposal(self.made[0].architecture, self.budget)
        return Proposal(self.space.sample(random.Random(len(self.made))), 1.0)

    def proposed(self, proposal: Proposal) -> None:
        self.made.append(proposal)


@pytest.mark.parametrize("budget", [3.0, 10.0])  # 10 is what Level would have given
def test_who_names_budgets_is_left_alone_though_the_first_were_all_of_one_epoch(budget: float) -> None:
    strategy = Level(Naming(budget))
    begun(strategy, [0.1 * place for place in range(8)])
    strategy.fit(UNITS)
    assert [ask(strategy).budget for _ in range(3)] == [budget, 1.0, 1.0]
    assert isinstance(strategy.inner, Naming) and len(strategy.inner.made) == 11
    assert strategy.keep() == set()


def test_a_replay_in_the_middle_of_it_goes_on_alike() -> None:
    def make() -> Level:
        return Level(ParetoEvolution(tiny_space(), 0, BOTH, population=8))

    def told(proposal: Proposal) -> Report:
        drawn = random.Random(f"{proposal.architecture.key}:{proposal.budget}")
        return Report({"accuracy": drawn.random(), "macs": float(drawn.randrange(5))})

    strategy, events, made = make(), list[Event](), list[Proposal]()
    for number in range(24):
        if number == 9:
            strategy.fit(UNITS)
            events.append(("fitted", UNITS))
        made.append(ask(strategy))
        events.append(("asked", made[-1]))
        if number > 0:  # the report of each comes after the next was asked for
            strategy.tell(made[-2], told(made[-2]))
            events.append(("told", made[-2], told(made[-2])))
    for end in (20, 23, 27):
        other = make()
        other.replay(events[:end])
        for event in events[end:]:
            if event[0] == "asked":
                assert ask(other) == event[1]
            elif event[0] == "told":
                other.tell(event[1], event[2])


def test_a_climb_stays_at_its_best_start_where_no_neighbour_is_better_in_full() -> None:
    strategy = Level(LocalSearch(tiny_space(), 0, starts=5))
    top = begun(strategy, [0.1, 0.2, 0.9, 0.3, 0.4, 0.8, 0.5, 0.6])[2]  # five starts, then three of its neighbours
    strategy.fit(UNITS)
    for _ in range(8):
        proposal = ask(strategy)
        strategy.tell(proposal, Report({"accuracy": 0.95 if proposal.architecture == top else 0.5}))
    assert isinstance(strategy.inner, LocalSearch)
    assert strategy.inner.top is not None and strategy.inner.top.architecture == top
    assert strategy.inner.top.rank == (10.0, 0.95)
