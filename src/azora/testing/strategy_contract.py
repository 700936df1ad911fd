"""What every strategy holds to."""

from __future__ import annotations

import random
from collections.abc import Callable

from azora.space import Categorical, Integer, Real, Space, Subset, When
from azora.strategies.level import Level
from azora.strategies.strategy import Affordable, Event, Strategy
from azora.trial import Proposal, Report

Make = Callable[[Space, int], Strategy]


def tiny_space() -> Space:
    """Every kind of choice, conditions included."""
    return Space(
        "tiny",
        [
            Categorical("depth", (1, 2, 3)),
            Categorical("first", ("conv", "pool", "skip")),
            Categorical("second", ("conv", "pool", "skip"), (When("depth", (2, 3)),)),
            Subset("inputs", (0, 1, 2), 1, 2, (When("depth", (3,)),)),
            Integer("width", 4, 64, log=True),
            Real("rate", 1e-3, 1.0, log=True),
        ],
    )


def judge(proposal: Proposal) -> Report:
    """A made-up judgement that a search can climb: deep, wide, convolutions first, a rate near 0.1."""
    architecture = proposal.architecture
    score = architecture["depth"] / 6 + architecture["width"] / 256 + 0.1 * (architecture["first"] == "conv")
    score += 0.1 * (architecture.get("second") == "conv") - abs(architecture["rate"] - 0.1) / 10
    gain = 0.0 if proposal.budget is None else 0.02 * proposal.budget / (1 + proposal.budget)
    return Report({"accuracy": score + gain, "loss": 1 - score}, seconds=0.01)


class StrategyContract:
    """Every strategy passes these. Subclass, and return yours from the `make` fixture: `(space, seed) -> Strategy`.
    `length` is how many proposals the longest of them ask for, 16 or more; where an ask takes long, give fewer than
    usual, and settings by which a strategy has done all that it does before."""

    length = 40

    def test_same_seed_same_proposals(self, make: Make) -> None:
        asks = self.length * 5 // 8
        assert _run(make(tiny_space(), 3), asks) == _run(make(tiny_space(), 3), asks)

    def test_other_seed_other_proposals(self, make: Make) -> None:
        assert _run(make(tiny_space(), 3), 10) != _run(make(tiny_space(), 4), 10)

    def test_asks_again_before_any_tell(self, make: Make) -> None:
        strategy = make(tiny_space(), 0)
        proposals = [strategy.ask() for _ in range(4)]
        assert None not in proposals
        assert len({proposal.identity for proposal in proposals if proposal}) > 1

    def test_survives_failed_reports(self, make: Make) -> None:
        strategy = make(tiny_space(), 0)
        for number in range(self.length * 3 // 4):
            proposal = strategy.ask()
            assert proposal is not None
            failed = Report(error="it was not to be") if number % 3 else Report({"accuracy": float("nan")})
            strategy.tell(proposal, failed)

    def test_tells_may_come_in_any_order(self, make: Make) -> None:
        strategy, rng, pending = make(tiny_space(), 0), random.Random(0), list[Proposal]()
        for _ in range(self.length):
            proposal = strategy.ask()
            if proposal is not None:
                pending.append(proposal)
            if pending and rng.random() < 0.7:
                told = pending.pop(rng.randrange(len(pending)))
                strategy.tell(told, judge(told))
        assert strategy.asked >= self.length // 2

    def test_resumes_exactly(self, make: Make) -> None:
        events: list[Event] = []
        strategy = make(tiny_space(), 7)
        for number in range(self.length * 3 // 4):
            if number == 4:
                strategy.fit(Affordable(200.0))
                events.append(("fitted", Affordable(200.0)))
            if (proposal := strategy.ask()) is None:
                break
            events.append(("asked", proposal))
            if number % 5 != 4:  # some stay pending
                strategy.tell(proposal, judge(proposal))
                events.append(("told", proposal, judge(proposal)))
        again = make(tiny_space(), 7)
        again.replay(events)
        assert _run(again, 10) == _run(strategy, 10)

    def test_counts_what_is_asked_of_it_through_another(self, make: Make) -> None:
        inner, events = make(tiny_space(), 0), list[Event]()
        outer = Level(inner)
        for _ in range(6):
            proposal = outer.ask()
            assert proposal is not None
            outer.tell(proposal, judge(proposal))
            events.append(("asked", proposal))
            events.append(("told", proposal, judge(proposal)))
        assert inner.asked == 6
        again = make(tiny_space(), 0)
        Level(again).replay(events)
        assert again.asked == 6

    def test_stays_inside_a_constrained_space(self, make: Make) -> None:
        part = tiny_space().constrain(lambda architecture: architecture["width"] <= 16, "width at most 16", depth=2)
        strategy = make(part, 0)
        for _ in range(self.length * 3 // 4):
            if (proposal := strategy.ask()) is None:
                break
            assert proposal.architecture["depth"] == 2
            assert proposal.architecture["width"] <= 16
            strategy.tell(proposal, judge(proposal))

    def test_ends_or_repeats_when_a_finite_space_is_used_up(self, make: Make) -> None:
        strategy = make(Space("three", [Categorical("depth", (1, 2, 3))]), 0)
        for _ in range(40):
            if (proposal := strategy.ask()) is None:
                return
            strategy.tell(proposal, Report({"accuracy": proposal.architecture["depth"] / 3}))
        assert strategy.asked == 40

    def test_keeps_only_keys_it_has_seen(self, make: Make) -> None:
        strategy, asked = make(tiny_space(), 0), set[str]()
        for _ in range(self.length * 3 // 4):
            if (proposal := strategy.ask()) is None:
                break
            asked.add(proposal.architecture.key)
            strategy.tell(proposal, judge(proposal))
        assert (strategy.keep() or set()) <= asked

    def test_keeps_what_it_asks_for_again(self, make: Make) -> None:
        """Of what is not kept the checkpoint is removed: a longer training would begin anew, and nobody would know."""
        strategy, pending, had = make(tiny_space(), 0), list[Proposal](), dict[str, float]()
        for number in range(self.length):
            if number == 8:
                strategy.fit(Affordable(200.0))
            kept = strategy.keep() or set()
            if (proposal := strategy.ask()) is not None:
                key, budget = proposal.architecture.key, proposal.budget or 0.0
                assert key in kept or budget <= had.get(key, budget), f"{key} goes on to {budget:g} and was not kept"
                had[key] = max(budget, had.get(key, budget))
                pending.append(proposal)
            if len(pending) > 2 or (pending and proposal is None):
                strategy.tell(told := pending.pop(0), judge(told))


def _run(strategy: Strategy, asks: int) -> list[tuple[str, float | None]]:
    made: list[tuple[str, float | None]] = []
    for _ in range(asks):
        if (proposal := strategy.ask()) is None:
            break
        made.append(proposal.identity)
        strategy.tell(proposal, judge(proposal))
    return made
