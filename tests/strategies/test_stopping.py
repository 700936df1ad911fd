"""Trainings that go on, and those that are stopped."""

from __future__ import annotations

import math

import pytest

from azora.errors import ConfigError
from azora.strategies import Affordable, RandomSearch, RegularizedEvolution
from azora.strategies.curves import chance_to_beat
from azora.strategies.stopping import EarlyStopping
from azora.testing.strategy_contract import Make, StrategyContract, tiny_space
from azora.trial import Proposal, Report


class TestStopping(StrategyContract):
    @pytest.fixture(params=["median", "curve"])
    def make(self, request: pytest.FixtureRequest) -> Make:
        return lambda space, seed: EarlyStopping(RandomSearch(space, seed), request.param)


def power(limit: float, scale: float, lengths: tuple[float, ...] = (1, 2, 4, 8)) -> list[tuple[float, float]]:
    return [(length, limit - scale * length**-0.7) for length in lengths]


def test_where_a_curve_ends_is_foreseen() -> None:
    points = power(0.9, 0.3)
    ends = 0.9 - 0.3 * 64**-0.7
    assert chance_to_beat(points, 64, ends + 0.06) < 0.1
    assert chance_to_beat(points, 64, ends - 0.06) > 0.9
    assert 0.1 < chance_to_beat(points[:2], 64, ends) < 0.9


def test_more_of_a_curve_leaves_less_doubt() -> None:
    points, best = power(0.8, 0.4), 0.9
    doubts = [chance_to_beat(points[:count], 64, best) for count in (1, 2, 4)]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[-1] < 0.02


def test_a_curve_that_nothing_fits_is_given_its_chance() -> None:
    assert chance_to_beat([(1.0, 5.0), (2.0, -5.0)], 4, 0.5) >= 0.0
    assert chance_to_beat([(1.0, math.nan)], 4, 0.5) == 1.0


def run(rule: str, asks: int) -> tuple[EarlyStopping, list[Proposal]]:
    """Networks whose curves differ in their limits alone."""
    strategy, asked = EarlyStopping(RandomSearch(tiny_space(), 0), rule, longest=16.0), list[Proposal]()
    for _ in range(asks):
        proposal = strategy.ask()
        assert proposal is not None
        asked.append(proposal)
        limit = 0.5 + int(proposal.architecture.key[:2], 16) / 640
        strategy.tell(proposal, Report({"accuracy": limit - 0.3 * (proposal.budget or 1) ** -0.7}))
    return strategy, asked


@pytest.mark.parametrize("rule", ["median", "curve"])
def test_the_worse_are_stopped_and_the_better_trained_in_full(rule: str) -> None:
    strategy, asked = run(rule, 150)
    whole = {proposal.architecture.key for proposal in asked if proposal.budget == 16.0}
    begun = {proposal.architecture.key for proposal in asked}
    assert 3 <= len(whole) < 0.5 * len(begun)
    # The first four have nobody to be compared with.
    limits = {key: int(key[:2], 16) for key in begun}
    later = [limits[key] for key in whole - {proposal.architecture.key for proposal in asked[:20]}]
    assert sum(later) / len(later) > sum(limits.values()) / len(limits) + 20
    assert max(limits.values()) - max(limits[key] for key in whole) <= 5
    assert not strategy.keep() & whole


def test_nothing_goes_on_before_it_is_known_how_long_a_training_is() -> None:
    strategy = EarlyStopping(RandomSearch(tiny_space(), 0))
    for _ in range(6):
        proposal = strategy.ask()
        assert proposal is not None and proposal.budget == 1.0
        strategy.tell(proposal, Report({"accuracy": 0.5}))
    strategy.fit(Affordable(160.0))
    following = strategy.ask()
    assert following is not None and following.budget == 2.0
    assert strategy.end == 10.0


def test_no_curve_is_given_up_before_it_is_known_where_it_ends() -> None:
    strategy, first = EarlyStopping(RandomSearch(tiny_space(), 0), "curve"), list[str]()
    for place in range(8):
        proposal = strategy.ask()
        assert proposal is not None
        first.append(proposal.architecture.key)
        strategy.tell(proposal, Report({"accuracy": 0.9 - 0.1 * place}))
    assert strategy.keep() == set(first)
    strategy.fit(Affordable(160.0))
    longer = [proposal for _ in range(8) if (proposal := strategy.ask()) is not None]
    assert [(each.architecture.key, each.budget) for each in longer] == [(key, 2.0) for key in first]


def test_where_judgements_are_counted_a_network_takes_fewer_than_two() -> None:
    inner = RegularizedEvolution(tiny_space(), 0)
    EarlyStopping(inner).fit(Affordable(1e6, 760.0))
    assert inner.size == 48  # an eighth of 386 networks


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rule": "mean"}, "rule='mean' is not known"),
        ({"lowest": 0.0}, "lowest=0.0"),
        ({"longest": 0.5}, "longest=0.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        EarlyStopping(RandomSearch(tiny_space(), 0), **settings)  # type: ignore[arg-type]
