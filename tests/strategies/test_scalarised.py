"""Bayesian optimisation towards a front."""

from __future__ import annotations

import random
from functools import partial

import pytest
from tests.strategies.test_pareto import BOTH, covered, judged

from azora.errors import ConfigError
from azora.strategies import Bayesian, RandomSearch
from azora.strategies.scalarised import Scalarised
from azora.testing.strategy_contract import Make, StrategyContract, tiny_space
from azora.trial import Objective, Proposal, Report


class TestScalarised(StrategyContract):
    length = 16

    @pytest.fixture
    def make(self) -> Make:
        inner = partial(Bayesian, start=5)
        return lambda space, seed: Scalarised(space, seed, (Objective(), Objective("loss", False)), inner)


def test_it_covers_more_than_random_search_with_as_many_judgements() -> None:
    found = [covered(Scalarised(tiny_space(), seed, BOTH), 50) for seed in range(3)]
    guessed = [covered(RandomSearch(tiny_space(), seed), 50) for seed in range(3)]
    assert sum(found) > sum(guessed)


def test_what_is_beaten_in_everything_is_worth_less_under_all_weights() -> None:
    strategy, rng = Scalarised(tiny_space(), 0, BOTH), random.Random(0)
    scores = [(0.9, 10.0), (0.8, 20.0), (0.7, 5.0), None]
    for score in scores:
        proposal = Proposal(tiny_space().sample(rng))
        strategy.proposed(proposal)
        failed = Report(error="no") if score is None else Report({"accuracy": score[0], "width": score[1]})
        strategy.learn(proposal, failed)
    for _ in range(20):
        best, beaten, cheap, lost = strategy._numbers(strategy._weights(rng))
        assert best is not None and beaten is not None and cheap is not None and lost is None
        assert best > beaten
    assert strategy._numbers([1.0, 0.0])[0] == 0.0  # the best of the first objective, nothing else weighed
    assert strategy._numbers([0.0, 1.0])[2] == 0.0


def test_what_is_pending_is_known_to_the_model() -> None:
    seen: list[int] = []

    class Counting(RandomSearch):  # type: ignore[misc]
        def propose(self, rng: random.Random) -> Proposal | None:
            seen.append(len(self.seen))
            return super().propose(rng)

    strategy = Scalarised(tiny_space(), 0, BOTH, Counting)
    for number in range(6):
        proposal = strategy.ask()
        assert proposal is not None
        if number % 2:
            strategy.tell(proposal, judged(proposal))
    assert seen == [0, 1, 2, 3, 4, 5]


def test_one_objective_is_no_front() -> None:
    with pytest.raises(ConfigError, match="two or more"):
        Scalarised(tiny_space(), 0, (Objective(),), Bayesian)
