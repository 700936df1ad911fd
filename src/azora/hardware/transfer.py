"""A new device from others: its latencies as a mixture of theirs, learned from few measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from azora.strategies.surrogates import Array

NOISE = 0.15  # of a measurement, as a share of the spread of the device's logarithms
FREEDOM = 0.2  # how far the whole scale may be from what the first look says, as a share
STEEPEST = 2.0  # times that a device may spread more or less than the others do
LOOSE = 1e-4


@final
@dataclass(frozen=True)
class Others:
    """Logarithms of latencies of known devices, brought to mean 0 and deviation 1 by device.

    Args:
        mean, deviation: (devices,) over the networks that they were taken of.
        axes: (components, devices), the directions in which devices differ (principal components).
    """

    mean: Array
    deviation: Array
    axes: Array

    @classmethod
    def of(cls, logs: Array) -> Others:
        """From (networks, devices); networks as they are drawn, for their spread is the prior of a new device's."""
        mean, deviation = logs.mean(0), np.maximum(logs.std(0), 1e-6)
        axes = np.linalg.svd((logs - mean) / deviation, full_matrices=False)[2]
        return cls(mean, deviation, axes)

    def components(self, logs: Array) -> Array:
        """(networks, devices) → (networks, components)."""
        found: Array = (logs - self.mean) / self.deviation @ self.axes.T
        return found

    def choose(self, logs: Array, count: int) -> list[int]:
        """The places of networks to measure on a new device: one by one the network whose time, once it is known,
        leaves the least doubt of all of them in the mean (Bayesian A-optimal design, Chaloner & Verdinelli, 1995).
        What is measured does not change that doubt, so they are chosen before."""
        rows, covariance, chosen = _rows(self.components(logs)), self.prior, list[int]()
        products = rows.T @ rows
        while len(chosen) < min(count, len(rows)):
            shared = rows @ covariance
            doubt = np.einsum("ij,ij->i", shared, rows) + NOISE**2
            less = np.einsum("ij,jk,ik->i", shared, products, shared) / doubt
            less[chosen] = -1.0
            chosen.append(int(less.argmax()))
            covariance = covariance - np.outer(shared[chosen[-1]], shared[chosen[-1]]) / doubt[chosen[-1]]
        return chosen

    @property
    def prior(self) -> Array:
        """(1 + components, 1 + components), the covariance of a new device's weights, in units of its deviation."""
        mean, count = self.axes.mean(1), len(self.axes) + 1
        made = np.zeros((count, count))
        made[0, 0] = 1.0
        made[1:, 1:] = _covariance(self.axes) + FREEDOM**2 * np.outer(mean, mean)
        return made


@final
@dataclass(frozen=True)
class Adapted:
    """A device's logarithms as a linear function of others' components.

    Bayesian linear regression whose prior is how the known devices are made of the same components: what they have in
    common is believed before anything is measured, and only so much as speaks for it is changed.
    """

    others: Others
    weights: Array  # (1 + components,)
    covariance: Array
    noise: float

    @classmethod
    def fit(cls, others: Others, logs: Array, times: Array) -> Adapted:
        """From (n, devices) logarithms of the measured networks and their (n,) milliseconds on the new device."""
        known, target, mean = others.components(logs), np.log(times), others.axes.mean(1)
        middle = known @ mean
        usual = float(others.deviation.mean())
        scale = float(np.clip(target.std() / max(float(middle.std()), 1e-9), usual / STEEPEST, usual * STEEPEST))
        covariance = scale**2 * others.prior
        prior = np.append(float(target.mean() - scale * middle.mean()), scale * mean)
        rows = _rows(known)
        noise = (NOISE * scale) ** 2
        gain = np.linalg.solve(rows @ covariance @ rows.T + noise * np.eye(len(rows)), rows @ covariance).T
        weights = prior + gain @ (target - rows @ prior)
        return cls(others, weights, covariance - gain @ rows @ covariance, noise)

    def __call__(self, logs: Array) -> tuple[Array, Array]:
        """Milliseconds (n,) and one standard deviation of their logarithm (n,) for (n, devices) logarithms."""
        rows = _rows(self.others.components(logs))
        doubt = np.einsum("ij,jk,ik->i", rows, self.covariance, rows)
        return np.exp(rows @ self.weights), np.sqrt(np.maximum(doubt, 0.0) + self.noise)


def _rows(known: Array) -> Array:
    """(n, components) with a one before each."""
    found: Array = np.hstack([np.ones((len(known), 1)), known])
    return found


def _covariance(axes: Array) -> Array:
    """Of the devices' shares in each component; one device alone says nothing of how they differ."""
    found = np.atleast_2d(np.cov(axes)) if axes.shape[1] > 1 else np.zeros((len(axes), len(axes)))
    loosened: Array = found + LOOSE * np.eye(len(axes))
    return loosened
