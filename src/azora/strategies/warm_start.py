"""The first points of a search, chosen by what is known of networks before they are trained."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import final

import numpy as np

from azora.settings import check_whole
from azora.space import Architecture
from azora.strategies.around import Around
from azora.strategies.shortlist import Shortlist
from azora.strategies.strategy import Strategy
from azora.strategies.surrogates import Description
from azora.tasks import SearchData
from azora.trial import Proposal

DRAWN, BUILT = 1_000, 100  # architectures among which the best are found; fewer where each must be built
HIGH = 0.05  # the share of them that is high enough


@final
class WarmStart(Around):
    """The first proposals are high by zero-cost proxies and differ from each other; then `inner` goes on, and knows of
    all (Abdelfattah et al., 2021).

    The numbers of parameters and multiply-accumulates on live paths cost nothing, and rank networks as well as most
    proxies that are computed (White et al., 2022), so they are the proxy unless others are named. Of a thousand drawn,
    the highest is first, and then always that of the highest twentieth which is furthest from those before. Where
    networks must be built for it a hundred are drawn; where a space has none, `inner` proposes from the beginning.

    Args:
        inner: the strategy that goes on.
        points: how many proposals are made for it.
        proxies: see `Shortlist`; so is `data`.

    Raises:
        ConfigError: points that are no whole number from 1 on, or a proxy that cannot be had.
    """

    def __init__(
        self,
        inner: Strategy,
        points: int = 10,
        proxies: Sequence[str] = ("size",),
        data: SearchData | None = None,
    ) -> None:
        super().__init__(inner)
        check_whole(1, points=points)
        self.points, self.proxies = points, tuple(proxies)
        self.shortlist = Shortlist(inner.space, proxies, data, inner.seed)
        self.seen: set[str] = set()
        self._planned: list[Architecture] | None = None

    def propose(self, rng: random.Random) -> Proposal | None:
        if len(self.seen) < self.points:
            if self._planned is None:
                self._planned = _plan(self.shortlist, self.points, random.Random(f"{self.seed}:large"))
            for architecture in self._planned:
                if architecture.key not in self.seen:
                    return Proposal(architecture, origin=self._origin())
        return self.inner.propose(rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
        super().proposed(proposal)

    def _origin(self) -> str:
        return "large" if self.proxies == ("size",) else f"high by {', '.join(self.proxies)}"


def _plan(shortlist: Shortlist, points: int, rng: random.Random) -> list[Architecture]:
    """The points, the highest first; none, where nothing can be known of networks."""
    drawn = [shortlist.space.sample(rng) for _ in range(DRAWN if shortlist.told else BUILT)]
    drawn = list(dict.fromkeys(drawn))
    if (scores := shortlist.scores(drawn)) is None:
        return []
    ranked = sorted(range(len(drawn)), key=scores.__getitem__, reverse=True)
    high = [drawn[place] for place in ranked[: max(points, round(HIGH * len(drawn)))]]
    rows = Description(shortlist.space)(high)
    rows = rows / np.maximum(rows.std(0), 1e-9)
    nearest, chosen = ((rows - rows[0]) ** 2).sum(1), [0]
    while len(chosen) < min(points, len(high)):
        furthest = int(np.argmax(nearest))
        chosen.append(furthest)
        nearest = np.minimum(nearest, ((rows - rows[furthest]) ** 2).sum(1))
    return [high[place] for place in chosen]
