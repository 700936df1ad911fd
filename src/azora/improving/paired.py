"""Whether one model is better than another on the same rows, or only luckier."""

from __future__ import annotations

import numpy as np

from azora.tasks.array import Array

LEVEL = 0.05
RESAMPLES = 4_000


def losses(kind: str, answers: Array, y: Array) -> Array:
    """(N,) what each row costs: 1 for a wrong class, or the squared error, summed over outputs."""
    if kind == "classification":
        wrong: Array = (answers.argmax(axis=1) != y).astype(np.float64)
        return wrong
    squared: Array = ((answers - y.reshape(len(y), -1)) ** 2).sum(axis=1)
    return squared


def paired_test(kind: str, old: Array, new: Array) -> float:
    """p of the hypothesis that the new one is no better, given what each row costs both, (N,) twice; one-sided.

    For classes the exact test of McNemar (1947): of the rows that only one of them has right, as many to either side.
    For numbers a bootstrap of the mean difference, 4,000 resamples of a fixed seed, (count + 1) / (resamples + 1).
    """
    if kind == "classification":
        from scipy.stats import binomtest

        gained, lost = int(((old == 1) & (new == 0)).sum()), int(((old == 0) & (new == 1)).sum())
        return float(binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue) if gained + lost else 1.0
    difference = old - new
    drawn = np.random.default_rng(0).integers(len(difference), size=(RESAMPLES, len(difference)))
    worse = int((difference[drawn].mean(axis=1) <= 0).sum())
    return (worse + 1) / (RESAMPLES + 1)


def level_of(tries: int, level: float = LEVEL) -> float:
    """The level of the next test after so many: `level` / (k · (k + 1)) for the k-th, which all together come to
    `level`, however many follow."""
    number = tries + 1
    return level / (number * (number + 1))
