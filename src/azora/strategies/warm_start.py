"""The first points of a search, chosen for their size."""

from __future__ import annotations

import math
import random
from typing import final

import numpy as np

from azora.errors import ConfigError, SpaceError
from azora.space import Architecture, Space
from azora.strategies.strategy import Affordable, Strategy
from azora.strategies.surrogates import Description
from azora.trial import Proposal, Report

DRAWN, BUILT = 1_000, 100  # architectures among which the large ones are found; fewer where each must be built
LARGE = 0.05  # the share of them that is large


@final
class WarmStart(Strategy):
    """The first proposals are large networks that differ from each other; then `inner` goes on, and knows of all.

    The numbers of parameters and multiply-accumulates on live paths cost nothing, and rank networks as well as most
    proxies that are computed (White et al., 2022). Of a thousand drawn, the largest is first, and then always that of
    the largest twentieth which is furthest from those before. Where a space says nothing of size (`Space.features`) a
    hundred networks are counted; where it has no networks, `inner` proposes from the beginning.

    Args:
        inner: the strategy that goes on.
        points: how many proposals are made for it.

    Raises:
        ConfigError: no point.
    """

    def __init__(self, inner: Strategy, points: int = 10) -> None:
        super().__init__(inner.space, inner.seed, inner.objective)
        if points < 1:
            raise ConfigError(f"points={points} must be at least 1")
        self.inner, self.points = inner, points
        self.seen: set[str] = set()
        self._planned: list[Architecture] | None = None

    def propose(self, rng: random.Random) -> Proposal | None:
        if len(self.seen) < self.points:
            if self._planned is None:
                self._planned = _plan(self.space, self.points, random.Random(f"{self.seed}:large"))
            for architecture in self._planned:
                if architecture.key not in self.seen:
                    return Proposal(architecture, origin="large")
        return self.inner.propose(rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
        self.inner.proposed(proposal)

    def learn(self, proposal: Proposal, report: Report) -> None:
        self.inner.tell(proposal, report)

    def fit(self, affordable: Affordable) -> None:
        self.inner.fit(affordable)

    def keep(self) -> set[str] | None:
        return self.inner.keep()


def _plan(space: Space, points: int, rng: random.Random) -> list[Architecture]:
    """The points, the largest first; none, where sizes are not to be had."""
    measured = _sizes(space, rng)
    drawn = sorted(measured, key=lambda each: measured[each], reverse=True)
    large = drawn[: max(points, round(LARGE * len(drawn)))]
    if not large:
        return []
    rows = Description(space)(large)
    rows = rows / np.maximum(rows.std(0), 1e-9)
    nearest, chosen = ((rows - rows[0]) ** 2).sum(1), [0]
    while len(chosen) < min(points, len(large)):
        furthest = int(np.argmax(nearest))
        chosen.append(furthest)
        nearest = np.minimum(nearest, ((rows - rows[furthest]) ** 2).sum(1))
    return [large[place] for place in chosen]


def _sizes(space: Space, rng: random.Random) -> dict[Architecture, float]:
    told = _told_size(space, space.sample(rng)) is not None
    drawn = [space.sample(rng) for _ in range(DRAWN if told else BUILT)]
    if told:
        return {each: _told_size(space, each) or 0.0 for each in drawn}
    from azora.networks.complexity import cost  # brings torch, which no other strategy needs

    try:
        costs = [cost(space, each) for each in drawn]
    except (SpaceError, IndexError):  # no network can be built, or there is no shape to build it for
        return {}
    return {each: math.log(about["params"] * about["macs"]) for each, about in zip(drawn, costs, strict=True)}


def _told_size(space: Space, architecture: Architecture) -> float | None:
    """The sum of the groups of features called `size`, if there are any."""
    features = space.features(architecture)
    sizes = [sum(numbers) for group, numbers in features.items() if group.split(".")[-1] == "size"]
    return sum(sizes) if sizes else None
