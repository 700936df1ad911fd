"""Acquisitions: how much is to be expected of judging an architecture, given what a surrogate believes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np

from azora.errors import ConfigError
from azora.strategies.surrogates import Array, Posterior


class Acquisition(ABC):
    """Puts a value on points; the highest is judged next.

    `lies` says whether proposals that are still being judged must be told to the surrogate, as if they had turned out
    middling (the constant liar, Ginsbourger et al., 2010), lest the next ask is for the same again.
    """

    lies: bool

    @abstractmethod
    def value(self, posterior: Posterior, points: Array, best: float, rng: np.random.Generator) -> Array:
        """(n, columns) → (n,). `best` is the highest target believed of what was judged."""


@final
class ThompsonSampling(Acquisition):
    """One function drawn from the posterior; every ask draws its own, so asks in parallel differ (Thompson, 1933)."""

    lies = False

    def value(self, posterior: Posterior, points: Array, best: float, rng: np.random.Generator) -> Array:
        return posterior.draw(points, rng)


@final
class ExpectedImprovement(Acquisition):
    """By how much the best is expected to be surpassed (Jones et al., 1998).

    `best` is the posterior's mean at what was judged, not the luckiest judgement, as observations have noise (Picheny
    et al., 2013).
    """

    lies = True

    def value(self, posterior: Posterior, points: Array, best: float, rng: np.random.Generator) -> Array:
        from scipy.special import ndtr

        mean, deviation = posterior.predict(points)
        deviation = np.maximum(deviation, 1e-9)
        gain = (mean - best) / deviation
        density = np.exp(-0.5 * gain * gain) / np.sqrt(2.0 * np.pi)
        improvement: Array = deviation * (gain * ndtr(gain) + density)
        # Far below the best all is zero: there the mean decides.
        return improvement + 1e-12 * mean


@final
class UpperConfidenceBound(Acquisition):
    """Mean and `kappa` standard deviations (Srinivas et al., 2010).

    Raises:
        ConfigError: kappa below 0.
    """

    lies = True

    def __init__(self, kappa: float = 1.0) -> None:
        if kappa < 0:
            raise ConfigError(f"kappa={kappa} must be at least 0")
        self.kappa = kappa

    def value(self, posterior: Posterior, points: Array, best: float, rng: np.random.Generator) -> Array:
        mean, deviation = posterior.predict(points)
        return mean + self.kappa * deviation
