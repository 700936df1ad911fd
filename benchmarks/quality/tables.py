"""azora on tables with holes, beside scikit-learn's gradient boosting with its default settings.

`python benchmarks/quality/tables.py [--budget 60] [--seeds 3]` writes three of scikit-learn's tables as CSV with one
cell in twenty emptied, searches each, predicts the file's own rows by the command line, and prints JSON. Both learn
from the same rows (all but the test's) and are judged on the same test rows; gradient boosting takes the holes as they
are. The figure is accuracy, or R² for diabetes.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from azora.bench.writing import provenance
from azora.tasks import Reading, load_task
from azora.tasks.tables import read_sheet

TABLES = {"breast_cancer": load_breast_cancer, "wine": load_wine, "diabetes": load_diabetes}
EMPTY = 0.05


def write_table(name: str, folder: Path) -> Path:
    """The table as CSV, its label last; which cells are empty is drawn from a fixed seed."""
    data = TABLES[name](as_frame=False, **({"scaled": False} if name == "diabetes" else {}))
    rng, file = np.random.default_rng(0), folder / f"{name}.csv"
    labels = data.target if name == "diabetes" else np.asarray(data.target_names)[data.target]
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow([*data.feature_names, "target"])
        for row, label in zip(data.data.tolist(), labels.tolist(), strict=True):
            writer.writerow([*("" if rng.random() < EMPTY else f"{value:.7g}" for value in row), label])
    return file


def boosted(file: Path, seed: int) -> float:
    """Gradient boosting on the rows that azora learned from, judged on its test rows."""
    task = load_task(file, seed=seed, reading=Reading(label="target"))
    rows, test = task.everything(), task.read_test()
    kind = HistGradientBoostingClassifier if task.signature.kind == "classification" else HistGradientBoostingRegressor
    return float(kind(random_state=seed).fit(rows.x, rows.y.ravel()).score(test.x, test.y.ravel()))


def searched(file: Path, budget: float, seed: int, out: Path) -> dict[str, Any]:
    """One search, its files put to use: what is predicted for the CSV itself, by both runtimes."""
    command = [sys.executable, "-m", "azora", "search", str(file), "--label", "target", "--budget", f"{budget:g}s"]
    command += ["--seed", str(seed), "--out", str(out), "--no-memory", "--json", "--quiet"]
    figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    told = [
        subprocess.run(
            [sys.executable, "-m", "azora", "predict", str(out), str(file), "--runtime", runtime],
            stdout=subprocess.PIPE, text=True, check=True,
        ).stdout
        for runtime in ("torch", "onnxruntime")
    ]  # fmt: skip
    answers = [[row["prediction"] for row in csv.DictReader(io.StringIO(text))] for text in told]
    task = load_task(file, seed=seed, reading=Reading(label="target"))
    return {**figures, "agree": _agree(answers), "own_test_rows": _of_test_rows(file, answers[0], task)}


def _agree(answers: list[list[str]]) -> float:
    try:
        first, second = (np.array(each, float) for each in answers)
    except ValueError:
        return float(np.mean([one == other for one, other in zip(*answers, strict=True)]))
    return float(np.abs(first - second).max())


def _of_test_rows(file: Path, answers: list[str], task: Any) -> float:
    """The figure of the rows in the file that are the test's: it must be the one that was stated."""
    with file.open(encoding="utf-8") as opened:
        right = [row["target"] for row in csv.DictReader(opened)]
    table = task.scaling.table.table
    places = {row.tobytes(): place for place, row in enumerate(table.rows(read_sheet(file)))}
    rows = [places[row.tobytes()] for row in task.read_test().x]
    if task.signature.kind == "classification":
        return float(np.mean([answers[row] == right[row] for row in rows]))
    found, true = (np.array([values[row] for row in rows], float) for values in (answers, right))
    return float(1 - ((found - true) ** 2).sum() / ((true - true.mean()) ** 2).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of each search")
    parser.add_argument("--seeds", type=int, default=3)
    words = parser.parse_args()
    summary, on = dict[str, Any](), provenance()
    with tempfile.TemporaryDirectory() as folder:
        for name in TABLES:
            file = write_table(name, Path(folder))
            runs = [searched(file, words.budget, seed, Path(folder) / f"{name}{seed}") for seed in range(words.seeds)]
            metric = "test_r2" if name == "diabetes" else "test_accuracy"
            summary[name] = {
                "azora": [round(run[metric], 4) for run in runs],
                "azora_mean": round(statistics.mean(run[metric] for run in runs), 4),
                "own_test_rows": [round(run["own_test_rows"], 4) for run in runs],
                "runtimes_agree": [run["agree"] for run in runs],
                "boosting": [round(boosted(file, seed), 4) for seed in range(words.seeds)],
                "judged": [run["judged"] for run in runs],
                "seconds": [run["seconds"] for run in runs],
                "prepared": [{k.removeprefix("recipe."): v for k, v in run["architecture"].items()
                              if k in ("recipe.scaling", "recipe.imputation")} for run in runs],
            }  # fmt: skip
    print(json.dumps({"budget": words.budget, "on": on, "tables": summary}, indent=1))


if __name__ == "__main__":
    main()
