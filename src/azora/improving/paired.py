"""Whether one model is better than another on the same rows, or only luckier."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from azora.tasks.array import Array

LEVEL = 0.05
FEWEST = 6  # rows of numbers that a test is made of
RESAMPLES = 4_000  # at least
BEYOND = 20  # resamples, at least, that a level leaves beyond it
MOST_DRAWS = 1e8  # rows of all resamples: a second or two
AT_ONCE = 2_000_000  # rows that are drawn at once


def losses(kind: str, answers: Array, y: Array, spread: Sequence[float] = (1.0,)) -> Array:
    """(N,) what each row costs: 1 for a wrong class, or the squared error, summed over outputs, each in units of its
    `spread`: in their own units the one with the largest numbers alone would count."""
    if kind == "classification":
        wrong: Array = (answers.argmax(axis=1) != y).astype(np.float64)
        return wrong
    squared: Array = (((answers - y.reshape(len(y), -1)) / np.asarray(spread)) ** 2).sum(axis=1)
    return squared


def paired_test(kind: str, old: Array, new: Array, margin: float = 0.0, level: float = LEVEL) -> float:
    """p of the hypothesis that the new one costs as much as the old one or more, given what each row costs both, (N,)
    twice; one-sided. With a `margin` (of the mean cost), that it costs as much as the old one and the margin, or more:
    what refuses it shows that the new one is not worse by that. With a margin below zero it must be better by so much.

    For classes the exact test of McNemar (1947): of the rows that only one of them has right, as many to either side;
    with a margin the score test of Tango (1998). For numbers the larger p of Student's t and of a bootstrap of the mean
    difference, by as many resamples of a fixed seed as the `level` that p is compared with needs, (count + 1) /
    (resamples + 1), expanded for few rows (Hesterberg, 2015); where that would take too long, which is where rows are
    many or the level is minute, Student's t alone.
    """
    if kind == "classification":
        gained, lost = int(((old == 1) & (new == 0)).sum()), int(((old == 0) & (new == 1)).sum())
        if margin < 0:  # with the two the other way round it is the upper tail of the same
            return 1.0 - _tango(gained, lost, len(old), -margin)
        return _tango(lost, gained, len(old), margin) if margin else _mcnemar(gained, lost)
    above = old - new + margin
    if len(above) < 2:
        return 1.0
    count, by_student = _resamples(level), _student(above)
    # Of six rows at a level of 0.001 the bootstrap alone passes half as often again as it may.
    return by_student if count * len(above) > MOST_DRAWS else max(by_student, _bootstrap(above, count, level))


def least_p(kind: str, rows: int, margin: float = 0.0, level: float = LEVEL) -> float:
    """The smallest p that so many rows can give: with a `margin` of classes, where both have the same rows right."""
    if kind != "classification":
        return 1.0 if rows < FEWEST else 1 / (_resamples(level) + 1)
    return paired_test(kind, np.zeros(rows), np.zeros(rows), margin) if margin else 0.5**rows


def _resamples(level: float) -> int:
    return max(RESAMPLES, math.ceil(BEYOND / level))


def _bootstrap(above: Array, count: int, level: float) -> float:
    """p that the mean of what `above` (N,) is drawn from is 0 or less. Means of resamples spread less than they should
    by √((N − 1) / N), and have the tails of a normal distribution where Student's is wanted: both are made up for, at
    the level that counts."""
    from scipy.stats import norm, t

    rows, mean = len(above), float(above.mean())
    wider = math.sqrt(rows / (rows - 1)) * t.isf(level, rows - 1) / norm.isf(level)
    rng, worse, step = np.random.default_rng(0), 0, max(1, AT_ONCE // rows)
    for start in range(0, count, step):
        drawn = rng.integers(rows, size=(min(step, count - start), rows))
        worse += int((mean + wider * (above[drawn].mean(axis=1) - mean) <= 0).sum())
    return (worse + 1) / (count + 1)


def _student(above: Array) -> float:
    """The same by Student's t."""
    from scipy.stats import t

    mean, error = float(above.mean()), float(above.std(ddof=1)) / math.sqrt(len(above))
    return float(t.sf(mean / error, len(above) - 1)) if error > 0 else float(mean <= 0)


def margin_of(kind: str, margin: float, y: Array, spread: Sequence[float] = (1.0,)) -> float:
    """`margin` as a mean cost of a row: of classes the share of rows itself; of numbers so much of their variance, as
    in R², in the units of `losses`."""
    if kind == "classification":
        return margin
    return margin * float((y.reshape(len(y), -1) / np.asarray(spread)).var(axis=0).sum())


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
