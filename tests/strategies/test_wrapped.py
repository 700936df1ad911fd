"""A strategy that another asks counts what it is asked for, as if it were asked itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.strategies.test_deadlines import AROUND, Watching

from azora.space import Categorical, Space
from azora.strategies import Event, Level, Smash, Strategy, SuccessiveHalving
from azora.strategies.registry import make_strategy
from azora.strategies.scalarised import Scalarised
from azora.strategies.stopping import EarlyStopping
from azora.testing import tiny_space
from azora.trial import Objective, Proposal, Report

SWITCHES = Space("switches", [Categorical(f"s{place}", (0, 1, 2)) for place in range(20)])


def told(strategy: Strategy, score: float) -> Proposal:
    proposal = strategy.ask()
    assert proposal is not None
    strategy.tell(proposal, Report({"accuracy": score}))
    return proposal


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_what_is_handed_on_counts_once(around: Callable[[Strategy], Strategy]) -> None:
    inner, events = Watching(tiny_space()), list[Event]()
    strategy = around(inner)
    for _ in range(5):
        proposal = strategy.ask()
        assert proposal is not None
        events.append(("asked", proposal))
    assert inner.asked == strategy.asked == 5
    again = Watching(tiny_space())
    around(again).replay(events)
    assert again.asked == 5


@pytest.mark.parametrize("around", [Level, lambda inner: SuccessiveHalving(inner, rungs=1), EarlyStopping])
def test_phases_that_are_counted_come_within_others_too(around: Callable[[Strategy], Strategy]) -> None:
    strategy = around(Smash(SWITCHES, 0, samples=4, perturbations=3))
    samples = [told(strategy, score) for score in (0.1, 0.5, 0.3, 0.2)]
    assert [each.origin for each in samples] == ["random"] * 4
    assert told(strategy, 0.1).origin == f"perturbation of {samples[1].architecture.key}"


def test_a_strategy_by_module_and_name_is_no_random_search() -> None:
    strategy = make_strategy("azora.strategies:Smash", SWITCHES, settings={"samples": 2, "perturbations": 2})
    assert [told(strategy, 0.5).origin.split()[0] for _ in range(4)] == ["random", "random", *["perturbation"] * 2]


def test_who_promotes_says_nothing_of_it_to_who_proposed() -> None:
    inner = Watching(tiny_space())
    strategy = SuccessiveHalving(inner, rungs=2)
    budgets = [told(strategy, place / 10).budget for place in range(6)]
    assert budgets.count(3.0) == strategy.asked - inner.asked == 1


def test_those_that_are_made_for_an_ask_know_how_many_came_before() -> None:
    counts = list[int]()

    class Counting(Watching):
        def proposed(self, proposal: Proposal) -> None:
            counts.append(self.asked)

    strategy = Scalarised(tiny_space(), 0, (Objective(), Objective("loss", False)), Counting)
    for _ in range(3):
        assert strategy.ask() is not None
    assert counts == [1, 1, 2]
