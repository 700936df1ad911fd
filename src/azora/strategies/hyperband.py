"""Hyperband: successive halving with several first lengths."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import final

from azora.strategies.halving import SuccessiveHalving
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Proposal, Report


@final
class Hyperband(Strategy):
    """Brackets of successive halving that begin at ever longer trainings, side by side (Li et al., 2018), each without
    barriers (Li et al., 2020).

    Halving alone trusts the shortest training; here some networks are trained in full from the beginning, so that one
    which learns slowly and ends well is not lost. Of s + 1 rungs, bracket k begins at eta**k times the lowest budget,
    and a new network goes to the bracket that is furthest behind its share, ⌈(s + 1) / (s − k + 1) · eta**(s − k)⌉.

    What to try is `inner`'s to say; it is told every report, with its budget. With a model of what was judged, such as
    `Bayesian`, this is BOHB (Falkner et al., 2018).

    Args:
        inner: the strategy that proposes architectures. It should not take a long training for a merit, as evolution
            and local search do: a bracket may have begun with it.
        lowest: budget of the first rung, in epochs.
        eta: how many times longer a rung is than the one below, and one in how many is promoted.
        rungs: number of rungs of the first bracket; None fits it to what the search can pay for.

    Raises:
        ConfigError: what `SuccessiveHalving` refuses.
    """

    def __init__(self, inner: Strategy, lowest: float = 1.0, eta: int = 3, rungs: int | None = None) -> None:
        super().__init__(inner.space, inner.seed, inner.objective)
        self.inner, self.lowest, self.eta, self.rungs = inner, lowest, eta, rungs
        self.brackets = [SuccessiveHalving(inner, lowest, eta, rungs)]
        self.begun = [0]  # networks, by bracket
        self.home: dict[str, int] = {}  # the bracket of each network
        if rungs is not None:
            self._add_brackets()

    def fit(self, affordable: Affordable) -> None:
        self.brackets[0].fit(affordable)
        if self.rungs is None:
            self._add_brackets()

    def proposers(self) -> Iterable[Strategy]:
        return (self.inner,)  # and not the brackets: they promote by their rule alone, however much time there is

    def propose(self, rng: random.Random) -> Proposal | None:
        for bracket in reversed(self.brackets):
            if (promoted := bracket.promotion()) is not None:
                return promoted
        return self.brackets[self._behind()].propose(rng)

    def proposed(self, proposal: Proposal) -> None:
        key = proposal.architecture.key
        if key not in self.home:
            self.home[key] = self._behind()
            self.begun[self.home[key]] += 1
        self.brackets[self.home[key]].hand_out(proposal)

    def learn(self, proposal: Proposal, report: Report) -> None:
        self.brackets[self.home.get(proposal.architecture.key, 0)].learn(proposal, report)

    def keep(self) -> set[str]:
        """Those that any bracket may still promote."""
        return set().union(*(bracket.keep() for bracket in self.brackets))

    def shares(self) -> list[int]:
        """How many networks each bracket begins, in proportion."""
        longest = len(self.brackets)
        return [math.ceil(longest / above * self.eta ** (above - 1)) for above in range(longest, 0, -1)]

    def _add_brackets(self) -> None:
        for above in range(1, len(self.brackets[0].ladder)):
            start = self.brackets[0].budget(above)
            self.brackets.append(SuccessiveHalving(self.inner, start, self.eta, len(self.brackets[0].ladder) - above))
            self.begun.append(0)

    def _behind(self) -> int:
        """The bracket that has begun the least of its share."""
        done = [begun / share for begun, share in zip(self.begun, self.shares(), strict=True)]
        return done.index(min(done))
