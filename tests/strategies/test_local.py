"""Hill climbing: moves, optima, restarts and what is pending."""

from __future__ import annotations

import pytest

from azora.errors import ConfigError
from azora.space import Categorical, Integer, Real, Space
from azora.strategies import LocalSearch, RandomSearch, Strategy
from azora.strategies.local import Improvement
from azora.strategies.member import Member
from azora.testing.strategy_contract import judge, tiny_space
from azora.trial import Proposal, Report


def grid(side: int = 6) -> Space:
    return Space("grid", [Integer("x", 0, side - 1), Integer("y", 0, side - 1)])


def height(proposal: Proposal) -> Report:
    """A low hill at (0, 0) and a high one at (5, 5), with a valley between."""
    x, y = proposal.architecture["x"], proposal.architecture["y"]
    return Report({"accuracy": max(0.5 - (x + y) / 10, 1 - (10 - x - y) / 5, 0.0)})


def ask(strategy: Strategy) -> Proposal:
    proposal = strategy.ask()
    assert proposal is not None
    return proposal


@pytest.mark.parametrize("improvement", ["first", "best"])
def test_a_climb_ends_only_where_no_neighbour_is_better(
    improvement: Improvement, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood: list[Member] = []
    stand = LocalSearch._stand
    monkeypatch.setattr(LocalSearch, "_stand", lambda self, member: (stood.append(member), stand(self, member)))
    space, ended = tiny_space().constrain(rate=0.1), 0
    strategy = LocalSearch(space, 1, improvement=improvement, starts=1)
    for _ in range(150):
        proposal, climbed = ask(strategy), strategy.top is not None
        strategy.tell(proposal, judge(proposal))
        if climbed and strategy.top is None:
            ended += 1
            near = [strategy.known[neighbour.key] for neighbour in space.neighbours(stood[-1].architecture)]
            assert all(member.rank <= stood[-1].rank for member in near)
    assert ended >= 2


def test_first_improvement_moves_at_once_and_best_when_all_neighbours_are_known() -> None:
    eager, patient = LocalSearch(grid(), 0, starts=1), LocalSearch(grid(), 0, improvement="best", starts=1)
    for strategy in (eager, patient):
        start = ask(strategy)
        strategy.tell(start, Report({"accuracy": 0.1}))
        around = len(strategy.around)
        for place in range(around):
            assert strategy.top is not None and strategy.top.architecture == start.architecture
            neighbour = ask(strategy)
            strategy.tell(neighbour, Report({"accuracy": 0.2 + place / 100}))
            if strategy is eager:
                break
        assert strategy.top is not None and strategy.top.architecture == neighbour.architecture


def test_it_begins_elsewhere_and_finds_the_higher_hill() -> None:
    for seed in range(5):
        strategy, top = LocalSearch(grid(), seed, starts=1), 0.0
        for _ in range(36):
            if (proposal := strategy.ask()) is None:
                break
            report = height(proposal)
            top = max(top, report.metrics["accuracy"])
            strategy.tell(proposal, report)
        assert top == 1.0


def test_a_climb_begins_at_the_best_of_its_starts_and_never_at_a_failure() -> None:
    strategy = LocalSearch(tiny_space(), 0, starts=3)
    starts = [ask(strategy) for _ in range(4)]
    strategy.tell(starts[0], Report(error="no"))
    for place, proposal in enumerate(starts[1:]):
        assert strategy.top is None
        strategy.tell(proposal, Report({"accuracy": 0.5 - place / 10}))
    assert strategy.top is not None and strategy.top.architecture == starts[1].architecture


def test_while_all_neighbours_are_pending_the_next_climb_is_prepared() -> None:
    strategy = LocalSearch(grid(), 0, starts=1)
    start = ask(strategy)
    strategy.tell(start, Report({"accuracy": 0.5}))
    around = [ask(strategy) for _ in strategy.around]
    other = ask(strategy)
    assert {proposal.architecture.key for proposal in around} == set(strategy.around)
    assert other.origin == "random"
    strategy.tell(other, Report({"accuracy": 0.9}))
    assert strategy.top is not None and strategy.top.architecture == start.architecture
    for proposal in around:
        strategy.tell(proposal, Report({"accuracy": 0.1}))
    assert strategy.top is not None and strategy.top.architecture == other.architecture


def test_equal_networks_do_not_keep_a_climb_going() -> None:
    strategy = LocalSearch(grid(3), 0, starts=1)
    for _ in range(9):
        strategy.tell(ask(strategy), Report({"accuracy": 0.5}))
    assert strategy.ask() is None


def test_numbers_are_climbed_too() -> None:
    space = Space("numbers", [Real("rate", 1e-4, 1.0, log=True), Integer("width", 1, 500), Categorical("skip", (0, 1))])

    def score(proposal: Proposal) -> Report:
        rate, width, _ = space.encode(proposal.architecture)
        return Report({"accuracy": 1 - abs(rate - 0.7) - abs(width - 0.3)})

    def reached(strategy: Strategy) -> float:
        top = 0.0
        for _ in range(40):
            proposal = ask(strategy)
            top = max(top, score(proposal).metrics["accuracy"])
            strategy.tell(proposal, score(proposal))
        return top

    climbed = [reached(LocalSearch(space, seed)) for seed in range(10)]
    guessed = [reached(RandomSearch(space, seed)) for seed in range(10)]
    assert sum(climbed) / 10 > sum(guessed) / 10
    assert sum(climbed) / 10 > 0.9


def test_settings_out_of_bounds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"improvement='frist': did you mean 'first'\?"):
        LocalSearch(tiny_space(), 0, improvement="frist")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="starts=0 must be a whole number, at least 1"):
        LocalSearch(tiny_space(), 0, starts=0)
