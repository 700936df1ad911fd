"""A Gaussian process with a length for every group of columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np

from azora.errors import ConfigError
from azora.strategies.surrogates.surrogate import Array, Posterior, Surrogate

TUNED = 150  # observations that lengths and noise are estimated from, at most
STEPS = 20  # of the optimiser
LENGTH_SPREAD, NOISE, NOISE_SPREAD = 0.75, 0.05, 1.0  # of the priors, in logarithms
LEAST_NOISE = 1e-4
UNIT = 5.0  # observations that the prior of the variance, 1, is worth


@final
class GaussianProcess(Surrogate):
    """Matérn 5/2, lengths and observation noise of the highest posterior density (Rasmussen & Williams, 2006, ch. 5).

    Squared distances in a group of columns are divided by their mean over the observations, so that one prior suits
    words, numbers and counts: lengths are log-normal around the root of the number of groups (as Hvarfner et al., 2024,
    scale theirs with the dimension), the noise's share of the variance around 5 %.

    Args:
        noise: the noise's share of the variance; None estimates it.

    Raises:
        ConfigError: noise below 0.0001.
    """

    def __init__(self, noise: float | None = None) -> None:
        if noise is not None and noise < LEAST_NOISE:
            raise ConfigError(f"noise={noise} must be at least {LEAST_NOISE}")
        self.noise = noise

    def fit(self, points: Array, targets: Array, groups: Sequence[slice]) -> Posterior:
        scaled = _Scaling(points, groups)
        rows = scaled(points)
        few = slice(None, None, -(-len(rows) // TUNED))
        squares = [_squares(rows[few, group], rows[few, group]) for group in scaled.groups]
        lengths, noise = self._tune(np.stack(squares), targets[few]) if squares else (np.ones(0), self.noise or NOISE)
        return _Conditioned(scaled, rows, targets, lengths, noise)

    def _tune(self, squares: Array, targets: Array) -> tuple[Array, float]:
        from scipy.optimize import minimize

        count, noise = len(squares), self.noise or NOISE
        centre = np.append(np.full(count, 0.5 * math.log(count)), math.log(noise))
        spread = np.append(np.full(count, LENGTH_SPREAD), NOISE_SPREAD)

        def loss(at: Array) -> tuple[float, Array]:
            value, slope = _evidence(at, squares, targets)
            away = (at - centre) / spread
            return value + 0.5 * float(away @ away), slope + away / spread

        bounds = [(middle - 3.0, middle + 3.0) for middle in centre[:-1]]
        bounds.append((math.log(LEAST_NOISE), math.log(1.0)) if self.noise is None else (centre[-1], centre[-1]))
        found = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS})
        return np.exp(found.x[:-1]), math.exp(found.x[-1])


@final
class _Scaling:
    """Columns divided so that the mean squared distance within each group is 1; groups that never vary are left out."""

    def __init__(self, points: Array, groups: Sequence[slice]) -> None:
        spreads = [2.0 * float(points[:, group].var(axis=0).sum()) for group in groups]
        kept = [(group, spread) for group, spread in zip(groups, spreads, strict=True) if spread > 1e-12]
        self.columns = np.concatenate([np.arange(group.start, group.stop) for group, _ in kept] or [np.arange(0)])
        self.factors = np.concatenate([np.full(g.stop - g.start, 1 / math.sqrt(s)) for g, s in kept] or [np.ones(0)])
        ends = np.cumsum([group.stop - group.start for group, _ in kept], dtype=int).tolist()
        self.groups = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def __call__(self, points: Array) -> Array:
        scaled: Array = points[:, self.columns] * self.factors
        return scaled


@final
class _Conditioned(Posterior):
    def __init__(self, scaling: _Scaling, rows: Array, targets: Array, lengths: Array, noise: float) -> None:
        from scipy.linalg import cho_solve, cholesky

        self.scaling, self.mean = scaling, float(targets.mean())
        sizes = np.array([group.stop - group.start for group in scaling.groups], dtype=int)
        self.weights = np.repeat(1 / lengths, sizes)
        self.rows = rows * self.weights
        kernel = _matern(_squares(self.rows, self.rows))
        self.factor = cholesky(kernel + noise * np.eye(len(rows)), lower=True)
        self.pull = cho_solve((self.factor, True), targets - self.mean)
        self.variance = (float((targets - self.mean) @ self.pull) + UNIT) / (len(rows) + UNIT)

    def predict(self, points: Array) -> tuple[Array, Array]:
        across, known = self._seen(self._lengths(points))
        spread = np.maximum(1.0 - np.einsum("ij,ij->j", known, known), 1e-12)
        return self.mean + across @ self.pull, np.sqrt(self.variance * spread)

    def draw(self, points: Array, rng: np.random.Generator) -> Array:
        from scipy.linalg import cholesky

        rows = self._lengths(points)
        across, known = self._seen(rows)
        covariance = _matern(_squares(rows, rows)) - known.T @ known
        covariance[np.diag_indices(len(rows))] += 1e-6
        root = cholesky(covariance, lower=True, overwrite_a=True)
        drawn: Array = self.mean + across @ self.pull + math.sqrt(self.variance) * (root @ rng.normal(size=len(rows)))
        return drawn

    def _lengths(self, points: Array) -> Array:
        weighed: Array = self.scaling(points) * self.weights
        return weighed

    def _seen(self, rows: Array) -> tuple[Array, Array]:
        """Kernel to the observations (n, observations), and what they explain (observations, n)."""
        from scipy.linalg import solve_triangular

        across = _matern(_squares(rows, self.rows))
        return across, solve_triangular(self.factor, across.T, lower=True)


def _evidence(at: Array, squares: Array, targets: Array) -> tuple[float, Array]:
    """The negative logarithm of the marginal likelihood, the variance at its best, and the slope by log lengths and
    log noise. `squares` (groups, n, n) are squared distances."""
    from scipy.linalg import cho_solve, cholesky

    size, targets = len(targets), targets - targets.mean()
    shares = squares * np.exp(-2.0 * at[:-1])[:, None, None]
    root = np.sqrt(5.0 * shares.sum(0))
    decay = np.exp(-root)
    noise = math.exp(at[-1])
    kernel = (1.0 + root + root * root / 3.0) * decay
    kernel[np.diag_indices(size)] += noise
    factor = cholesky(kernel, lower=True)
    inverse = cho_solve((factor, True), np.eye(size))
    pull = inverse @ targets
    variance = (float(targets @ pull) + UNIT) / (size + UNIT)
    value = 0.5 * (size + UNIT) * math.log(variance) + float(np.log(np.diag(factor)).sum())
    inner = 0.5 * (inverse - np.outer(pull, pull) / variance)
    slopes = np.einsum("gij,ij->g", shares, inner * (5.0 / 3.0) * (1.0 + root) * decay)
    return value, np.append(slopes, noise * float(np.trace(inner)))


def _squares(left: Array, right: Array) -> Array:
    """Squared distances; (n, columns), (m, columns) → (n, m)."""
    norms = (left * left).sum(1)[:, None] + (right * right).sum(1)
    distances: Array = np.maximum(norms - 2.0 * (left @ right.T), 0.0)
    return distances


def _matern(squares: Array) -> Array:
    root = np.sqrt(5.0 * squares)
    kernel: Array = (1.0 + root + root * root / 3.0) * np.exp(-root)
    return kernel
