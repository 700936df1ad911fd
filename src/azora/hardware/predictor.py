"""What networks of a space cost on a target, predicted from those that were measured."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, final

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


class Regressor(NamedTuple):
    """A sum over `layers`, `choices` or the `read` ones of these, and what learns its errors as a share, from how the
    layers are mixed or, where `wired`, from the space's own columns: wiring and names of options are hundreds of them,
    among which a hundred measurements find little unless they are what counts."""

    base: str
    learn: Callable[[], Surrogate] | None = None
    wired: bool = False


REGRESSORS: Mapping[str, Regressor] = {
    "layers": Regressor("layers"),
    "choices": Regressor("choices"),
    "choices that are read": Regressor("read"),
    "layers + gaussian process": Regressor("layers", GaussianProcess),
    "layers + gaussian process of wiring": Regressor("layers", GaussianProcess, wired=True),
    "choices + gaussian process": Regressor("choices", GaussianProcess, wired=True),
    "layers + trees": Regressor("layers", BoostedTrees),
    "layers + networks": Regressor("layers", lambda: NetworkEnsemble(steps=600)),
}
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
        errors = {} if kept is not None else self._errors()
        self.errors: Mapping[str, float] = {name: float(each.mean()) for name, each in errors.items()}
        self.kept = kept if kept is not None else _best(errors)
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

    def _errors(self) -> dict[str, Array]:
        """(n,) absolute errors of the logarithm, by regressor, of networks in folds that it did not see."""
        folds = np.arange(len(self.rows)) % min(FOLDS, len(self.rows))
        root = self.space.root
        some = any(root.unread(architecture) for architecture, _ in self.rows)
        found: dict[str, list[float]] = {name: [] for name, each in REGRESSORS.items() if each.base != "read" or some}
        for fold in range(int(folds.max()) + 1):
            seen, unseen = np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()
            asked = [self.rows[place][0] for place in unseen]
            for name in found:
                times, _ = self._fit(name, seen)(asked)
                found[name].extend(np.minimum(np.abs(np.log(times / self._times[unseen])), FAR_OFF))
        return {name: np.array(errors) for name, errors in found.items()}

    def _fit(self, name: str, places: Sequence[int]) -> Fitted:
        if name == TRANSFER:
            return _mixed(self.space, self.others, self.rows)
        architectures, times = [self.rows[place][0] for place in places], self._times[places]
        regressor = REGRESSORS[name]
        base = self._base(regressor.base, architectures, times)
        left = np.log(times / base(architectures))
        scale = max(float(left.std()), 1e-6)
        columns = _Columns(self.features, architectures, wired=regressor.wired)
        if regressor.learn is None:
            return _OnTable(base, columns, None, float(left.mean()), scale)
        points = columns(architectures)
        posterior = regressor.learn().fit(points, (left - left.mean()) / scale, columns.groups(architectures))
        return _OnTable(base, columns, posterior, float(left.mean()), scale)

    def _base(self, kind: str, architectures: Sequence[Architecture], times: Array) -> Base:
        features = self.features
        if kind != "layers":
            columns = features.choices if kind == "choices" else features.read
            by_choice = ByChoice(columns(architectures), times)
            return lambda asked: by_choice(columns(asked))
        additive = Additive.fit([features.totals(each) for each in architectures], times)
        return lambda asked: additive([features.totals(each) for each in asked])


def _best(errors: Mapping[str, Array]) -> str:
    """The regressor that errs least; the usual one, unless that is better by more than a standard error of the
    differences (Breiman et al., 1984): some hundred measurements tell no closer."""
    best = min(errors, key=lambda name: float(errors[name].mean()))
    if QUICK not in errors:
        return best
    more = errors[QUICK] - errors[best]
    return QUICK if more.mean() <= more.std() / math.sqrt(len(more)) else best


@final
class _Columns:
    """What a sum's errors are learned from."""

    def __init__(self, features: Features, fitted: Sequence[Architecture], *, wired: bool) -> None:
        self.features, self.wired, self.kinds = features, wired, features.kinds(fitted)

    def __call__(self, asked: Sequence[Architecture]) -> Array:
        return self.features.columns(asked) if self.wired else self.features.mix(asked, self.kinds)

    def groups(self, fitted: Sequence[Architecture]) -> list[slice]:
        if self.wired:
            return self.features.groups(fitted[0])
        return [slice(place, place + 1) for place in range(self(fitted[:1]).shape[1])]


@final
class _OnTable:
    """A sum and what was learned of its errors."""

    def __init__(self, base: Base, columns: _Columns, posterior: Posterior | None, mean: float, scale: float) -> None:
        self.base, self.columns, self.posterior, self.mean, self.scale = base, columns, posterior, mean, scale

    def __call__(self, architectures: Sequence[Architecture]) -> tuple[Array, Array]:
        base = self.base(architectures)
        if self.posterior is None:
            return base * math.exp(self.mean), np.full(len(base), self.scale)
        mean, deviation = self.posterior.predict(self.columns(architectures))
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
