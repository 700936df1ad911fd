"""Where a learning curve will end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

DRAWS = 4_000
NOISE = 0.02  # of a score on the scale from 0 to 1


def chance_to_beat(points: Sequence[tuple[float, float]], end: float, best: float) -> float:
    """The probability that a curve through `points`, (length, score) with scores on a scale from 0 to 1, is above
    `best` at the length `end`.

    Curves of three families (power law, inverse logarithm, Janoschek) are drawn from a prior, in equal parts; those
    that fall are left out, and each of the rest counts as much as it fits (Domhan et al., 2015, with the prior of
    Adriaensen et al., 2023; importance sampling in place of Markov chains). 1 where not one of them fits.
    """
    import numpy as np

    lengths = np.array([length for length, _ in points])
    scores = np.array([score for _, score in points])
    start = max(1e-9, float(lengths.min()))
    curves, ends = _curves(lengths / start), _curves(np.array([max(end, start) / start]))[:, 0]
    rising = ends >= curves[:, 0]
    misses = ((curves - scores) ** 2).sum(axis=1) / (2 * NOISE**2)
    misses = np.where(rising, misses, np.inf)
    if not np.isfinite(misses).any():
        return 1.0
    weights = np.exp(misses.min() - misses)
    return float(weights[ends > best].sum() / weights.sum())


def _curves(lengths: Any) -> Any:
    """(draws, lengths): every curve of the prior at `lengths`, in units of the first."""
    import numpy as np

    power, logarithm, janoschek = _prior()
    scale, rate, limit = power
    first = limit[:, None] - scale[:, None] * lengths ** -rate[:, None]
    scale, limit = logarithm
    second = limit[:, None] - scale[:, None] / np.log(lengths + 1)
    limit, start, rate, bend = janoschek
    third = limit[:, None] - (limit - start)[:, None] * np.exp(-rate[:, None] * lengths ** bend[:, None])
    return np.concatenate([first, second, third])


@cache
def _prior() -> Any:
    import numpy as np

    rng, count = np.random.default_rng(0), DRAWS // 3
    power = rng.uniform(-0.6, 0.6, count), np.exp(rng.normal(0, 2, count)), rng.uniform(0, 1.25, count)
    logarithm = rng.uniform(-0.5, 0.5, count), rng.uniform(0, 1, count)
    janoschek = (
        rng.uniform(0, 1, count),
        rng.uniform(0, 2, count),
        np.exp(rng.normal(-2, 1, count)),
        np.exp(rng.normal(0, 0.5, count)),
    )
    return power, logarithm, janoschek
