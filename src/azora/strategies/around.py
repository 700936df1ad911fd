"""A strategy around another."""

from __future__ import annotations

from collections.abc import Iterable

from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Proposal, Report


class Around(Strategy):
    """Hands on to `inner` all that is heard; what is proposed is the subclass's to say."""

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner.space, inner.seed, inner.objective)
        self.inner, self.objectives = inner, inner.objectives

    def proposers(self) -> Iterable[Strategy]:
        return (self.inner,)

    def proposed(self, proposal: Proposal) -> None:
        self.inner.hand_out(proposal)

    def learn(self, proposal: Proposal, report: Report) -> None:
        self.inner.tell(proposal, report)

    def fit(self, affordable: Affordable) -> None:
        self.inner.fit(affordable)

    def keep(self) -> set[str] | None:
        return self.inner.keep()
