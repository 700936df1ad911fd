"""What networks of a space cost on a target, predicted from those that were measured."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np

from azora.hardware.additive import Additive, ByChoice
from azora.hardware.choosing import POOL, draw_distinct
from azora.hardware.features import Features
from azora.hardware.target import Measured
from azora.hardware.transfer import Adapted, Others
from azora.space import Architecture, Option, Space
from azora.strategies.surrogates import (
    Array,
    BoostedTrees,
    GaussianProcess,
    NetworkEnsemble,
    Posterior,
    Surrogate,
)

FOLDS = 5
FEWEST = 8  # measured networks that anything can be fitted to
REGRESSORS: Mapping[str, tuple[str, Callable[[], Surrogate] | None]] = {
    "layers": ("layers", None),
    "choices": ("choices", None),
    "layers + gaussian process": ("layers", GaussianProcess),
    "choices + gaussian process": ("choices", GaussianProcess),
    "layers + trees": ("layers", BoostedTrees),
    "layers + networks": ("layers", lambda: NetworkEnsemble(steps=600)),
}
"""A sum over layers or choices, and by what its errors, as a share, are learned."""
QUICK = "layers + gaussian process"
FAR_OFF = 1.0  # of a logarithm: what is farther off counts no more, or one odd measurement would choose

TRANSFER = "transfer"
POOL_SEED = "transfer"

Row = tuple[Architecture, Measured]
Base = Callable[[Sequence[Architecture]], Array]
Fitted = Callable[[Sequence[Architecture]], tuple[Array, Array]]


@final
class Predictor:
    """Latency, with its doubt, and file size of networks of one space.

    An additive table is fitted first; then what it leaves in logarithms, as a share, is learned. Each of
    `REGRESSORS` is tried, and the one that errs least on folds that it has not seen is kept. With predictors of
    `others`, their predictions are mixed instead (`azora.hardware.transfer`), which needs a tenth of the measurements.

    Args:
        space: of networks, with a `signature`.
        rows: what was measured.
        kept: the regressor, where it was chosen before.
        features: of the space, where somebody has counted some already.
        others: predictors of other devices, for the same space.
    """

    def __init__(
        self,
        space: Space,
        rows: Sequence[Row],
        kept: str | None = None,
        features: Features | None = None,
        others: Sequence[Predictor] = (),
    ) -> None:
        self.space, self.rows, self.features = space, list(rows), features or Features(space)
        self.others = tuple(others)
        kept = TRANSFER if others else kept
        self._times = np.array([measured.latency.median for _, measured in rows])
        self.errors: Mapping[str, float] = {} if kept is not None else self._errors()
        self.kept = kept if kept is not None else min(self.errors, key=lambda name: self.errors[name])
        self._fitted = self._fit(self.kept, list(range(len(rows))))
        self._answers: dict[tuple[tuple[str, Option], ...], tuple[float, float]] = {}

    @cached_property
    def additive(self) -> Additive | None:
        """The table of layers' prices; None where other devices' predictions are mixed."""
        if self.others:
            return None
        return Additive.fit([self.features.totals(each) for each, _ in self.rows], self._times)

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Array, Array]:
        """Milliseconds (n,) and their doubt as a share (n,): one standard deviation of the logarithm."""
        return self._fitted(architectures)

    def latency(self, architecture: Architecture) -> float:
        """Milliseconds of one network; remembered."""
        return self._answer(architecture)[0]

    def doubt(self, architecture: Architecture) -> float:
        """One standard deviation of the logarithm of `latency`."""
        return self._answer(architecture)[1]

    def size(self, architecture: Architecture) -> float:
        """Bytes of the file; 0 where the target has none."""
        return max(0.0, float(_of_size(self.features.totals(architecture)) @ self._size))

    # Inside -----------------------------------------------------------------------------------------------------

    def _answer(self, architecture: Architecture) -> tuple[float, float]:
        decisions = tuple(architecture.items())
        if decisions not in self._answers:
            times, doubts = self.predict([architecture])
            self._answers[decisions] = float(times[0]), float(doubts[0])
        return self._answers[decisions]

    @cached_property
    def _size(self) -> Array:
        rows = np.array([_of_size(self.features.totals(each)) for each, _ in self.rows])
        sizes = np.array([float(measured.bytes) for _, measured in self.rows])
        found: Array = np.linalg.lstsq(rows, sizes, rcond=None)[0]
        return found

    def _errors(self) -> dict[str, float]:
        """The mean absolute error of the logarithm, by regressor, of networks in folds that it did not see."""
        folds = np.arange(len(self.rows)) % min(FOLDS, len(self.rows))
        found: dict[str, list[float]] = {name: [] for name in REGRESSORS}
        for fold in range(int(folds.max()) + 1):
            seen, unseen = np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()
            asked = [self.rows[place][0] for place in unseen]
            for name in REGRESSORS:
                times, _ = self._fit(name, seen)(asked)
                found[name].extend(np.minimum(np.abs(np.log(times / self._times[unseen])), FAR_OFF))
        return {name: float(np.mean(errors)) for name, errors in found.items()}

    def _fit(self, name: str, places: Sequence[int]) -> Fitted:
        if name == TRANSFER:
            return _mixed(self.space, self.others, self.rows)
        architectures, times = [self.rows[place][0] for place in places], self._times[places]
        kind, make = REGRESSORS[name]
        base = self._base(kind, architectures, times)
        left = np.log(times / base(architectures))
        scale = max(float(left.std()), 1e-6)
        if make is None:
            return _OnTable(self.features, base, None, float(left.mean()), scale)
        points, groups = self.features.columns(architectures), self.features.groups(architectures[0])
        posterior = make().fit(points, (left - left.mean()) / scale, groups)
        return _OnTable(self.features, base, posterior, float(left.mean()), scale)

    def _base(self, kind: str, architectures: Sequence[Architecture], times: Array) -> Base:
        features = self.features
        if kind == "choices":
            by_choice = ByChoice(features.choices(architectures), times)
            return lambda asked: by_choice(features.choices(asked))
        additive = Additive.fit([features.totals(each) for each in architectures], times)
        return lambda asked: additive([features.totals(each) for each in asked])


@final
class _OnTable:
    """An additive table and what was learned of its errors."""

    def __init__(self, features: Features, base: Base, posterior: Posterior | None, mean: float, scale: float) -> None:
        self.features, self.base, self.posterior, self.mean, self.scale = features, base, posterior, mean, scale

    def __call__(self, architectures: Sequence[Architecture]) -> tuple[Array, Array]:
        base = self.base(architectures)
        if self.posterior is None:
            return base * math.exp(self.mean), np.full(len(base), self.scale)
        mean, deviation = self.posterior.predict(self.features.columns(architectures))
        return base * np.exp(self.mean + self.scale * mean), self.scale * deviation


def _mixed(space: Space, others: Sequence[Predictor], rows: Sequence[Row]) -> Fitted:
    """A mixture of what others predict, fitted to `rows`."""
    pool = draw_distinct(space, POOL, random.Random(POOL_SEED))
    known = Others.of(logarithms_of(others, pool))
    measured = logarithms_of(others, [architecture for architecture, _ in rows])
    adapted = Adapted.fit(known, measured, np.array([each.latency.median for _, each in rows]))
    return lambda architectures: adapted(logarithms_of(others, architectures))


def logarithms_of(others: Sequence[Predictor], architectures: Sequence[Architecture]) -> Array:
    """(n, devices) of what each predicts."""
    found: Array = np.log(np.stack([each.predict(architectures)[0] for each in others], axis=1))
    return found


def _of_size(totals: Mapping[str, Any]) -> Array:
    return np.array([1.0, totals["all.weights"], totals["all.count"]])
