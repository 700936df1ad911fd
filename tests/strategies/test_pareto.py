"""Evolution towards a front."""

from __future__ import annotations

import math
import random

import pytest

from azora.errors import ConfigError
from azora.fronts import dominates, hypervolume
from azora.strategies import RandomSearch, Strategy
from azora.strategies.pareto import ParetoEvolution
from azora.strategies.registry import make_strategy
from azora.testing.strategy_contract import Make, StrategyContract, judge, tiny_space
from azora.trial import Objective, Proposal, Report

BOTH = (Objective(), Objective("width", maximise=False))


def judged(proposal: Proposal) -> Report:
    report = judge(proposal)
    return Report({**report.metrics, "width": float(proposal.architecture["width"])})


class TestPareto(StrategyContract):
    @pytest.fixture(params=[(Objective(),), (Objective(), Objective("loss", False))], ids=["one", "two"])
    def make(self, request: pytest.FixtureRequest) -> Make:
        return lambda space, seed: ParetoEvolution(space, seed, request.param, population=8)


def covered(strategy: Strategy, asks: int) -> float:
    points = []
    for _ in range(asks):
        proposal = strategy.ask()
        assert proposal is not None
        report = judged(proposal)
        points.append([objective.score(report) for objective in BOTH])
        strategy.tell(proposal, report)
    return hypervolume(points, (0.0, -64.0))


def test_it_covers_more_than_random_search_with_as_many_judgements() -> None:
    found = [covered(ParetoEvolution(tiny_space(), seed, BOTH, population=16), 80) for seed in range(8)]
    guessed = [covered(RandomSearch(tiny_space(), seed), 80) for seed in range(8)]
    assert sum(found) > sum(guessed)


def test_the_best_fronts_live_and_what_failed_goes_first() -> None:
    strategy, rng = ParetoEvolution(tiny_space(), 0, BOTH, population=6), random.Random(0)
    for number in range(60):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, Report(error="no") if rng.random() < 0.2 else judged(proposal))
        assert len(strategy.members) <= 6
        if number > 20:
            assert all(math.isfinite(member.scores[0]) for member in strategy.members)
    first = [member for member in strategy.members if member.rank == 0]
    assert first and not any(dominates(one.scores, other.scores) for one in first for other in first)


def test_a_longer_training_that_failed_says_nothing_against_a_shorter_one() -> None:
    strategy = ParetoEvolution(tiny_space(), 0, BOTH, population=6)
    made = []
    for _ in range(6):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, judged(proposal))
        made.append(proposal.architecture)
    before = {member.architecture.key: member.scores for member in strategy.members}
    strategy.tell(Proposal(made[0], 10.0), Report(error="out of memory"))
    assert {member.architecture.key: member.scores for member in strategy.members} == before
    strategy.tell(Proposal(made[0], 10.0), Report({"accuracy": 0.99, "width": 1.0}))
    assert (0.99, -1.0) in {member.scores for member in strategy.members}


def test_the_population_is_fitted_to_what_can_be_paid_for() -> None:
    from azora.strategies import Affordable

    strategy = ParetoEvolution(tiny_space())
    strategy.fit(Affordable(300.0))
    assert strategy.size == 20


def test_what_is_for_one_objective_refuses_two_and_names_what_is_for_several() -> None:
    with pytest.raises(
        ConfigError, match="strategy 'halving' is for one objective; for several there is random, bayesian, pareto"
    ):
        make_strategy("halving", tiny_space(), objectives=BOTH, settings={})
    assert make_strategy("pareto", tiny_space(), objectives=BOTH, settings={"population": 5}).objective == BOTH[0]


@pytest.mark.parametrize(("settings", "said"), [({"population": 3}, "population=3"), ({"crossover": 2.0}, "crossover")])
def test_settings_out_of_range_are_refused(settings: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_strategy("pareto", tiny_space(), objectives=BOTH, settings=settings)


def test_a_child_is_a_cross_or_a_mutation_and_not_both() -> None:
    strategy, known = ParetoEvolution(tiny_space(), 3, BOTH, population=8), dict[str, Proposal]()
    for _ in range(80):
        proposal = strategy.ask()
        assert proposal is not None
        child, words = proposal.architecture, proposal.origin.split()
        if words[0] == "mutation":
            parent = known[words[-1]].architecture
            shared = set(child) & set(parent)
            assert sum(child[name] != parent[name] for name in shared) <= 1
        elif words[0] == "child":
            mother, father = (known[key].architecture for key in words[2::2])
            held = [name for name in child if name in mother or name in father]
            assert all(child[name] in (mother.get(name), father.get(name)) for name in held)
        known[child.key] = proposal
        strategy.tell(proposal, judged(proposal))
