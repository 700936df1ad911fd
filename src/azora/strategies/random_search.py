"""Random search: the yardstick."""

from __future__ import annotations

import random
from typing import final

from azora.space import Space
from azora.strategies.strategy import Strategy
from azora.trial import Objective, Proposal

REPEATS = 200  # draws in a row that were all known: the space is as good as exhausted


@final
class RandomSearch(Strategy):
    """Draws uniformly over the decisions of the space, never the same network twice.

    What Li and Talwalkar (2019) showed to be hard to beat under an equal budget.
    """

    def __init__(self, space: Space, seed: int = 0, objective: Objective | None = None) -> None:
        super().__init__(space, seed, objective)
        self.seen: set[str] = set()

    def propose(self, rng: random.Random) -> Proposal | None:
        for _ in range(REPEATS):
            architecture = self.space.sample(rng)
            if architecture.key not in self.seen:
                return Proposal(architecture, origin="random")
        return None

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
