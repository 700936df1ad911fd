"""Metrics by name, computed by scikit-learn."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from azora.tasks.array import Array
from azora.tasks.signature import Signature

RESAMPLES, FEWEST_RESAMPLES = 1_000, 100
SECONDS = 5.0  # of resamples beyond the fewest: a metric of many classes takes a second for one


@dataclass(frozen=True)
class Metric:
    """`measure(y, outputs)`; outputs are probabilities (N, classes), or predictions (N, outputs).

    A metric that is not `cheap` imports scikit-learn, for which a worker process would need a second more to start.
    """

    measure: Callable[[Array, Array], float]
    maximise: bool
    kind: str
    cheap: bool = True


def _accuracy(y: Array, probabilities: Array) -> float:
    return float((probabilities.argmax(axis=1) == y).mean())


def _balanced(y: Array, probabilities: Array) -> float:
    """The mean over classes of the share that was recognised."""
    right = probabilities.argmax(axis=1) == y
    return float(np.mean([right[y == number].mean() for number in np.unique(y)]))


def _f1(y: Array, probabilities: Array) -> float:
    from sklearn import metrics

    labels = np.arange(probabilities.shape[1])
    answers = probabilities.argmax(axis=1)
    return float(metrics.f1_score(y, answers, labels=labels, average="macro", zero_division=0.0))


def _auroc(y: Array, probabilities: Array) -> float:
    """One against the rest, the mean over the classes of which there are rows and others."""
    from sklearn import metrics

    present = [number for number in range(probabilities.shape[1]) if 0 < (y == number).sum() < len(y)]
    if probabilities.shape[1] == 2:
        present = present[-1:]
    areas = [metrics.roc_auc_score(y == number, probabilities[:, number]) for number in present]
    return float(np.mean(areas)) if areas else 0.5


def _cross_entropy(y: Array, probabilities: Array) -> float:
    chosen = probabilities[np.arange(len(y)), y]
    return float(-np.log(np.clip(chosen, 1e-12, None)).mean())


def _r2(y: Array, predictions: Array) -> float:
    """The share of the spread that is explained, the mean over the outputs."""
    spread = y.var(axis=0)
    explained = 1.0 - ((y - predictions) ** 2).mean(axis=0) / np.where(spread > 0, spread, 1.0)
    return float(explained.mean())


def _squared(y: Array, predictions: Array) -> float:
    return float(((y - predictions) ** 2).mean())


METRICS: dict[str, Metric] = {
    "accuracy": Metric(_accuracy, True, "classification"),
    "balanced_accuracy": Metric(_balanced, True, "classification"),
    "f1": Metric(_f1, True, "classification", cheap=False),
    "auroc": Metric(_auroc, True, "classification", cheap=False),
    "loss": Metric(_cross_entropy, False, "classification"),
    "r2": Metric(_r2, True, "regression"),
    "rmse": Metric(lambda y, found: _squared(y, found) ** 0.5, False, "regression"),
    "mae": Metric(lambda y, found: float(np.abs(y - found).mean()), False, "regression"),
    "mse": Metric(_squared, False, "regression"),
}


def default_metric(signature: Signature) -> str:
    """What a search is for when nobody says otherwise."""
    return "accuracy" if signature.kind == "classification" else "r2"


def evaluate(signature: Signature, outputs: Array, y: Array, also: Collection[str] | None = None) -> dict[str, float]:
    """The metrics of the task's kind: all of them, or, given `also`, the cheap ones and those.

    `outputs` (N, classes) or (N, outputs), `y` (N,) or (N, outputs).
    """
    return {
        name: metric.measure(y, outputs)
        for name, metric in METRICS.items()
        if metric.kind == signature.kind and (also is None or metric.cheap or name in also)
    }


def score_of(signature: Signature, outputs: Array, y: Array) -> float:
    """The task's usual metric: accuracy, or R²."""
    return evaluate(signature, outputs, y, ())[default_metric(signature)]


def interval(metric: str, y: Array, outputs: Array) -> dict[str, float]:
    """The middle 95 % of a metric over resamples of the rows (Efron's bootstrap): `low`, `high`, and how many
    `resamples` that were: fewer where a thousand would take long."""
    measure = METRICS[metric].measure
    return resampled(len(y), lambda rows: measure(y[rows], outputs[rows]))


def resampled(count: int, measure: Callable[[Array], float]) -> dict[str, float]:
    """The middle 95 % of what `measure` gives for resamples of `count` rows, told by their numbers (count,): `low`,
    `high`, and how many `resamples` that were: fewer where a thousand would take more than some seconds."""
    rng, begun, values = np.random.default_rng(0), time.monotonic(), list[float]()
    most = RESAMPLES if count * RESAMPLES < 2e7 else max(FEWEST_RESAMPLES, int(2e7 / count))
    while len(values) < most:
        # The clock is asked every hundred, so that two runs seldom differ in how many there are.
        if values and len(values) % FEWEST_RESAMPLES == 0 and time.monotonic() - begun > SECONDS:
            break
        values.append(measure(rng.integers(0, count, count)))
    low, high = np.percentile(values, (2.5, 97.5))
    return {"low": float(low), "high": float(high), "resamples": float(len(values))}
