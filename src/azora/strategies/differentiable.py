"""Search by gradient, as a strategy that thinks for an epoch before it asks."""

from __future__ import annotations

import random
from typing import Protocol, final

from azora.space import Architecture, Space
from azora.strategies.strategy import Strategy
from azora.trial import Objective, Proposal


class Learning(Protocol):
    """Something whose logits learn, an epoch at a time. It puts itself down: what was learned outlasts the process."""

    def learn(self, epoch: int) -> bool:
        """Learn for one more epoch; whether there was one. `epoch` counts what was asked for, from 1 on, epochs that
        were gone back from included. One that was learned already is not learned again."""
        ...

    def favoured(self) -> Architecture:
        """The architecture that the logits favour now.

        Raises:
            SpaceError: nothing that can be derived is allowed.
        """
        ...


@final
class Differentiable(Strategy):
    """`ask` trains for an epoch and gives the architecture that the logits now favour; the proposal's budget is how
    many epochs were asked for. It has nothing to learn from reports, and nothing left when the training is over.

    Args:
        learning: what it trains.
    """

    def __init__(self, space: Space, seed: int = 0, objective: Objective | None = None, *, learning: Learning) -> None:
        super().__init__(space, seed, objective)
        self.learning = learning

    def propose(self, rng: random.Random) -> Proposal | None:
        epoch = self.asked + 1
        if not self.learning.learn(epoch):
            return None
        return Proposal(self.learning.favoured(), float(epoch), origin=f"favoured after epoch {epoch}")
