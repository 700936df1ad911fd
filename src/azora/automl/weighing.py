"""Whether a network is better than trees on the rows of search-validation, or only luckier there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import final

import numpy as np

from azora.tasks.array import Array

BY_PROBABILITY = ("loss", "auroc")
BY_CLASS = ("balanced_accuracy", "f1")
ROUNDING = 1e-9  # of a standard error


@final
@dataclass(frozen=True)
class Lead:
    """By how much less a row costs one model than another in the mean, and the standard error of that. Rows that belong
    together are counted as if they did not."""

    gain: float
    error: float

    @classmethod
    def of(cls, one: Array, other: Array) -> Lead | None:
        """Of `one` over the `other`, given what each row costs both, (N,) twice; None of fewer than two rows."""
        less = other - one
        if len(less) < 2:
            return None
        return cls(float(less.mean()), float(less.std(ddof=1)) / math.sqrt(len(less)))

    @property
    def shown(self) -> bool:
        """Whether it is more than one standard error, which one row that is right beside a wrong one is exactly. Of two
        models that are equally good a given one leads by so much on one set of rows in six; one that is the best of
        many on these rows leads by luck more often."""
        return self.gain > self.error * (1 + ROUNDING)

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def costs(metric: str, answers: Array, y: Array, spread: Sequence[float]) -> Array:
    """(N,) what each row costs in the unit of `metric`, so that what leads in the mean cost leads in the metric too.

    For accuracy 1 for a wrong class: the logarithm of a probability would let one row of which a network was too sure
    outweigh all that it has right, and trees stop where that is least on these very rows. For a metric over classes
    each class weighs the same. Loss, and AUROC, which has no cost of a row, go by that logarithm. For numbers it is the
    squared error (the absolute one for MAE) in units of the targets' `spread`, the mean over outputs.

    Args:
        answers: probabilities (N, classes), or predictions (N, outputs).
        y: classes (N,), or numbers (N, outputs).
        spread: of each output; not asked for of classes.
    """
    if y.ndim > 1:
        errors = (answers - y) / np.asarray(spread)
        found: Array = (np.abs(errors) if metric == "mae" else errors**2).mean(axis=1)
        return found
    if metric in BY_PROBABILITY:
        surprise: Array = -np.log(np.clip(answers[np.arange(len(y)), y], 1e-12, None))
        return surprise
    wrong: Array = (answers.argmax(axis=1) != y).astype(np.float64)
    if metric in BY_CLASS:
        counts = np.bincount(y)
        wrong = wrong * len(y) / (np.count_nonzero(counts) * counts[y])
    return wrong
