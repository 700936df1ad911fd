"""The contract for every shipped strategy, and what is particular to each."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import final

import pytest

from azora.errors import ConfigError, SpaceError
from azora.space import Categorical, Space
from azora.strategies import (
    Affordable,
    Genetic,
    Level,
    LocalSearch,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    Strategy,
    SuccessiveHalving,
)
from azora.strategies.around import Around
from azora.strategies.hyperband import Hyperband
from azora.strategies.registry import STRATEGIES, make_strategy
from azora.testing.strategy_contract import Make, StrategyContract, judge, tiny_space
from azora.trial import Proposal, Report

MAKERS: dict[str, Make] = {
    "random": RandomSearch,
    "evolution": RegularizedEvolution,
    "small-evolution": lambda space, seed: RegularizedEvolution(space, seed, population=5, tournament=2),
    "halving-random": lambda space, seed: SuccessiveHalving(RandomSearch(space, seed), rungs=3),
    "halving-evolution": lambda space, seed: SuccessiveHalving(RegularizedEvolution(space, seed)),
    "elitist-evolution": lambda space, seed: RegularizedEvolution(
        space, seed, population=6, tournament=3, replacement=False, ageing=False, crossover=0.5
    ),
    "genetic": Genetic,
    "small-genetic": lambda space, seed: Genetic(space, seed, population=4, elite=1, mutation=0.2, rewiring=0.5),
    "halving-genetic": lambda space, seed: SuccessiveHalving(Genetic(space, seed), rungs=3),
    "local": LocalSearch,
    "best-local": lambda space, seed: LocalSearch(space, seed, improvement="best", starts=1),
    "halving-local": lambda space, seed: SuccessiveHalving(LocalSearch(space, seed), rungs=3),
    "reinforce": Reinforce,
    "reinforce-independent": lambda space, seed: Reinforce(space, seed, policy="independent", samples=4),
    "reinforce-ppo": lambda space, seed: Reinforce(space, seed, samples=4, clip=0.2),
    "level": lambda space, seed: Level(RegularizedEvolution(space, seed)),
    "level-local": lambda space, seed: Level(LocalSearch(space, seed)),
}


class TestStrategies(StrategyContract):
    @pytest.fixture(params=MAKERS.values(), ids=MAKERS)
    def make(self, request: pytest.FixtureRequest) -> Make:
        made: Make = request.param
        return made


@final
class Forgetful(Around):
    """Promotes, and says that it never does."""

    def propose(self, rng: random.Random) -> Proposal | None:
        return self.inner.propose(rng)

    def keep(self) -> None:
        return None


def test_the_contract_notices_promotions_of_what_was_not_kept() -> None:
    def make(space: Space, seed: int) -> Strategy:
        return Forgetful(SuccessiveHalving(RandomSearch(space, seed), rungs=2))

    with pytest.raises(AssertionError, match="goes on to 3 and was not kept"):
        StrategyContract().test_keeps_what_it_asks_for_again(make)


def best(strategy: Strategy, asks: int) -> float:
    top = -math.inf
    for _ in range(asks):
        proposal = strategy.ask()
        assert proposal is not None
        report = judge(proposal)
        top = max(top, report.metrics["accuracy"])
        strategy.tell(proposal, report)
    return top


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_registered_strategy_can_be_made_by_name(name: str) -> None:
    strategy = make_strategy(name, tiny_space(), settings={})
    proposal = strategy.ask()
    assert proposal is not None and proposal.budget == 1.0


@pytest.mark.parametrize("name", [*STRATEGIES, "azora.strategies:RandomSearch"])
def test_for_who_judges_without_training_no_strategy_says_for_how_long(name: str) -> None:
    strategy = make_strategy(name, tiny_space(), settings={}, lengths=False)
    proposal = strategy.ask()
    assert proposal is not None and proposal.budget is None
    strategy.fit(Affordable(200.0))
    assert not isinstance(strategy, Level | SuccessiveHalving | Hyperband)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("workers", [1, 3])
def test_a_finite_space_is_judged_whole_each_point_once(make: Make, workers: int) -> None:
    """Failures and pending proposals included; what halving promotes is judged again, at a larger budget."""
    space = Space("nine", [Categorical("a", (1, 2, 3)), Categorical("b", ("x", "y", "z"))])
    strategy, pending, begun = make(space, 0), list[Proposal](), list[str]()
    for _ in range(60):
        while len(pending) < workers and (proposal := strategy.ask()) is not None:
            pending.append(proposal)
            if proposal.budget in (None, 1.0):
                begun.append(proposal.architecture.key)
        if not pending:
            break
        told = pending.pop(0)
        failed = told.architecture["a"] == 2
        strategy.tell(told, Report(error="no") if failed else Report({"accuracy": told.architecture["a"] / 3}))
    assert not pending
    assert len(begun) == len(set(begun)) == 9
    assert strategy.ask() is None


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_asking_changes_nothing(make: Make) -> None:
    strategy = make(tiny_space(), 0)
    best(strategy, 20)
    twice = [strategy.propose(random.Random(5)) for _ in range(2)]
    assert twice[0] is not None
    assert twice[0] == twice[1]


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


def test_elitist_evolution_forgets_the_worst() -> None:
    strategy, keys = RegularizedEvolution(tiny_space(), 0, population=3, tournament=2, ageing=False), []
    for score in (0.9, 0.1, 0.2, 0.3):
        proposal = strategy.ask()
        assert proposal is not None
        keys.append(proposal.architecture.key)
        strategy.tell(proposal, Report({"accuracy": score}))
    assert {member.architecture.key for member in strategy.members} == {keys[0], keys[2], keys[3]}


def test_all_that_was_given_is_judged_though_others_came_before() -> None:
    space, rng = tiny_space(), random.Random(1)
    given = list({each.key: each for each in (space.sample(rng) for _ in range(6))}.values())
    strategy = RegularizedEvolution(space, 0, population=len(given), start=list(map(dict, given)))
    before = [each for each in space if each not in given][:3]
    for architecture in before:
        strategy.proposed(Proposal(architecture))
    asked = [proposal for _ in given if (proposal := strategy.ask()) is not None]
    assert [proposal.architecture for proposal in asked] == given


def test_evolution_starts_warm_and_keeps_the_best_of_what_was_given() -> None:
    space, rng = tiny_space(), random.Random(0)
    given = [space.sample(rng) for _ in range(6)]
    strategy = RegularizedEvolution(space, 0, population=3, tournament=3, start=[given[0], *map(dict, given[1:])])
    asked = [strategy.ask() for _ in given]
    assert [proposal.architecture for proposal in asked if proposal] == given
    for place, proposal in enumerate(asked):
        assert proposal is not None and proposal.origin == "given"
        strategy.tell(proposal, Report({"accuracy": 1 - place / 10}))
    assert [member.architecture for member in strategy.members] == given[:3]


def test_evolution_refuses_a_start_of_another_space() -> None:
    with pytest.raises(SpaceError, match="nothing is decided for 'first'"):
        RegularizedEvolution(tiny_space(), 0, start=[{"depth": 1}])


def test_a_tournament_without_replacement_of_all_finds_the_best() -> None:
    strategy = RegularizedEvolution(tiny_space(), 0, population=5, tournament=5, replacement=False)
    best(strategy, 5)
    top = max(strategy.members, key=lambda member: member.rank)
    for number in range(10):
        assert strategy._parent(random.Random(number)) == top.architecture


def test_evolution_crosses_two_parents() -> None:
    strategy = RegularizedEvolution(tiny_space(), 0, population=5, tournament=2, crossover=1.0)
    best(strategy, 5)
    proposal = strategy.ask()
    assert proposal is not None and " × " in proposal.origin


def test_a_longer_training_that_failed_says_nothing_against_a_shorter_one() -> None:
    strategy = RegularizedEvolution(tiny_space(), 0, population=4, tournament=2)
    first, second = strategy.ask(), strategy.ask()
    assert first is not None and second is not None
    strategy.tell(replace(first, budget=1.0), Report({"accuracy": 0.9}))
    strategy.tell(replace(first, budget=3.0), Report(error="no"))
    strategy.tell(replace(second, budget=3.0), Report(error="no"))
    assert [member.rank for member in strategy.members] == [(1.0, 0.9), (-math.inf, -math.inf)]


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


def test_halving_counts_a_promotion_as_one_judgement_where_these_are_counted() -> None:
    inner, rng, begun = RegularizedEvolution(tiny_space(), 0), random.Random(0), 0
    strategy = SuccessiveHalving(inner)
    strategy.fit(Affordable(1e6, 392))
    assert len(strategy.ladder) == 5
    for _ in range(392):
        proposal = strategy.ask()
        assert proposal is not None
        begun += proposal.budget == 1.0
        strategy.tell(proposal, Report({"accuracy": rng.random()}))
    assert inner.size == 33 and abs(begun / 8 - inner.size) < 1


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


def test_halving_keeps_what_waits_and_what_rises_but_not_what_was_judged_above() -> None:
    strategy, rng = SuccessiveHalving(RandomSearch(tiny_space(), 0), rungs=3), random.Random(0)
    for _ in range(120):
        proposal = strategy.ask()
        assert proposal is not None
        if proposal.budget != 1.0:
            assert proposal.architecture.key in strategy.keep()  # while it is being trained
        strategy.tell(proposal, Report({"accuracy": rng.random()}))
    low, middle, top = strategy.ladder
    waiting = {key for rung in (low, middle) for key in rung.best(len(rung.rising) // 3) if key not in rung.promoted}
    assert waiting <= strategy.keep()
    assert set(top.best(3)) <= strategy.keep()
    done = {key for key in low.promoted & middle.scores.keys() if key not in middle.best(len(middle.rising) // 3 + 3)}
    assert done and not strategy.keep() & done
    assert len(strategy.keep()) < 15


@pytest.mark.parametrize("make", [SuccessiveHalving, Hyperband])
def test_halving_keeps_all_until_it_is_known_how_many_rungs_there_are(
    make: Callable[[Strategy], SuccessiveHalving | Hyperband],
) -> None:
    strategy, first = make(RandomSearch(tiny_space(), 0)), set()
    for place in range(8):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, Report({"accuracy": place / 10}))
        first.add(proposal.architecture.key)
    assert strategy.keep() == first
    strategy.fit(Affordable(300.0))
    kept = strategy.keep()
    promoted = strategy.ask()
    assert promoted is not None and promoted.budget == 3.0 and promoted.architecture.key in kept
    assert len(kept) < 8  # the lowest of them rise no more


@pytest.mark.parametrize("deadline", [None, math.inf])
def test_halving_promotes_the_others_where_nothing_is_left_and_there_is_time(deadline: float | None) -> None:
    space = Space("nine", [Categorical("depth", tuple(range(9)))])
    strategy, budgets, scores = SuccessiveHalving(RandomSearch(space, 0), rungs=2), list[float | None](), []
    while (proposal := strategy.ask(deadline)) is not None:
        budgets.append(proposal.budget)
        scores.append(proposal.architecture["depth"])
        strategy.tell(proposal, Report({"accuracy": proposal.architecture["depth"] / 10}))
    assert budgets.count(1.0) == 9
    assert budgets.count(3.0) == (3 if deadline is None else 9)
    assert scores[12:] == sorted(scores[12:], reverse=True)  # the best of those that are left, one after the other


def test_level_gives_everybody_the_same_budget_and_fits_it() -> None:
    strategy = Level(RandomSearch(tiny_space(), 0))
    strategy.fit(Affordable(400.0))
    assert {proposal.budget for proposal in (strategy.ask(), strategy.ask()) if proposal} == {10.0}
