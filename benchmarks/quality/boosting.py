"""azora discover on tables, beside scikit-learn's gradient boosting with its default settings.

`python benchmarks/quality/boosting.py [--budget 40] [--seeds 3] [--only wine …] [--no-boosting] [--work runs/boosting]`
writes five of scikit-learn's tables and one of words and holes as CSV, discovers a model for each by the command line,
and prints JSON. Boosting learns from the same rows (all but the test's), words as categories, and both are judged on
the same test rows, which are the same for all seeds: by accuracy, or R² for numbers. `gain` is azora's figure less
boosting's, its interval the middle 95 % over resamples of the test rows, all seeds together (paired bootstrap).
`mean_at_or_above` says whether azora's mean is not below boosting's; `at_or_above` is weaker, that the rows do not show
it to be below (`high` is not below zero), which of few rows says little: how far below it may be is `low`. Where a run
failed both are false. With `--no-boosting` azora has networks alone.
Each run is kept in `--work` at once, and with the same settings is not run again; one that failed is.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from keeping import alone, kept, made_on
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine, make_friedman1
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from azora import Model
from azora.bench.writing import provenance
from azora.tasks import METRICS, Reading, Task, load_task
from azora.tasks.array import Array

RESAMPLES = 2_000
Rows = tuple[list[str], list[list[Any]]]


def shipped(load: Callable[..., Any]) -> Callable[[], Rows]:
    """One of the library's tables, its label last."""

    def rows() -> Rows:
        data = load()
        labels = data.target_names[data.target] if "target_names" in data else data.target
        table = [[*row, label] for row, label in zip(data.data.tolist(), labels.tolist(), strict=True)]
        return [*data.feature_names, "target"], table

    return rows


def friedman() -> Rows:
    """Friedman's first function (1991): ten columns, five of which say nothing; 1,000 rows, noise 1."""
    x, y = make_friedman1(n_samples=1_000, noise=1.0, random_state=0)
    return [*(f"x{place}" for place in range(10)), "target"], np.column_stack([x, y]).tolist()


def words() -> Rows:
    """2,000 rows of two columns of words and four of numbers, with one cell in twenty empty. The class hangs on what
    they are together, and one in twenty is wrong."""
    rng, table = np.random.default_rng(0), []
    for _ in range(2_000):
        town, colour = f"town {rng.integers(0, 30):02}", rng.choice(["red", "green", "blue", "white"])
        number, numbers = rng.integers(0, 12), rng.normal(size=3)
        high = (int(town[-2:]) % 3 == 0) != (colour in ("red", "blue")) if number < 6 else numbers[0] + numbers[1] > 0
        cells = ["" if rng.random() < 0.05 else cell for cell in (town, colour, number, *numbers)]
        table.append([*cells, "high" if high != (rng.random() < 0.05) else "low"])
    return ["town", "colour", "number", "first", "second", "third", "target"], table


TABLES: dict[str, Callable[[], Rows]] = {
    "iris": shipped(load_iris),
    "wine": shipped(load_wine),
    "breast_cancer": shipped(load_breast_cancer),
    "diabetes": shipped(load_diabetes),
    "friedman1": friedman,
    "words": words,
}


