"""Gradient boosting by scikit-learn, of rows as the data has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, final

import numpy as np
from threadpoolctl import threadpool_limits

from azora.tasks import METRICS, Scaling, SearchData, Signature, Split, evaluate
from azora.tasks.array import Array

CHUNKS = (12, 25, 50, 100, 200, 400)  # iterations after which it is looked whether more help
CAREFUL = (1, 4)  # before these, where one iteration is of many trees: nobody is asked before the first growth
MOST_TREES = 4_000  # of all iterations and classes: what ships must be of a size to ship


@final
@dataclass(frozen=True)
class Growth:
    """How trees are grown (Friedman, 2001; histograms as in LightGBM, Ke et al., 2017). What is not said here is
    scikit-learn's default, and so are these numbers."""

    learning_rate: float = 0.1
    leaves: int = 31
    least_rows: int = 20
    iterations: int = 100

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@final
class Boosting:
    """Histogram gradient boosting of a task's raw rows: one estimator, or one for each number to predict.

    Words are categories, and holes are left to the trees. Numbers to predict are scaled by the task's scaling.
    """

    def __init__(self, signature: Signature, scaling: Scaling, growth: Growth, seed: int) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        self.signature, self.scaling, self.growth = signature, scaling, growth
        columns = () if scaling.table is None else scaling.table.table.columns
        self.words = np.array([each.categories is not None for each in columns], bool)
        self._classifies = signature.kind == "classification"
        kind = HistGradientBoostingClassifier if self._classifies else HistGradientBoostingRegressor
        self.estimators = [
            kind(
                learning_rate=growth.learning_rate,
                max_iter=growth.iterations,
                max_leaf_nodes=growth.leaves,
                min_samples_leaf=growth.least_rows,
                categorical_features=self.words if self.words.any() else None,
                early_stopping=False,
                warm_start=True,
                random_state=seed,
            )
            for _ in range(1 if self._classifies else signature.outputs)
        ]

    def fit(self, rows: Split, iterations: int | None = None) -> Boosting:
        """Grow until there are so many iterations; those that are there already are kept. `rows` are raw."""
        # Threads that wait for each other while workers have the cores take a hundred times as long as one alone.
        with threadpool_limits(1, user_api="openmp"):
            self._fit(rows, iterations or self.growth.iterations)
        return self

    def _fit(self, rows: Split, iterations: int) -> None:
        for place, estimator in enumerate(self.estimators):
            estimator.set_params(max_iter=iterations)
            estimator.fit(np.asarray(rows.x, np.float64), self._targets(rows.y, place))

    def answers(self, x: Array) -> Array:
        """Probabilities (N, classes), or predictions (N, outputs) in the target's own unit, for raw rows."""
        *_, last = self.staged(x)
        return last

    def staged(self, x: Array) -> Iterator[Array]:
        """`answers` after one iteration, two, …"""
        with threadpool_limits(1, user_api="openmp"):
            yield from self._staged(np.asarray(x, np.float64))

    def _staged(self, x: Array) -> Iterator[Array]:
        if self._classifies:
            yield from self.estimators[0].staged_predict_proba(x)
            return
        spread, mean = np.array(self.scaling.target_spread), np.array(self.scaling.target_mean)
        for columns in zip(*(each.staged_predict(x) for each in self.estimators), strict=True):
            yield np.stack(columns, axis=1) * spread + mean

    def _targets(self, y: Array, place: int) -> Array:
        if self._classifies:
            return y
        scaled: Array = (y[:, place] - self.scaling.target_mean[place]) / self.scaling.target_spread[place]
        return scaled


@final
@dataclass(frozen=True)
class Stage:
    """Trees as far as they were worth growing, and what search-validation says of them."""

    growth: Growth
    metrics: Mapping[str, float]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {"growth": self.growth.to_json(), "metrics": dict(self.metrics), "seconds": round(self.seconds, 3)}


def stages(data: SearchData, growth: Growth, metric: str, seed: int, goes_on: Callable[[float], bool]) -> list[Stage]:
    """Grow on search-train until the loss on search-validation no longer falls, and say how good the trees were where
    it was least; of scikit-learn's own number of iterations too, where it was reached.

    Args:
        metric: one of the task's, to be among the metrics.
        goes_on: asked before each further growth, with the seconds that it is expected to take.
    """
    begun, signature = time.monotonic(), data.signature
    boosting = Boosting(signature, data.scaling, growth, seed)
    loss = loss_of(signature, data.scaling.target_spread)
    done, found = 0, dict[int, Stage]()
    for chunk in _chunks(signature):
        taken = time.monotonic() - begun
        # Growing on costs what is there too: its answers are worked out again.
        if done and not goes_on(taken * (chunk - done) / done):
            break
        boosting.fit(data.train, chunk)
        done, losses = chunk, list[float]()
        for answers in boosting.staged(data.validation.x):
            losses.append(loss(data.validation.y, answers))
            if losses[-1] == min(losses) or len(losses) == Growth.iterations:
                metrics = evaluate(signature, answers, data.validation.y, {metric})
                grown = replace(growth, iterations=len(losses))
                found[len(losses)] = Stage(grown, metrics, time.monotonic() - begun)
        best = 1 + int(np.argmin(losses))
        if done >= CHUNKS[0] and best <= done // 2:
            break
    return [found[count] for count in sorted({best, Growth.iterations} & found.keys())]


def loss_of(signature: Signature, spread: Sequence[float]) -> Callable[[Array, Array], float]:
    """What says when to stop growing, given targets and answers: the loss of classes; of numbers the squared error,
    each in units of its `spread`, for in their own the one with the largest numbers alone would count."""
    if signature.kind == "classification":
        return METRICS["loss"].measure
    squared, units = METRICS["mse"].measure, np.asarray(spread)
    return lambda y, answers: squared(y / units, answers / units)


def _chunks(signature: Signature) -> Sequence[int]:
    most = min(CHUNKS[-1], max(1, MOST_TREES // signature.outputs))
    chunks = (*CAREFUL, *CHUNKS) if signature.outputs > 2 else CHUNKS
    return [*(each for each in chunks if each < most), most]
