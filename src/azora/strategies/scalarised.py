"""Bayesian optimisation for several objectives."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import final

from azora.errors import ConfigError
from azora.space import Space
from azora.strategies.bayesian import Bayesian
from azora.strategies.strategy import Strategy
from azora.trial import Objective, Proposal, Report

MIXED = 0.05  # weight of the sum beside the worst objective (Knowles, 2006)
SCALAR = Objective("scalar")


@final
class Scalarised(Strategy):
    """ParEGO (Knowles, 2006): for every ask the objectives are weighed anew by chance, and the next point is the one
    that Bayesian optimisation would try for that one number. The weights differ, and so do the parts of the front
    that are looked for.

    An objective counts by its rank among what was judged, from 0 for the worst to 1 for the best: scores crowd near the
    best and trail far down, costs the other way round. The number is minus the largest weighed distance to 1, and a
    little of the sum of all of them (augmented Tchebycheff).

    Args:
        objectives: two or more; the first is `objective`.
        make: the strategy that is asked, for an objective of its own; `Bayesian` with its defaults unless given.

    Raises:
        ConfigError: fewer than two objectives.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objectives: Sequence[Objective] = (Objective(), Objective("macs", False)),
        make: Callable[[Space, int, Objective], Strategy] = Bayesian,
    ) -> None:
        if len(objectives) < 2:
            raise ConfigError(f"{len(objectives)} objective: scalarising is for two or more")
        super().__init__(space, seed, objectives[0])
        self.objectives, self.make = tuple(objectives), make
        self.pending: dict[tuple[str, float | None], Proposal] = {}
        self.judged: dict[tuple[str, float | None], tuple[Proposal, Report]] = {}

    def propose(self, rng: random.Random) -> Proposal | None:
        inner = self.make(self.space, self.seed, SCALAR)
        for (proposal, _), number in zip(self.judged.values(), self._numbers(self._weights(rng)), strict=True):
            inner.hand_out(proposal)
            inner.learn(proposal, Report(error="failed") if number is None else Report({"scalar": number}))
        for proposal in self.pending.values():
            inner.hand_out(proposal)
        inner.until(self.deadline)
        return inner.propose(rng)

    def proposed(self, proposal: Proposal) -> None:
        self.pending[proposal.identity] = proposal

    def learn(self, proposal: Proposal, report: Report) -> None:
        self.pending.pop(proposal.identity, None)
        self.judged[proposal.identity] = (proposal, report)

    def _weights(self, rng: random.Random) -> list[float]:
        """Uniform over all weights that add up to 1."""
        drawn = [rng.expovariate(1.0) for _ in self.objectives]
        return [each / sum(drawn) for each in drawn]

    def _numbers(self, weights: Sequence[float]) -> list[float | None]:
        """For each judgement, what it is worth under these weights; None for what failed."""
        columns = [
            _ranks([objective.score(report) for _, report in self.judged.values()]) for objective in self.objectives
        ]
        numbers: list[float | None] = []
        for row in zip(*columns, strict=True):
            known = [rank for rank in row if rank is not None]
            if len(known) < len(row):
                numbers.append(None)
                continue
            lacks = [weight * (1 - rank) for weight, rank in zip(weights, known, strict=True)]
            numbers.append(-max(lacks) - MIXED * sum(lacks))
        return numbers


def _ranks(scores: Sequence[float]) -> list[float | None]:
    """From 0 for the worst to 1 for the best, equals alike; None for minus infinity."""
    distinct = sorted({score for score in scores if score > -math.inf})
    places = {score: place / max(1, len(distinct) - 1) for place, score in enumerate(distinct)}
    return [places.get(score) for score in scores]