def write(name: str, folder: Path) -> Path:
    """The table as CSV."""
    file = folder / f"{name}.csv"
    head, rows = TABLES[name]()
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(head)
        writer.writerows([f"{cell:.7g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    return file


def boosted(task: Task, x: Array, seed: int) -> Array:
    """What gradient boosting answers for `x`: probabilities (N, classes), or numbers (N, 1)."""
    rows, table = task.everything(), task.scaling.table
    assert table is not None
    wordy = np.array([column.categories is not None for column in table.table.columns])
    if task.signature.kind == "classification":
        model = HistGradientBoostingClassifier(random_state=seed, categorical_features=wordy)
        return np.asarray(model.fit(rows.x, rows.y).predict_proba(x))
    regressor = HistGradientBoostingRegressor(random_state=seed, categorical_features=wordy)
    return np.asarray(regressor.fit(rows.x, rows.y.ravel()).predict(x)).reshape(-1, 1)


def discovered(file: Path, words: argparse.Namespace, seed: int, out: Path) -> dict[str, Any]:
    """One discovery by the command line; its figures.

    Raises:
        RuntimeError: it failed; with the last line that it said.
    """
    command = [sys.executable, "-m", "azora", "discover", str(file), "--label", "target"]
    command += ["--budget", f"{words.budget:g}s", "--seed", str(seed), "--out", str(out), "--no-memory", "--json"]
    command += ["--quiet", *(["--no-boosting"] if words.no_boosting else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1])
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def measured(file: Path, words: argparse.Namespace, seed: int, task: Task, x: Array) -> dict[str, Any]:
    """One run: what both answer for the test rows `x`, or why there is nothing."""
    on = provenance()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            figures = discovered(file, words, seed, Path(scratch) / "out")
            model = Model.load(Path(scratch) / "out")
            classifies = task.signature.kind == "classification"
            said = model.predict_proba(x) if classifies else model.predict(x).reshape(-1, 1)
            run = _run(figures)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}", "on": on}
    answers = {"azora": np.asarray(said).tolist(), "boosting": boosted(task, x, seed).tolist()}
    return {"run": run, "answers": answers, "on": on}


def compared(name: str, words: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All seeds of one table."""
    file, runs = write(name, folder), []
    asked = {"budget": words.budget, "no_boosting": words.no_boosting}
    for seed in range(words.seeds):
        task = load_task(file, seed=seed, reading=Reading(label="target"))
        test = task.read_test()
        run, place = partial(measured, file, words, seed, task, test.x), words.work / f"{name}-seed{seed}.json"
        if place.is_file() and "error" in json.loads(place.read_text(encoding="utf-8")):
            place.unlink()
        runs.append(kept(place, asked, run))
    failed = [run["error"] for run in runs if "error" in run]
    pairs = [[np.array(run["answers"][one]) for one in ("azora", "boosting")] for run in runs if "error" not in run]
    told = {"runs": [run.get("run") for run in runs], "failed": failed, "runs on": made_on(words.work, runs)}
    if not pairs:
        return {**told, "mean_at_or_above": False, "at_or_above": False}
    return {**summary(task.signature.kind, test.y, pairs, whole=not failed), **told}


def summary(kind: str, y: Array, pairs: Sequence[Sequence[Array]], whole: bool) -> dict[str, Any]:
    """Figures of both over seeds; `pairs` are their answers for the test rows, which are the same for all seeds."""
    name, rng = "accuracy" if kind == "classification" else "r2", np.random.default_rng(0)
    metric, resamples = METRICS[name].measure, rng.integers(0, len(y), (RESAMPLES, len(y)))
    gains = [
        np.mean([metric(y[rows], one[rows]) - metric(y[rows], other[rows]) for one, other in pairs])
        for rows in resamples
    ]
    low, high = np.percentile(gains, (2.5, 97.5))
    azora, boosting = ([metric(y, pair[at]) for pair in pairs] for at in (0, 1))
    return {
        "metric": name,
        "test_rows": len(y),
        "azora": [round(value, 4) for value in azora],
        "boosting": [round(value, 4) for value in boosting],
        "azora_mean": round(statistics.mean(azora), 4),
        "boosting_mean": round(statistics.mean(boosting), 4),
        "gain": round(statistics.mean(azora) - statistics.mean(boosting), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "mean_at_or_above": whole and statistics.mean(azora) >= statistics.mean(boosting),
        "at_or_above": whole and bool(high >= 0),
    }


def _run(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: figures[key] for key in ("judged", "seconds", "onnx_bytes", "parameters", "boosting")},
        "usual_network": figures["reference"][f"test_{figures['reference']['metric']}"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=40.0, help="seconds of each discovery")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=TABLES, default=list(TABLES))
    parser.add_argument("--no-boosting", action="store_true", help="let no trees stand beside the networks")
    parser.add_argument("--work", type=Path, default=Path("runs/boosting"))
    words = parser.parse_args()
    with alone("boosting.py"), tempfile.TemporaryDirectory() as folder:
        tables = {name: compared(name, words, Path(folder)) for name in words.only}
    print(json.dumps({"budget": words.budget, "tables": tables}, indent=1))


if __name__ == "__main__":
    main()
