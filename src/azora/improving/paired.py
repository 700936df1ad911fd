"""Whether one model is better than another on the same rows, or only luckier."""

from __future__ import annotations

import math

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


def paired_test(kind: str, old: Array, new: Array, margin: float = 0.0) -> float:
    """p of the hypothesis that the new one costs as much as the old one or more, given what each row costs both, (N,)
    twice; one-sided. With a `margin` (of the mean cost), that it costs as much as the old one and the margin, or more:
    what refuses it shows that the new one is not worse by that. With a margin below zero it must be better by so much.

    For classes the exact test of McNemar (1947): of the rows that only one of them has right, as many to either side;
    with a margin the score test of Tango (1998). For numbers a bootstrap of the mean difference, 4,000 resamples of a
    fixed seed, (count + 1) / (resamples + 1).
    """
    if kind == "classification":
        gained, lost = int(((old == 1) & (new == 0)).sum()), int(((old == 0) & (new == 1)).sum())
        if margin < 0:  # with the two the other way round it is the upper tail of the same
            return 1.0 - _tango(gained, lost, len(old), -margin)
        return _tango(lost, gained, len(old), margin) if margin else _mcnemar(gained, lost)
    difference = old - new
    drawn = np.random.default_rng(0).integers(len(difference), size=(RESAMPLES, len(difference)))
    worse = int((difference[drawn].mean(axis=1) <= -margin).sum())
    return (worse + 1) / (RESAMPLES + 1)


def margin_of(kind: str, margin: float, y: Array) -> float:
    """`margin` as a mean cost of a row: of classes the share of rows itself; of numbers so much of their variance, as
    in R²."""
    return margin if kind == "classification" else margin * float(y.reshape(len(y), -1).var(axis=0).sum())


def _mcnemar(gained: int, lost: int) -> float:
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue) if gained + lost else 1.0


def _tango(lost: int, gained: int, rows: int, margin: float) -> float:
    """p that the share lost is above the share gained by `margin` or more: the score statistic, with the likeliest
    shares that differ by exactly that."""
    linear = (2 * rows - lost + gained) * margin - lost - gained
    constant = -gained * margin * (1 - margin)
    share = (math.sqrt(max(0.0, linear**2 - 8 * rows * constant)) - linear) / (4 * rows)  # gained, where they differ so
    variance = rows * (2 * share + margin * (1 - margin))
    return 0.5 * math.erfc(-(lost - gained - rows * margin) / math.sqrt(2 * variance))


def level_of(tries: int, level: float = LEVEL) -> float:
    """The level of the next test after so many: `level` / (k · (k + 1)) for the k-th, which all together come to
    `level`, however many follow."""
    number = tries + 1
    return level / (number * (number + 1))
