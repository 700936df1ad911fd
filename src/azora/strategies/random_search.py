"""Random search: the yardstick."""

from __future__ import annotations

import random
from typing import final

from azora.space import Space
from azora.strategies.fresh import stranger
from azora.strategies.strategy import Strategy
from azora.trial import Objective, Proposal


@final
class RandomSearch(Strategy):
    """Draws uniformly over the decisions of the space, never the same network twice.

    What Li and Talwalkar (2019) showed to be hard to beat under an equal budget.
    """

    def __init__(self, space: Space, seed: int = 0, objective: Objective | None = None) -> None:
        super().__init__(space, seed, objective)
        self.seen: set[str] = set()

    def propose(self, rng: random.Random) -> Proposal | None:
        return stranger(self.space, self.seen, rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
