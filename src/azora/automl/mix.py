"""Who is in an ensemble, and what each counts: chosen greedily, as long as the mean of all becomes better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from azora.export.ensemble import LEAST
from azora.tasks import Signature
from azora.tasks.array import Array
from azora.training.boosting import loss_of

DRAWS = 25
TEMPERATURES = tuple(float(value) for value in np.geomspace(0.5, 3.0, 25))


@final
@dataclass(frozen=True)
class Mix:
    """Who is in an ensemble: places of candidates with their shares, a temperature, and what the mean answers."""

    shares: dict[int, float]
    temperature: float
    answers: Array


def mixed(answers: Sequence[Array], y: Array, signature: Signature, most: int, spread: Sequence[float] = (1.0,)) -> Mix:
    """Ensemble selection (Caruana et al., 2004): candidates are drawn one after another, each as often as it helps, by
    the loss of the mean, until there are `most` different ones; the best of all beginnings of the draws is taken.

    Args:
        answers: (N, classes) or (N, outputs) of each candidate for the rows of search-validation.
        y: their targets.
        spread: of each number to predict, its unit here.
    """
    measure = loss_of(signature, spread)
    drawn, total, losses = list[int](), np.zeros_like(answers[0], np.float64), list[float]()
    for _ in range(DRAWS):
        able = range(len(answers)) if len(set(drawn)) < most else sorted(set(drawn))
        tried = {place: measure(y, (total + answers[place]) / (len(drawn) + 1)) for place in able}
        drawn.append(min(tried, key=lambda place: tried[place]))
        total += answers[drawn[-1]]
        losses.append(tried[drawn[-1]])
    taken = drawn[: 1 + int(np.argmin(losses))]
    shares = {place: taken.count(place) / len(taken) for place in sorted(set(taken))}
    mean: Array = np.sum([share * answers[place] for place, share in shares.items()], axis=0)
    if signature.kind != "classification":
        return Mix(shares, 1.0, mean)
    softened = {each: _softened(mean, each) for each in (1.0, *TEMPERATURES)}
    best = min(softened, key=lambda each: measure(y, softened[each]))
    return Mix(shares, best, softened[best])


def _softened(probabilities: Array, temperature: float) -> Array:
    powers = np.clip(probabilities, LEAST, None) ** (1 / temperature)
    softened: Array = powers / powers.sum(axis=1, keepdims=True)
    return softened
