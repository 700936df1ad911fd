"""Short trainings first, or all in full: halving, hyperband and BOHB beside evolution at equal seconds of training.

`python benchmarks/quality/fidelities.py TABLE … [--trainings 10 30 100 300] [--runs 100]` plays each strategy on each
table (a path, or a benchmark's name) for the seconds that so many full trainings take in the median, and prints JSON.
Evolution and random search train everything in full; the others begin with the shortest training that the table has.
The score is that of `azora bench`; `p` is of Wilcoxon's signed-rank test against evolution, pairs by seed, and `better`
names the strategies that are above evolution by it (p < 0.05).
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

import numpy as np

from azora.bench import Comparison, Setup, compare
from azora.bench.curves import final_scores, wilcoxon
from azora.bench.registry import find_table
from azora.bench.writing import provenance

STRATEGIES = ("random", "evolution", "halving", "hyperband", "bohb")
SLOW = ("bohb", "bayesian")


def beside_evolution(found: Comparison) -> dict[str, Any]:
    """What each strategy came to, and its difference to evolution."""
    protocol = found.protocol
    scores = {name: final_scores(curves, protocol) for name, curves in found.curves.items()}
    rows: dict[str, Any] = {}
    for name, figures in found.figures.items():
        last = list(figures.values())[-1]
        shared = sorted(scores[name].keys() & scores["evolution"].keys())
        gains = protocol.sign * np.array([scores[name][seed] - scores["evolution"][seed] for seed in shared])
        judged = [len(run.rows) for run in found.runs[name].values()]
        rows[name] = {
            "mean": _short(last.mean), "low": _short(last.low), "high": _short(last.high), "runs": len(judged),
            "above_evolution": _short(float(gains.mean())),
            "p": None if name == "evolution" else _short(wilcoxon(gains)),
            "judged": round(float(np.mean(judged)), 1),
            "in_full": round(float(np.mean([run.levels.count(len(protocol.levels) - 1)
                                            for run in found.runs[name].values()])), 1),
        }  # fmt: skip
    return rows


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def at(table: str, seconds: float, words: argparse.Namespace) -> dict[str, Any]:
    """All strategies at one budget."""
    names = list(dict.fromkeys(["random", "evolution", *words.strategy]))
    most = dict.fromkeys(SLOW, words.slow_runs)
    setup = Setup(table, {name: {} for name in names}, seconds=seconds)
    rows = beside_evolution(compare(setup, runs=words.runs, seed=words.seed, workers=words.workers, most=most))
    better = [name for name, row in rows.items() if row["p"] is not None and row["p"] < 0.05]
    return {
        "seconds": round(seconds),
        "strategies": rows,
        "better": [name for name in better if rows[name]["above_evolution"] > 0],
        "worse": [name for name in better if rows[name]["above_evolution"] < 0],
    }


def full_training(table: str) -> float:
    """The median seconds of the longest training."""
    seconds = find_table(table).fidelities[-1].seconds
    if seconds is None:
        raise SystemExit(f"{table} does not say how long trainings took")
    return float(np.median(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="+", help="a path, or a benchmark's name")
    parser.add_argument("--trainings", type=float, nargs="+", default=[10, 30, 100, 300], help="full trainings a run")
    parser.add_argument("--seconds", type=float, nargs="+", help="instead: seconds of training a run")
    parser.add_argument("--strategy", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--slow-runs", type=int, default=30, help="runs of those that think long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    words = parser.parse_args()
    tables, on = dict[str, Any](), provenance()
    for table in words.table:
        budgets = words.seconds or [each * full_training(table) for each in words.trainings]
        tables[table.rpartition("/")[2]] = [at(table, seconds, words) for seconds in budgets]
    print(json.dumps({"on": on, "seed": words.seed, "tables": tables}, indent=1))


if __name__ == "__main__":
    main()
