"""The contract for every shipped strategy, and what is particular to each."""

from __future__ import annotations

import math
import random

import pytest

from azora.errors import ConfigError
from azora.space import Categorical, Space
from azora.strategies import Affordable, Level, RandomSearch, RegularizedEvolution, Strategy, SuccessiveHalving
from azora.testing.strategy_contract import Make, StrategyContract, judge, tiny_space
from azora.trial import Report

MAKERS: dict[str, Make] = {
    "random": RandomSearch,
    "evolution": RegularizedEvolution,
    "small-evolution": lambda space, seed: RegularizedEvolution(space, seed, population=5, tournament=2),
    "halving-random": lambda space, seed: SuccessiveHalving(RandomSearch(space, seed), rungs=3),
    "halving-evolution": lambda space, seed: SuccessiveHalving(RegularizedEvolution(space, seed)),
    "level": lambda space, seed: Level(RegularizedEvolution(space, seed)),
}


class TestStrategies(StrategyContract):
    @pytest.fixture(params=MAKERS.values(), ids=MAKERS)
    def make(self, request: pytest.FixtureRequest) -> Make:
        made: Make = request.param
        return made


def best(strategy: Strategy, asks: int) -> float:
    top = -math.inf
    for _ in range(asks):
        proposal = strategy.ask()
        assert proposal is not None
        report = judge(proposal)
        top = max(top, report.metrics["accuracy"])
        strategy.tell(proposal, report)
    return top


def test_evolution_beats_random_search_under_the_same_number_of_judgements() -> None:
    evolved = [best(RegularizedEvolution(tiny_space(), seed, population=10), 60) for seed in range(10)]
    guessed = [best(RandomSearch(tiny_space(), seed), 60) for seed in range(10)]
    assert sum(evolved) / 10 > sum(guessed) / 10


def test_evolution_forgets_the_oldest_not_the_worst() -> None:
    strategy = RegularizedEvolution(tiny_space(), 0, population=3, tournament=2)
    keys = []
    for score in (0.9, 0.1, 0.2, 0.3):
        proposal = strategy.ask()
        assert proposal is not None
        keys.append(proposal.architecture.key)
        strategy.tell(proposal, Report({"accuracy": score}))
    assert [member.architecture.key for member in strategy.members] == keys[1:]


def test_evolution_children_are_one_move_from_a_parent_it_names() -> None:
    strategy = RegularizedEvolution(tiny_space(), 0, population=4, tournament=4)
    best(strategy, 4)
    proposal = strategy.ask()
    assert proposal is not None
    parent = proposal.origin.removeprefix("mutation of ")
    assert parent in {member.architecture.key for member in strategy.members}


def test_evolution_fits_its_population_to_what_can_be_paid_for() -> None:
    strategy = RegularizedEvolution(tiny_space(), 0)
    strategy.fit(Affordable(400.0))
    assert strategy.size == 50


def test_a_tournament_larger_than_the_population_is_refused() -> None:
    with pytest.raises(ConfigError, match="tournament=9 must be between 1 and population=4"):
        RegularizedEvolution(tiny_space(), 0, population=4, tournament=9)


def test_random_search_ends_a_finite_space_after_each_point_once() -> None:
    strategy = RandomSearch(Space("three", [Categorical("depth", (1, 2, 3))]), 0)
    asked = [strategy.ask() for _ in range(4)]
    assert asked[3] is None
    assert len({proposal.architecture.key for proposal in asked if proposal}) == 3


def test_halving_promotes_the_best_third_and_trains_it_longer() -> None:
    strategy = SuccessiveHalving(RandomSearch(tiny_space(), 0), rungs=3)
    first = [strategy.ask() for _ in range(3)]
    for place, proposal in enumerate(first):
        assert proposal is not None and proposal.budget == 1.0
        strategy.tell(proposal, Report({"accuracy": place / 10}))
    promoted = strategy.ask()
    assert promoted is not None and first[2] is not None
    assert (promoted.architecture.key, promoted.budget) == (first[2].architecture.key, 3.0)
    following = strategy.ask()
    assert following is not None and following.budget == 1.0


class Familiar(Space):
    """The tiny space, where somebody knows two points."""

    def __init__(self) -> None:
        super().__init__("familiar", list(tiny_space().choices.values()))

    def familiar(self) -> list[dict[str, object]]:
        return [{"depth": 1, "first": first, "width": 8, "rate": 0.1} for first in ("conv", "pool", "nothing")]


def test_evolution_begins_with_what_is_familiar_and_random_search_does_not() -> None:
    space = Familiar()
    asked = [RegularizedEvolution(space, 0, population=4, tournament=2)]
    first = [asked[0].ask() for _ in range(4)]
    assert [each.origin for each in first if each] == ["familiar", "familiar", "random", "random"]
    assert [each.architecture["first"] for each in first[:2] if each] == ["conv", "pool"]
    guessed = RandomSearch(space, 0).ask()
    assert guessed is not None and guessed.origin == "random"


def test_halving_never_promotes_what_failed() -> None:
    strategy = SuccessiveHalving(RandomSearch(tiny_space(), 0), rungs=2)
    for _ in range(12):
        proposal = strategy.ask()
        assert proposal is not None and proposal.budget == 1.0
        strategy.tell(proposal, Report(error="no"))


def test_halving_fits_its_ladder_so_that_finalists_are_compared() -> None:
    strategy = SuccessiveHalving(RandomSearch(tiny_space(), 0))
    strategy.fit(Affordable(600.0))
    assert [strategy.budget(rung) for rung in range(len(strategy.ladder))] == [1.0, 3.0, 9.0, 27.0]
    short = SuccessiveHalving(RandomSearch(tiny_space(), 0))
    short.fit(Affordable(6.0))
    assert len(short.ladder) == 1


def test_halving_spends_less_than_a_third_of_its_trials_above_the_lowest_rung() -> None:
    strategy, rng = SuccessiveHalving(RandomSearch(tiny_space(), 0), rungs=3), random.Random(0)
    budgets = []
    for _ in range(120):
        proposal = strategy.ask()
        assert proposal is not None
        budgets.append(proposal.budget)
        strategy.tell(proposal, Report({"accuracy": rng.random()}))
    assert 60 <= budgets.count(1.0) <= 95
    assert budgets.count(9.0) >= 3


def test_halving_promotes_no_more_than_a_third_though_every_new_one_is_the_best() -> None:
    strategy, budgets = SuccessiveHalving(RandomSearch(tiny_space(), 0), rungs=2), []
    for place in range(80):
        proposal = strategy.ask()
        assert proposal is not None
        budgets.append(proposal.budget)
        strategy.tell(proposal, Report({"accuracy": place / 100}))
    assert budgets.count(3.0) == budgets.count(1.0) // 3


def test_level_gives_everybody_the_same_budget_and_fits_it() -> None:
    strategy = Level(RandomSearch(tiny_space(), 0))
    strategy.fit(Affordable(400.0))
    assert {proposal.budget for proposal in (strategy.ask(), strategy.ask()) if proposal} == {10.0}
