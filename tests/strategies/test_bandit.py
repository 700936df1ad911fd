"""Strategies side by side: the contract, who is asked, and what counts."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from azora.errors import ConfigError
from azora.space import Architecture, Categorical, Space
from azora.strategies import Bandit, Level, LocalSearch, RandomSearch, RegularizedEvolution, Strategy
from azora.strategies.registry import make_strategy
from azora.testing.strategy_contract import Make, StrategyContract
from azora.trial import Proposal, Report

DIGITS = Space("digits", [Categorical(f"d{place}", tuple(range(6))) for place in range(4)])


def bandit(space: Space, seed: int) -> Bandit:
    return Bandit({"evolution": RegularizedEvolution(space, seed), "local": LocalSearch(space, seed)})


class TestBandit(StrategyContract):
    @pytest.fixture
    def make(self) -> Make:
        return bandit


class Fixed(Strategy):
    """Proposes strangers whose first digit is low or high."""

    def __init__(self, space: Space, low: bool) -> None:
        super().__init__(space)
        self.low = low

    def propose(self, rng: random.Random) -> Proposal | None:
        while True:
            found = self.space.sample(rng)
            if (int(str(found["d0"])) < 3) == self.low:
                return Proposal(found, origin="fixed")


def total(architecture: Architecture) -> float:
    return float(sum(int(str(value)) for value in architecture.values()))


def play(strategy: Strategy, count: int, sign: float = 1.0) -> list[Proposal]:
    found = []
    for _ in range(count):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, Report({"accuracy": sign * total(proposal.architecture)}))
        found.append(proposal)
    return found


def test_who_helps_is_asked_more_often_and_nobody_falls_silent() -> None:
    strategy = Bandit({"low": Fixed(DIGITS, True), "high": Fixed(DIGITS, False)})
    first = Counter(each.origin for each in play(strategy, 150)[50:])
    assert first["fixed by high"] > 2 * first["fixed by low"] > 0
    # The tide turns: what was the worse one is the better one from now on, and is heard.
    later = Counter(each.origin for each in play(strategy, 300, sign=-1.0)[150:])
    assert later["fixed by low"] > later["fixed by high"] > 0


def test_all_arms_learn_of_everything_and_only_first_judgements_count() -> None:
    strategy = bandit(DIGITS, 0)
    found = play(strategy, 20)
    evolution, local = strategy.arms["evolution"], strategy.arms["local"]
    assert isinstance(evolution, RegularizedEvolution) and isinstance(local, LocalSearch)
    assert evolution.known.keys() == local.known.keys() == {each.architecture.key for each in found}
    before = {name: list(counts) for name, counts in strategy.helped.items()}
    strategy.tell(found[0], Report({"accuracy": 1e9}))
    assert strategy.helped == before
    strategy.tell(Proposal(DIGITS.sample(random.Random("other")), origin="given"), Report({"accuracy": 1e9}))
    assert strategy.helped == before


def test_it_finds_more_than_random_search() -> None:
    own, chance = (
        sum(max(total(each.architecture) for each in play(make(seed), 60)) for seed in range(5))
        for make in (lambda seed: bandit(DIGITS, seed), lambda seed: RandomSearch(DIGITS, seed))
    )
    assert own > chance


def test_it_is_made_by_name_and_inside_of_halving() -> None:
    made = make_strategy("bandit", DIGITS, settings={"arms": ["evolution", "random"], "epochs": 2.0})
    assert all(each.origin.rpartition(" by ")[2] in ("evolution", "random") for each in play(made, 12))
    inside = make_strategy("halving", DIGITS, settings={"inner": "bandit", "rungs": 2})
    origins = [each.origin for each in play(inside, 30)]
    assert any(each.startswith("promoted") for each in origins) and any(" by " in each for each in origins)


def test_arms_may_be_said_with_commas_between() -> None:
    strategy = make_strategy("bandit", DIGITS, settings={"arms": "evolution,local"})
    assert isinstance(strategy, Level) and isinstance(strategy.inner, Bandit)
    assert list(strategy.inner.arms) == ["evolution", "local"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arms": "evolution,bayes"}, "did you mean 'bayesian'"),
        ({"arms": ["evolution"]}, "two strategies at least"),
        ({"arms": ["evolution", "bayes"]}, "did you mean 'bayesian'"),
        ({"arms": ["evolution", "bandit"]}, "no arm of a bandit"),
        ({"forgetting": 1.0}, "forgetting=1.0 must be at least 0 and below 1"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_strategy("bandit", DIGITS, settings=settings)
