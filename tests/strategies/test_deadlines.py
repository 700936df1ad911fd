"""When a search ends is known to every strategy that is asked, however deep it stands in others."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from azora.space import Space
from azora.strategies import Level, RandomSearch, Strategy, SuccessiveHalving
from azora.strategies.bandit import Bandit
from azora.strategies.begun import Begun
from azora.strategies.composed import Composed
from azora.strategies.filtered import Filtered
from azora.strategies.hyperband import Hyperband
from azora.strategies.registry import make_strategy
from azora.strategies.scalarised import Scalarised
from azora.strategies.stopping import EarlyStopping
from azora.strategies.warm_start import WarmStart
from azora.testing import tiny_space
from azora.trial import Objective, Proposal

AROUND: dict[str, Callable[[Strategy], Strategy]] = {
    "level": Level,
    "halving": SuccessiveHalving,
    "hyperband": Hyperband,
    "hyperband with brackets": lambda inner: Hyperband(inner, rungs=3),
    "stopping": EarlyStopping,
    "filtered": Filtered,
    "warm start": WarmStart,
    "begun": Begun,
    "bandit": lambda inner: Bandit({"own": inner, "random": RandomSearch(inner.space)}),
    "several": lambda inner: Level(Begun(Bandit({"own": inner, "random": RandomSearch(inner.space)}))),
}


class Watching(Strategy):
    """Proposes what a random search would, and notes what it is told of the end."""

    def __init__(self, space: Space, seed: int = 0, objective: Objective | None = None) -> None:
        super().__init__(space, seed, objective)
        self.saw: list[float | None] = []

    def propose(self, rng: random.Random) -> Proposal | None:
        self.saw.append(self.deadline)
        return Proposal(self.space.sample(rng))


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_who_wraps_another_hands_the_deadline_on(around: Callable[[Strategy], Strategy]) -> None:
    inner = Watching(tiny_space())
    strategy = around(inner)
    for deadline in (100.0, 90.0, None):
        assert strategy.ask(deadline) is not None
        assert inner.deadline == deadline
    assert set(inner.saw) <= {100.0, 90.0, None}


def test_a_strategy_of_ones_own_sees_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azora.testing.Watching", Watching, raising=False)
    strategy = make_strategy("azora.testing:Watching", tiny_space(), settings={})
    assert isinstance(strategy, Level) and isinstance(strategy.inner, Watching)
    assert strategy.ask(100.0) is not None and strategy.inner.saw == [100.0]


def test_guides_and_those_that_are_made_for_an_ask_hear_of_it() -> None:
    composed = Composed(tiny_space(), phases=[{"guided": 0.5}, {}])
    composed.ask(100.0)
    assert [guide.deadline for guide in composed.guides if guide is not None] == [100.0]
    made = list[Watching]()

    def make(space: Space, seed: int, objective: Objective) -> Strategy:
        made.append(Watching(space, seed, objective))
        return made[-1]

    Scalarised(tiny_space(), make=make).ask(100.0)
    assert made[0].saw == [100.0]


def test_brackets_promote_by_their_rule_alone() -> None:
    hyperband = Hyperband(RandomSearch(tiny_space()), rungs=3)
    hyperband.ask(100.0)
    assert {bracket.deadline for bracket in hyperband.brackets} == {None}
