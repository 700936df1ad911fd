"""One budget for all."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import final

from azora.errors import ConfigError
from azora.strategies.around import Around
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Proposal

TRIALS = 40  # how many judgements a search that trains everything equally long should have, at least
LONGEST = 30.0


@final
class Level(Around):
    """Judges every proposal of `inner` that names no budget of its own at one budget.

    Args:
        inner: the strategy that proposes architectures.
        epochs: the budget of every proposal; None fits it to what the search can pay for: forty judgements or
            more, of 1 to 30 epochs. Proposals made before that is known get one epoch.

    Raises:
        ConfigError: `epochs` not above zero.
    """

    def __init__(self, inner: Strategy, epochs: float | None = None) -> None:
        super().__init__(inner)
        if epochs is not None and epochs <= 0:
            raise ConfigError(f"epochs={epochs} must be above 0")
        self.epochs = epochs
        self.length = epochs or 1.0

    def fit(self, affordable: Affordable) -> None:
        if self.epochs is None:
            self.length = float(max(1, min(LONGEST, affordable.units // TRIALS)))
        super().fit(Affordable(affordable.units / self.length))

    def propose(self, rng: random.Random) -> Proposal | None:
        fresh = self.inner.propose(rng)
        return fresh if fresh is None or fresh.budget is not None else replace(fresh, budget=self.length)
