"""One budget for all."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import final

from azora.errors import ConfigError
from azora.fronts import front_ranks
from azora.settings import check_finite, given
from azora.strategies.around import Around
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Proposal, Report

TRIALS = 40  # how many judgements a search that trains everything equally long should have, at least
LONGEST = 30.0
FIRST = 1.0  # epochs of what is proposed before it is known what the search can pay for
AGAIN = 4  # how many of these are judged again: a tenth of what a search can pay for, at most
MARK = "again, in full: "  # begins the origin of those: `inner` may name the same budget for the same network


@final
class Level(Around):
    """Judges every proposal of `inner` that names no budget of its own at one budget.

    What that is, is known after the first judgements alone, and these are of the points that somebody chose: familiar
    ones, what did best on other tasks. So the first that are judged at it are four of these, the foremost, which go on
    from their first epoch (`docs/decisions/0032`). `inner` is told of both judgements. Where it has nothing left to
    propose, for the space is small, all of them are judged again.

    Args:
        inner: the strategy that proposes architectures.
        epochs: the budget of every proposal; None fits it to what the search can pay for: forty judgements or
            more, of 1 to 30 epochs. Where judgements are counted, it is an epoch for each forty of them, at most.
            Proposals made before that is known get one epoch.

    Raises:
        ConfigError: `epochs` not above zero, or not finite.
    """

    def __init__(self, inner: Strategy, epochs: float | None = None) -> None:
        super().__init__(inner)
        check_finite(**given(epochs=epochs))
        if epochs is not None and epochs <= 0:
            raise ConfigError(f"epochs={epochs} must be above 0")
        self.epochs = epochs
        self.length = epochs or FIRST
        self.open = epochs is None  # whether what was judged for an epoch may be judged again
        self.early: dict[str, tuple[Proposal, Report]] = {}  # by key: what was judged for an epoch
        self.again: set[str] = set()  # those of them that were handed out again
        self.rising: set[str] = set()  # those that are being judged again
        self.pending: set[tuple[str, float | None]] = set()  # what `inner` proposed and has not heard of
        self.farther = False  # whether `inner` had something to propose when the length was known

    def fit(self, affordable: Affordable) -> None:
        if self.epochs is None:
            self.length = float(max(1, min(LONGEST, affordable.units // TRIALS)))
            self.open = self.open and self.length > FIRST
        count = min(affordable.budgets / self.length, affordable.judgements)
        super().fit(Affordable(count, affordable.judgements))

    def propose(self, rng: random.Random) -> Proposal | None:
        fresh = self.inner.propose(rng)
        if fresh is not None and fresh.budget is not None:
            return fresh  # `inner` names budgets, and what is to be judged for longer is its to say
        # None means "wait" while something is pending, and that nothing is left when nothing is.
        every = fresh is None and not self.pending
        if self.length > FIRST and (first := self._foremost(every)) is not None:
            return replace(first, budget=self.length, origin=MARK + first.origin)
        return fresh if fresh is None else replace(fresh, budget=self.length)

    def proposed(self, proposal: Proposal) -> None:
        key = proposal.architecture.key
        if proposal.origin.startswith(MARK) and key in self._waiting(True):
            self.again.add(key)
            self.rising.add(key)
            return  # `inner` has made it once
        if proposal.budget != self.length:
            self.open = False  # `inner` names budgets: nothing is kept for it
        self.farther = self.farther or self.length > FIRST
        self.pending.add(proposal.identity)
        super().proposed(proposal)

    def learn(self, proposal: Proposal, report: Report) -> None:
        key = proposal.architecture.key
        self.pending.discard(proposal.identity)
        if proposal.budget == self.length:
            self.rising.discard(key)
        # Those that were still being judged when the budget became known come in later.
        if self.open and proposal.budget == FIRST and min(self._scores(report)) > -math.inf:
            self.early[key] = (proposal, report)
        super().learn(proposal, report)

    def keep(self) -> set[str]:
        """Those that are to be judged again, or are being so, and what `inner` may ask for again.

        All of the early ones until it is seen that `inner` has others to propose.
        """
        return {*self._waiting(not self.farther), *self.rising, *(super().keep() or ())}

    def _waiting(self, every: bool) -> list[str]:
        """Who may yet be handed out again: of `every` early one, or of as many as a search is to spend on them."""
        more = self.open and (every or len(self.again) < AGAIN)
        return [key for key in self.early if key not in self.again] if more else []

    def _foremost(self, every: bool) -> Proposal | None:
        """Of those that wait, one of the first front: the best of it by one objective after the other."""
        if not (waiting := self._waiting(every)):
            return None
        ranks = front_ranks([self._scores(report) for _, report in self.early.values()])
        fronts = dict(zip(self.early, ranks, strict=True))
        objective = self.objectives[len(self.again) % len(self.objectives)]
        best = max(waiting, key=lambda key: (-fronts[key], objective.order(self.early[key][1])))
        return self.early[best][0]

    def _scores(self, report: Report) -> list[float]:
        return [objective.score(report) for objective in self.objectives]
