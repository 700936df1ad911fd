"""Brackets of successive halving."""

from __future__ import annotations

from collections import Counter

import pytest

from azora.errors import ConfigError
from azora.strategies import Affordable, Bayesian, Near, RandomSearch
from azora.strategies.hyperband import Hyperband
from azora.strategies.registry import make_strategy
from azora.testing.strategy_contract import Make, StrategyContract, judge, tiny_space


class TestHyperband(StrategyContract):
    @pytest.fixture(params=["open", "three rungs", "bohb"])
    def make(self, request: pytest.FixtureRequest) -> Make:
        if request.param == "bohb":
            return lambda space, seed: Hyperband(Bayesian(space, seed, candidates=Near(3, 20, 2, 20)), rungs=3)
        rungs = 3 if request.param == "three rungs" else None
        return lambda space, seed: Hyperband(RandomSearch(space, seed), rungs=rungs)


def test_shares_are_those_of_the_paper() -> None:
    # Li et al. (2018), table 1: R = 81, eta = 3, one begins 81, 34, 15, 8 and 5 networks.
    strategy = Hyperband(RandomSearch(tiny_space(), 0), rungs=5)
    assert strategy.shares() == [81, 34, 15, 8, 5]
    assert [bracket.budget(0) for bracket in strategy.brackets] == [1, 3, 9, 27, 81]
    assert [len(bracket.ladder) for bracket in strategy.brackets] == [5, 4, 3, 2, 1]


def test_networks_are_begun_in_these_shares_and_promoted_within_their_bracket() -> None:
    strategy = Hyperband(RandomSearch(tiny_space(), 0), rungs=3)
    begun, lengths = Counter[float](), dict[str, list[float]]()
    for _ in range(200):
        proposal = strategy.ask()
        assert proposal is not None and proposal.budget is not None
        if not proposal.origin.startswith("promoted"):
            begun[proposal.budget] += 1
        lengths.setdefault(proposal.architecture.key, []).append(proposal.budget)
        strategy.tell(proposal, judge(proposal))
    whole = sum(strategy.shares())
    for budget, share in zip((1.0, 3.0, 9.0), strategy.shares(), strict=True):
        assert begun[budget] == pytest.approx(share / whole * sum(begun.values()), abs=2)
    for each in lengths.values():
        assert each == [each[0] * 3**place for place in range(len(each))]
    finished = [key for key, each in lengths.items() if each[-1] == 9.0]
    assert finished and not strategy.keep() >= set(lengths)


def test_brackets_come_with_what_can_be_paid_for() -> None:
    strategy = Hyperband(RandomSearch(tiny_space(), 0))
    assert len(strategy.brackets) == 1
    strategy.fit(Affordable(300.0))
    assert len(strategy.brackets) == len(strategy.brackets[0].ladder) > 1


@pytest.mark.parametrize("inner", ["evolution", "local", "bandit"])
def test_what_takes_the_longest_training_for_the_best_is_refused(inner: str) -> None:
    with pytest.raises(ConfigError, match=f"inner='{inner}' takes what was trained longest.*random or bayesian"):
        make_strategy("hyperband", tiny_space(), settings={"inner": inner})


def test_what_learns_from_all_lengths_and_what_learns_nothing_are_taken() -> None:
    for inner in ("random", "bayesian"):
        assert isinstance(make_strategy("hyperband", tiny_space(), settings={"inner": inner}), Hyperband)
    with pytest.raises(ConfigError, match="proposes nothing"):
        make_strategy("hyperband", tiny_space(), settings={"inner": "nobody"})
