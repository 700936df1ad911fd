"""What a surrogate is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Predict = Callable[[Array], Array]


class Posterior(ABC):
    """What a surrogate believes after it has seen the observations."""

    @abstractmethod
    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noise-free target; (n, columns) → (n,) twice."""

    @abstractmethod
    def draw(self, points: Array, rng: np.random.Generator) -> Array:
        """The targets as one function drawn from the posterior has them; (n, columns) → (n,)."""


class Surrogate(ABC):
    """A regressor on rows of numbers. Its constructor's settings are all its state: equal observations give equal
    posteriors."""

    @abstractmethod
    def fit(self, points: Array, targets: Array, groups: Sequence[slice]) -> Posterior:
        """Learn `targets` (n,), which are about normal, at `points` (n, columns); `groups` are the columns that
        belong together, such as those of one choice."""


@final
class Independent(Posterior):
    """What the members of an ensemble predict; a draw takes each point by itself (independent Thompson sampling,
    White et al., 2021)."""

    def __init__(self, members: Sequence[Predict]) -> None:
        self.members = members

    def predict(self, points: Array) -> tuple[Array, Array]:
        each = np.stack([member(points) for member in self.members])
        return each.mean(0), each.std(0, ddof=1)

    def draw(self, points: Array, rng: np.random.Generator) -> Array:
        mean, deviation = self.predict(points)
        return rng.normal(mean, deviation)


def normal_ranks(scores: Sequence[tuple[float, ...]]) -> Array:
    """The scores' ranks as quantiles of the normal distribution; equals share the mean of their ranks. (n,).

    Scores of networks crowd near the best and trail far down: their ranks fit a Gaussian process, and a failure can
    be the lowest of all without pulling at the rest.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    order = {score: place for place, score in enumerate(sorted(set(scores)))}
    ranks = rankdata([order[score] for score in scores])
    quantiles: Array = ndtri((ranks - 0.5) / len(scores))
    return quantiles
