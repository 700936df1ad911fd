"""What the data of a model looked like when it was made, as far as drift must be told from chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from azora.tasks import Signature
from azora.tasks.array import Array, blocks

MOST = 200  # values of each statistic
COLUMNS = 20  # of a table that are looked at
LEVEL = 0.01  # for all statistics of one look together


def statistics_of(x: Array, answers: Array, signature: Signature) -> dict[str, Array]:
    """(N,) numbers by name: of pictures their mean, spread, and where their light lies; of rows each column; and of
    what the model answered its confidence, or the numbers themselves."""
    if signature.pictures:
        # A few at a time: all of them in float64 may not fit.
        parts = [_of_pictures(block.astype(np.float64)) for block in blocks(x)]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    else:
        columns = x[:, :COLUMNS].astype(np.float64).T
        found = {f"column {place}": column[np.isfinite(column)] for place, column in enumerate(columns)}
    if signature.kind == "classification":
        return {**found, "confidence": answers.max(axis=1)}
    return {**found, **{f"answer {place}": answers[:, place] for place in range(answers.shape[1])}}


def _of_pictures(rows: Array) -> dict[str, Array]:
    height, width = rows.shape[2:]
    light = rows - rows.min(axis=(1, 2, 3), keepdims=True)
    slant = np.outer(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2)
    total = np.maximum(light.sum(axis=(1, 2, 3)), 1e-9)
    return {
        "mean": rows.mean(axis=(1, 2, 3)),
        "spread": rows.std(axis=(1, 2, 3)),
        "height of light": (light.sum(axis=(1, 3)) @ np.arange(height)) / total,
        "width of light": (light.sum(axis=(1, 2)) @ np.arange(width)) / total,
        "slant of light": (light * slant).sum(axis=(1, 2, 3)) / total,
    }


def reference_of(x: Array, answers: Array, signature: Signature) -> dict[str, list[float]]:
    """The same for the bundle: 200 values of each at most, sorted, so that no row can be had back from them. `x` are
    rows that the network has not learned: of its own it is surer than of any that will come."""
    found = {}
    for name, values in statistics_of(x, answers, signature).items():
        ordered = np.sort(values)
        if len(ordered) > MOST:
            ordered = ordered[np.linspace(0, len(ordered) - 1, MOST).round().astype(int)]
        found[name] = _rounded(ordered).tolist()
    return found


def drift(
    reference: Mapping[str, Sequence[float]], x: Array, answers: Array, signature: Signature
) -> list[dict[str, Any]]:
    """Two-sample tests (Kolmogorov & Smirnov) of each statistic, the surest drift first; `drifted` where p is below
    0.01 after Holm's correction for as many tests."""
    from scipy.stats import ks_2samp

    tests: list[dict[str, Any]] = []
    for name, values in statistics_of(x, answers, signature).items():
        if name in reference and len(values) > 1 and len(reference[name]) > 1:
            result = ks_2samp(np.asarray(reference[name]), _rounded(values))
            tests.append({"of": name, "distance": float(result.statistic), "p": float(result.pvalue)})
    tests.sort(key=lambda each: each["p"])
    refused = True
    for place, each in enumerate(tests):
        refused = refused and each["p"] < LEVEL / (len(tests) - place)
        each["drifted"] = refused
    return tests


def _rounded(values: Array) -> Array:
    """Six digits of each, which are enough for a test of ranks; of both sides, or no value would equal another."""
    return np.array([float(f"{value:.6g}") for value in values])
