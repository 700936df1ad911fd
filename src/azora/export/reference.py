"""What the data of a model looked like when it was made, as far as drift must be told from chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from azora.tasks import Signature
from azora.tasks.array import Array, blocks

MOST = 200  # values of each statistic
COLUMNS = 200  # of a table that are looked at, at even steps where there are more
ROOM = 10_000  # values of all statistics together: model.json is read by people too
LEVEL = 0.01  # for all statistics of one look together
FEWEST = 5.0  # rows of a cell that a chi-squared test expects
ANSWERS, HOLES = "answers", "holes"  # what is counted, and not measured


def statistics_of(x: Array, answers: Array, signature: Signature) -> dict[str, Array]:
    """(N,) numbers by name: of pictures their mean, spread, and where their light lies; of rows each column, without
    its holes; and of what the model answered its confidence, or the numbers themselves."""
    if signature.pictures:
        # A few at a time: all of them in float64 may not fit.
        parts = [_of_pictures(block.astype(np.float64)) for block in blocks(x)]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    else:
        places = _columns(x)
        columns = x[:, places].astype(np.float64).T
        found = {f"column {place}": column[np.isfinite(column)] for place, column in zip(places, columns, strict=True)}
    if signature.kind == "classification":
        return {**found, "confidence": answers.max(axis=1)}
    return {**found, **{f"answer {place}": answers[:, place] for place in range(answers.shape[1])}}


def counts_of(x: Array, answers: Array, signature: Signature) -> dict[str, Array]:
    """Rows by name: those that the model takes for each class (classes,), and, of each column that is looked at, all
    and those without a value, (columns, 2) as one row."""
    found: dict[str, Array] = {}
    if signature.kind == "classification":
        found[ANSWERS] = np.bincount(answers.argmax(axis=1), minlength=answers.shape[1])
    if not signature.pictures:
        holes = np.isnan(x[:, _columns(x)].astype(np.float32)).sum(axis=0)
        found[HOLES] = np.stack([np.full_like(holes, len(x)), holes], axis=1).ravel()
    return found


def _columns(x: Array) -> list[int]:
    places = np.linspace(0, x.shape[1] - 1, min(x.shape[1], COLUMNS)).round().astype(int)
    return [int(place) for place in places]


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
    """The same for the bundle: 200 values of each at most, sorted, so that no row can be had back from them (of more
    than 50 columns fewer: 10,000 in all), and what is counted. `x` are rows that the network has not learned: of its
    own it is surer than of any that will come."""
    statistics = statistics_of(x, answers, signature)
    most, found = min(MOST, ROOM // len(statistics)), {}
    for name, values in statistics.items():
        ordered = np.sort(values)
        if len(ordered) > most:
            ordered = ordered[np.linspace(0, len(ordered) - 1, most).round().astype(int)]
        found[name] = _rounded(ordered).tolist()
    return {**found, **{name: counts.tolist() for name, counts in counts_of(x, answers, signature).items()}}


def drift(
    reference: Mapping[str, Sequence[float]], x: Array, answers: Array, signature: Signature
) -> list[dict[str, Any]]:
    """Two-sample tests, of each statistic (Kolmogorov & Smirnov) and of what is counted (chi-squared), the surest drift
    first; `drifted` where p is below 0.01 after Holm's correction for as many tests. What the reference does not say is
    not tested."""
    from scipy.stats import ks_2samp

    tests: list[dict[str, Any]] = []
    for name, values in statistics_of(x, answers, signature).items():
        if name in reference and len(values) > 1 and len(reference[name]) > 1:
            result = ks_2samp(np.asarray(reference[name]), _rounded(values))
            tests.append({"of": name, "distance": float(result.statistic), "p": float(result.pvalue)})
    tests += _counted(reference, counts_of(x, answers, signature), [] if signature.pictures else _columns(x))
    tests.sort(key=lambda each: each["p"])
    refused = True
    for place, each in enumerate(tests):
        refused = refused and each["p"] < LEVEL / (len(tests) - place)
        each["drifted"] = refused
    return tests


def _counted(
    reference: Mapping[str, Sequence[float]], now: Mapping[str, Array], places: Sequence[int]
) -> list[dict[str, Any]]:
    """Tests of the shares of answers, and of each column's holes."""
    found: list[dict[str, Any]] = []
    for name, new in now.items():
        old = np.asarray(reference.get(name, ())).astype(int)
        if old.shape != new.shape:
            continue
        if name == ANSWERS:
            found.append({"of": ANSWERS, **_chi_squared(np.stack([old, new]))})
            continue
        for place, before, after in zip(places, old.reshape(-1, 2), new.reshape(-1, 2), strict=True):
            if before[1] or after[1]:
                table = np.array([[rows - holes, holes] for rows, holes in (before, after)])
                found.append({"of": f"holes of column {place}", **_chi_squared(table)})
    return found


def _chi_squared(table: Array) -> dict[str, float]:
    """Of counts (2, kinds): half the sum of differences of shares, and p, where the rarest kinds are counted as one
    until some rows of each are expected; of two kinds by Fisher's exact test."""
    from scipy.stats import chi2_contingency, fisher_exact

    shares = table / table.sum(axis=1, keepdims=True)
    table = table[:, table.sum(axis=0) > 0]
    while table.shape[1] > 2 and table.sum(axis=0).min() * table.sum(axis=1).min() / table.sum() < FEWEST:
        table = table[:, np.argsort(-table.sum(axis=0), kind="stable")]
        table = np.concatenate([table[:, :-2], table[:, -2:].sum(axis=1, keepdims=True)], axis=1)
    test = fisher_exact if table.shape[1] == 2 else chi2_contingency
    p = float(test(table).pvalue) if table.shape[1] > 1 else 1.0
    return {"distance": float(abs(shares[0] - shares[1]).sum() / 2), "p": p}


def _rounded(values: Array) -> Array:
    """Six digits of each, which are enough for a test of ranks; of both sides, or no value would equal another."""
    return np.array([float(f"{value:.6g}") for value in values])
