"""What tells tasks apart: sizes, balance, and how far simple learners come."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from azora.tasks import SearchData
from azora.tasks.array import Array

ROWS, JUDGED = 1_000, 500  # of search-train that are learned from, and of search-validation
SIDE = 16  # pixels to which pictures are shrunk before anything learns from them
AT_ONCE = 100  # pictures: of all of them there is no copy in their full size
PROBES = ((3, 1), (5, 1), (3, 2))  # kernel and layers of networks with random weights
PENALTY = 0.1  # of linear models
CHANNELS = 12  # of each of their layers

SCALES: Mapping[str, float] = {
    "pictures": 0.3, "log_rows": 2.5, "log_inputs": 2.0, "log_outputs": 1.5, "balance": 0.3, "channels": 2.0,
    "mean": 0.3, "spread": 0.3, "dark": 0.4, "nearest": 0.3, "linear": 0.3, "tiny": 0.3, "probe_0": 0.3,
    "probe_1": 0.3, "probe_2": 0.3,
}  # fmt: skip
"""Features, and by how much of one two tasks differ that have little in common."""


def describe_task(data: SearchData) -> dict[str, float]:
    """Features of a task, in a second or two; of at most 1,500 rows, and none of them can be had back from it.

    `log_*` are natural logarithms; `mean` and `spread` are of values brought to 0 to 1 and `dark` is the share near 0;
    `balance` is the entropy of the classes over the most that it could be. Landmarks (Pfahringer et al., 2000) are
    scores on search-validation, accuracy or R² not below 0: of the nearest neighbour, of a linear model, of a tiny
    network after one epoch, and of a linear model on what networks with random weights answer.
    """
    signature, train = data.signature, data.train
    brought = _pictures if train.x.ndim == 4 else _columns
    x, judged = brought(train.x, data.validation.x)
    y, wanted = _some(train.y, ROWS), _some(data.validation.y, JUDGED)
    found = {
        "pictures": float(signature.pictures),
        "regression": float(signature.kind == "regression"),
        "log_rows": math.log(len(train)),
        "log_inputs": math.log(math.prod(signature.raw_shape)),
        "log_outputs": math.log(max(1, signature.outputs)),
        "balance": _balance(train.y) if signature.kind == "classification" else 1.0,
        "channels": float(signature.shape[0]) if signature.pictures else 0.0,
        "mean": float(x.mean()),
        "spread": float(x.std()),
        "dark": float((x < 0.05).mean()),
        **_landmarks(x, y, judged, wanted, signature.kind == "regression"),
    }
    return {name: round(value, 6) for name, value in found.items()}


def likeness(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """From 0 to 1, how alike two tasks are by the features that both have; 1 where they have none.

    Classification and regression are not alike at all.
    """
    if one.get("regression", 0.0) != other.get("regression", 0.0):
        return 0.0
    both = [name for name in SCALES if name in one and name in other]
    if not both:
        return 1.0
    return math.exp(-float(np.mean([abs(one[name] - other[name]) / SCALES[name] for name in both])))


def _some(rows: Array, most: int) -> Array:
    """Rows at even steps."""
    found: Array = rows if len(rows) <= most else rows[_places(len(rows), most)]
    return found


def _places(rows: int, most: int) -> Array:
    return np.linspace(0, rows - 1, min(rows, most)).round().astype(int)


def _pictures(train: Array, judged: Array) -> tuple[Array, Array]:
    """Some of both, of 16 × 16 pixels at most, with values about from 0 to 1, as those of `train` are."""
    one, low, high = _small(train, ROWS)
    other, _, _ = _small(judged, JUDGED)
    spread = np.float32(high - low if high > low else 1.0)
    return (one - np.float32(low)) / spread, (other - np.float32(low)) / spread


def _small(pictures: Array, most: int) -> tuple[Array, float, float]:
    """Some of them shrunk, and the least and the greatest value that these have in their full size."""
    places, parts, lows, highs = _places(len(pictures), most), list[Array](), list[float](), list[float]()
    for start in range(0, len(places), AT_ONCE):
        block = pictures[places[start : start + AT_ONCE]].astype(np.float32)
        parts.append(_shrunk(block))
        lows.append(float(block.min()))
        highs.append(float(block.max()))
    return np.concatenate(parts), min(lows), max(highs)


def _columns(train: Array, judged: Array) -> tuple[Array, Array]:
    """Some rows of both, with values about from 0 to 1, as those of `train` are, each column by itself; holes at a
    half."""
    train, judged = _some(train, ROWS).astype(np.float32), _some(judged, JUDGED).astype(np.float32)
    low = np.nanmin(train, axis=0, initial=np.inf)
    high = np.nanmax(train, axis=0, initial=-np.inf)
    low, spread = np.where(np.isfinite(low), low, 0.0), np.where(high > low, high - low, 1.0)
    one, other = (np.nan_to_num((each - low) / spread, nan=0.5) for each in (train, judged))
    return one, other


def _shrunk(x: Array) -> Array:
    step = max(1, -(-max(x.shape[2:]) // SIDE))
    height, width = (size // step * step for size in x.shape[2:])
    if not height or not width:
        return x
    cut = x[:, :, :height, :width]
    found: Array = cut.reshape(*x.shape[:2], height // step, step, width // step, step).mean(axis=(3, 5))
    return found


def _balance(y: Array) -> float:
    shares = np.bincount(y.astype(int)) / len(y)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum() / math.log(len(shares))) if len(shares) > 1 else 1.0


def _landmarks(x: Array, y: Array, judged: Array, wanted: Array, regression: bool) -> dict[str, float]:
    from sklearn.linear_model import Ridge, RidgeClassifier
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    flat, flat_judged = x.reshape(len(x), -1), judged.reshape(len(judged), -1)
    linear = Ridge if regression else RidgeClassifier
    nearest = (KNeighborsRegressor if regression else KNeighborsClassifier)(n_neighbors=1)
    tiny = (MLPRegressor if regression else MLPClassifier)((32,), max_iter=1, learning_rate_init=0.01, random_state=0)
    if regression:
        spread = np.where(y.std(0) > 0, y.std(0), 1.0)
        y, wanted = ((each - y.mean(0)) / spread for each in (y, wanted))
        y, wanted = (each[:, 0] if each.ndim == 2 and each.shape[1] == 1 else each for each in (y, wanted))
    found = {
        "nearest": _scored(nearest, flat, y, flat_judged, wanted),
        "linear": _scored(linear(alpha=PENALTY), flat, y, flat_judged, wanted),
        "tiny": _scored(tiny, flat, y, flat_judged, wanted),
    }
    if x.ndim == 4:
        for place, (kernel, layers) in enumerate(PROBES):
            answers = (_answers(each, kernel, layers, np.random.default_rng(place)) for each in (x, judged))
            seen, asked = answers
            found[f"probe_{place}"] = _scored(linear(alpha=PENALTY), seen, y, asked, wanted)
    return found


def _scored(learner: Any, x: Array, y: Array, judged: Array, wanted: Array) -> float:
    """Accuracy or R² on `judged`, not below 0; 0 for what nothing can be learned from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch does not converge, nor should it
        try:
            return max(0.0, float(learner.fit(x, y).score(judged, wanted)))
        except ValueError:  # a single class, say
            return 0.0


def _answers(x: Array, kernel: int, layers: int, rng: np.random.Generator) -> Array:
    """(N, features) of convolutions with random weights, each with a rectifier, pooled to four by four at the end."""
    for _ in range(layers):
        weights = rng.normal(size=(CHANNELS, x.shape[1] * kernel * kernel)) / math.sqrt(x.shape[1] * kernel * kernel)
        padded = np.pad(x, ((0, 0), (0, 0), (kernel // 2,) * 2, (kernel // 2,) * 2))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
        columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(*windows.shape[:1], *windows.shape[2:4], -1)
        x = np.maximum(columns @ weights.T, 0.0).transpose(0, 3, 1, 2).astype(np.float32)
    pooled = [
        band.mean(axis=(2, 3)) for half in np.array_split(x, min(4, x.shape[2]), 2) for band in
        np.array_split(half, min(4, x.shape[3]), 3)
    ]  # fmt: skip
    return np.concatenate(pooled, axis=1)
