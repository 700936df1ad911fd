"""Several proposals drawn, one of them trained."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import final

from azora.settings import check_whole
from azora.strategies.around import Around
from azora.strategies.shortlist import Shortlist
from azora.strategies.strategy import Strategy
from azora.tasks import SearchData
from azora.trial import Proposal

DRAWS = 4


@final
class Filtered(Around):
    """Of some proposals of `inner`, that which is highest by zero-cost proxies (the move proposal of Abdelfattah et
    al., 2021, who compare all neighbours). Where a space has no networks, the first.

    Proxies do not order the best networks (Krishnakumar et al., 2022), and a filter asks them for ever: few draws
    leave the choice to `inner`.

    Args:
        inner: the strategy that proposes.
        proxies: see `Shortlist`; so is `data`.
        draws: how many proposals are compared.

    Raises:
        ConfigError: draws that are no whole number from 2 on, or a proxy that cannot be had.
    """

    def __init__(
        self,
        inner: Strategy,
        proxies: Sequence[str] = ("size",),
        draws: int = DRAWS,
        data: SearchData | None = None,
    ) -> None:
        super().__init__(inner)
        check_whole(2, draws=draws)
        self.proxies, self.draws = tuple(proxies), draws
        self.shortlist = Shortlist(inner.space, proxies, data, inner.seed)

    def propose(self, rng: random.Random) -> Proposal | None:
        # Proposing changes no state of `inner`, so what is not taken was never made.
        drawn = [proposal for _ in range(self.draws) if (proposal := self.inner.propose(rng)) is not None]
        distinct = list({proposal.identity: proposal for proposal in drawn}.values())
        if len(distinct) < 2:
            return distinct[0] if distinct else None
        scores = self.shortlist.scores([proposal.architecture for proposal in distinct])
        if scores is None:
            return distinct[0]
        best = distinct[scores.index(max(scores))]
        # In front: what `inner` reads of its own proposals, such as which arm of a bandit made one, is at the end.
        return replace(best, origin=f"of {len(distinct)} the highest by {', '.join(self.proxies)}: {best.origin}")
