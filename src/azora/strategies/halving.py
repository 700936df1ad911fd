"""Asynchronous successive halving, as a wrapper around any strategy."""

from __future__ import annotations

import itertools
import math
import random
from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import final

from azora.errors import ConfigError
from azora.settings import check_finite, check_whole, given
from azora.space import Architecture
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Proposal, Report

FINALISTS = 3  # how many the highest rung should see, at least: with fewer, what is below it chooses


@dataclass
class _Rung:
    scores: dict[str, tuple[float, float]] = field(default_factory=dict)
    promoted: set[str] = field(default_factory=set)
    rising: list[tuple[tuple[float, float], str]] = field(default_factory=list)

    def add(self, key: str, score: tuple[float, float]) -> None:
        if key not in self.scores:
            self.scores[key] = score
            insort(self.rising, (score, key))

    def best(self, count: int) -> list[str]:
        return [key for _, key in self.rising[len(self.rising) - count :]][::-1]


@final
class SuccessiveHalving(Strategy):
    """Train many briefly, the best `1/eta` of them `eta` times as long, and so on (ASHA, Li et al., 2020;
    the promotion variant, without barriers).

    One difference: never more than one in `eta` of a rung is promoted in all. An inner strategy that learns brings ever
    better ones, nearly every new one is among the best third when it comes, and without this rule half of them were
    promoted, and the search began half as many as it could have.

    What to try at the lowest rung is `inner`'s to say; it is told every report, with its budget. Where it has nothing
    left to try, for the space is small, and there is a deadline, the best of the others are promoted too, one after the
    other (they begin anew where they were no longer kept).

    Args:
        inner: the strategy that proposes architectures.
        lowest: budget of the first rung, in epochs.
        eta: how many times longer a rung is than the one below, and one in how many is promoted.
        rungs: number of rungs; None fits it to what the search can pay for, so that three or more reach the top.

    Raises:
        ConfigError: an eta that is no whole number from 2 on (each rung's budget is a multiple of the one below), no
            rung, or a lowest budget that is not above zero, or not finite.
    """

    def __init__(self, inner: Strategy, lowest: float = 1.0, eta: int = 3, rungs: int | None = None) -> None:
        super().__init__(inner.space, inner.seed, inner.objective)
        check_whole(2, eta=eta)
        check_whole(1, **given(rungs=rungs))
        check_finite(lowest=lowest)
        if lowest <= 0:
            raise ConfigError(f"lowest={lowest} must be above 0")
        self.inner, self.lowest, self.eta, self.rungs = inner, float(lowest), eta, rungs
        self.ladder = [_Rung() for _ in range(rungs or 1)]
        self.open = rungs is None  # whether rungs may yet be added
        self.architectures: dict[str, Architecture] = {}
        self.begun: set[str] = set()  # what `inner` proposed

    def budget(self, rung: int) -> float:
        """Epochs at a rung, counted from 0."""
        return self.lowest * float(self.eta) ** rung

    def fit(self, affordable: Affordable) -> None:
        self.open = False
        if self.rungs is None:
            above = 0
            while above < 5 and self._starts(affordable, above + 1) / self.eta ** (above + 1) >= FINALISTS:
                above += 1
            self.ladder.extend(_Rung() for _ in range(above + 1 - len(self.ladder)))
        self.inner.fit(Affordable(self._starts(affordable, len(self.ladder) - 1)))

    def _starts(self, affordable: Affordable, above: int) -> float:
        """How many networks can be begun with so many rungs `above` the lowest: of k rungs, each start costs
        1 + k·(1 − 1/eta) of the lowest budget and 1 + 1/eta + … + 1/eta**k judgements."""
        by_clock = affordable.budgets / self.lowest / (1 + above * (1 - 1 / self.eta))
        return min(by_clock, affordable.judgements / sum(float(self.eta) ** -rung for rung in range(above + 1)))

    def proposers(self) -> Iterable[Strategy]:
        return (self.inner,)

    def promotion(self) -> Proposal | None:
        """The network whose turn it is to be trained longer."""
        return next((self._promoted(rung, key) for rung, key in self._promotable()), None)

    def _promoted(self, rung: int, key: str) -> Proposal:
        return Proposal(self.architectures[key], self.budget(rung + 1), f"promoted at {self.budget(rung):.3g}")

    def propose(self, rng: random.Random) -> Proposal | None:
        if (promoted := self.promotion()) is not None:
            return promoted
        if (fresh := self.inner.propose(rng)) is not None:
            return replace(fresh, budget=self.lowest)
        if self.deadline is None or self.open or self.begun - self.ladder[0].scores.keys():
            return None  # there is no time to fill, or what is being judged may bring more
        return next((self._promoted(rung, key) for rung, key in self._others()), None)

    def proposed(self, proposal: Proposal) -> None:
        rung = self._rung(proposal)
        if rung == 0:
            self.begun.add(proposal.architecture.key)
            self.inner.hand_out(proposal)
        else:
            self.ladder[rung - 1].promoted.add(proposal.architecture.key)

    def learn(self, proposal: Proposal, report: Report) -> None:
        key = proposal.architecture.key
        self.architectures.setdefault(key, proposal.architecture)
        self.ladder[self._rung(proposal)].add(key, self.objective.order(report))
        self.inner.tell(proposal, report)

    def keep(self) -> set[str]:
        """Those that a rung may still promote (its best third, and some for results yet to come), those that are being
        trained longer, and the finalists.

        No more: the room for what is kept is bounded, and who was judged above would push out who waits. But before it
        is known whether there is a rung above the last, any of its best third may rise once there is, and as more come
        the third grows: all of it is kept.
        """
        kept: set[str] = set()
        for rung, above in itertools.pairwise(self.ladder):
            promotable = min(len(rung.rising), len(rung.rising) // self.eta + 3)
            kept.update(key for key in rung.best(promotable) if key not in rung.promoted)
            kept.update(rung.promoted - above.scores.keys())
        last = self.ladder[-1].rising
        return kept | set(self.ladder[-1].best(len(last) if self.open else min(FINALISTS, len(last))))

    def _promotable(self) -> Iterator[tuple[int, str]]:
        for place in reversed(range(len(self.ladder) - 1)):
            rung = self.ladder[place]
            if len(rung.promoted) >= len(rung.rising) // self.eta:
                continue
            for key in rung.best(len(rung.rising) // self.eta):
                if key not in rung.promoted and rung.scores[key][0] > -math.inf:
                    yield place, key

    def _others(self) -> Iterator[tuple[int, str]]:
        """Whom the rule leaves where they are, the furthest first."""
        for place in reversed(range(len(self.ladder) - 1)):
            rung = self.ladder[place]
            for key in rung.best(len(rung.rising)):
                if key not in rung.promoted and rung.scores[key][0] > -math.inf:
                    yield place, key

    def _rung(self, proposal: Proposal) -> int:
        rung = round(math.log((proposal.budget or self.lowest) / self.lowest, self.eta))
        return min(max(rung, 0), len(self.ladder) - 1)
