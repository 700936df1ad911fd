"""Generations, crosses and rates of the genetic algorithm."""

from __future__ import annotations

import random

import pytest

from azora.errors import ConfigError
from azora.space import Categorical, Space, Subset
from azora.strategies import Affordable, Genetic, RandomSearch, Strategy
from azora.testing.strategy_contract import judge, tiny_space
from azora.trial import Proposal, Report


def asked(strategy: Strategy, count: int) -> list[Proposal]:
    proposals = [strategy.ask() for _ in range(count)]
    assert None not in proposals
    return [proposal for proposal in proposals if proposal]


def told(strategy: Strategy, count: int) -> list[float]:
    scores = []
    for proposal in (asked(strategy, 1)[0] for _ in range(count)):
        report = judge(proposal)
        strategy.tell(proposal, report)
        scores.append(report.metrics["accuracy"])
    return scores


def test_it_beats_random_search_under_the_same_number_of_judgements() -> None:
    bred = [max(told(Genetic(tiny_space(), seed, population=8), 60)) for seed in range(10)]
    guessed = [max(told(RandomSearch(tiny_space(), seed), 60)) for seed in range(10)]
    assert sum(bred) / 10 > sum(guessed) / 10


def test_a_population_of_a_hundred_where_a_thousand_judgements_can_be_paid_for() -> None:
    sizes = []
    for units in (10.0, 150.0, 1200.0, 1e6):
        strategy = Genetic(tiny_space(), 0)
        strategy.fit(Affordable(units))
        sizes.append(strategy.size)
    assert sizes == [8, 12, 100, 100]
    fixed = Genetic(tiny_space(), 0, population=30)
    fixed.fit(Affordable(1e6))
    assert fixed.size == 30


def test_a_generation_ends_when_its_children_are_judged_and_the_elite_lives_on() -> None:
    strategy = Genetic(tiny_space(), 0, population=4, elite=1)
    first = asked(strategy, 4)
    for place, proposal in enumerate(first):
        strategy.tell(proposal, Report({"accuracy": 0.5 + place / 10}))
    assert [member.architecture for member in strategy.parents] == [each.architecture for each in first[::-1]]
    children = asked(strategy, 4)
    for proposal in children:
        strategy.tell(proposal, Report({"accuracy": 0.1}))
    survivors = [member.architecture for member in strategy.parents]
    assert survivors[0] == first[-1].architecture
    assert set(survivors[1:]) < {proposal.architecture for proposal in children}


def test_nobody_waits_for_the_end_of_a_generation() -> None:
    strategy = Genetic(tiny_space(), 0, population=4)
    early = asked(strategy, 10)  # more than a generation, before anything is known
    for proposal in early[:4]:
        strategy.tell(proposal, judge(proposal))
    children = asked(strategy, 10)
    assert all("of" in proposal.origin for proposal in children)
    assert len({proposal.architecture.key for proposal in early + children}) == 20
    for proposal in early[4:]:
        strategy.tell(proposal, judge(proposal))
    assert len(strategy.parents) == 4 and len(strategy.children) == 2


def test_who_failed_has_no_children_and_counts_for_the_generation() -> None:
    strategy = Genetic(tiny_space(), 0, population=4)
    first = asked(strategy, 4)
    for proposal in first[:3]:
        strategy.tell(proposal, Report(error="no"))
    strategy.tell(first[3], judge(first[3]))
    assert [member.architecture for member in strategy.parents] == [first[3].architecture]
    ruined = Genetic(tiny_space(), 0, population=4)
    for proposal in asked(ruined, 4):
        ruined.tell(proposal, Report(error="no"))
    assert not ruined.parents
    assert asked(ruined, 1)[0].origin == "random"


def test_operations_and_connections_mutate_at_their_own_rates() -> None:
    space = Space(
        "cell",
        [*(Categorical(f"op{place}", tuple("abcdefgh")) for place in range(4)), Subset("inputs", (0, 1, 2), 1, 2)],
    )
    for rates, changed in (
        ({"mutation": 0.0, "rewiring": 1.0}, {"inputs"}),
        ({"mutation": 1.0, "rewiring": 0.0}, {"op0", "op1", "op2", "op3"}),
    ):
        strategy = Genetic(space, 0, population=2, crossover=0.0, **rates)
        for proposal in asked(strategy, 2):
            strategy.tell(proposal, Report({"accuracy": 0.5}))
        (child,) = asked(strategy, 1)
        parent = strategy.known[child.origin.removeprefix("mutation of ")].architecture
        assert {name for name in space.choices if parent[name] != child.architecture[name]} == changed


def test_a_cross_has_the_first_part_of_one_parent_and_the_rest_of_the_other() -> None:
    space = Space("bits", [Categorical(f"bit{place}", tuple(range(50))) for place in range(6)])
    strategy = Genetic(space, 3, population=6, crossover=1.0, mutation=0.0)
    for place, proposal in enumerate(asked(strategy, 6)):
        strategy.tell(proposal, Report({"accuracy": place / 10}))
    child = strategy.propose(random.Random(1))
    assert child is not None
    first, second = (strategy.known[key].architecture for key in child.origin.removeprefix("child of ").split(" and "))
    values = list(child.architecture.values())
    cuts = [place for place in range(1, 6) if values == [*list(first.values())[:place], *list(second.values())[place:]]]
    assert cuts


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, "population=1 must be a whole number, at least 2"),
        ({"tournament": 0}, "tournament=0 must be a whole number, at least 1"),
        ({"elite": -1}, "elite=-1 must be a whole number, at least 0"),
        ({"crossover": 1.5}, "crossover=1.5 must be between 0 and 1"),
        ({"rewiring": -0.5}, "rewiring=-0.5 must be between 0 and 1"),
    ],
)
def test_settings_out_of_bounds_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Genetic(tiny_space(), 0, **settings)  # type: ignore[arg-type]
