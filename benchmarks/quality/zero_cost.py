"""How well each proxy orders networks of NAS-Bench-201, with the count of parameters on live ways beside them.

`python benchmarks/quality/zero_cost.py TABLE.csv.gz DATA.npz [--cells 250] [--seed 0] [--column c10_test200]` draws
cells whose keys differ, scores their fresh networks (8 channels, one cell a stage) on 64 rows of `x_train, y_train` and
prints JSON: Kendall's τ and Spearman's ρ with the table's column, τ among the best fifth, milliseconds a network; then
whether the log-rank sum of the three proxies by blocks and the count is above the count alone, by a paired bootstrap.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import platform
import random
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau, spearmanr

from azora.networks.nb201 import NB201
from azora.proxies import PROXIES, Probe, log_rank, score
from azora.space import Architecture
from azora.tasks import load_task

TOGETHER = {
    "log_rank_blocks_and_params": ("expressivity", "progressivity", "trainability", "params"),
    "log_rank_naswot_synflow_params": ("naswot", "synflow", "params"),
}
RESAMPLES = 1_000


def drawn(table: Path, column: str, count: int, seed: int, space: NB201) -> list[tuple[Architecture, float]]:
    """Cells of different keys with their figures."""
    with gzip.open(table, "rt", encoding="utf-8") as opened:
        rows = [(row["arch"], float(row[column])) for row in csv.DictReader(opened) if row[column]]
    random.Random(seed).shuffle(rows)
    found: dict[str, tuple[Architecture, float]] = {}
    for text, figure in rows:
        architecture = space.from_string(text)
        found.setdefault(architecture.key, (architecture, figure))
        if len(found) == count:
            break
    return list(found.values())


def agreement(scores: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    best = truth >= np.quantile(truth, 0.8)
    return {
        "kendall": round(float(kendalltau(scores, truth).statistic), 3),
        "spearman": round(float(spearmanr(scores, truth).statistic), 3),
        "kendall_best_fifth": round(float(kendalltau(scores[best], truth[best]).statistic), 3),
    }


def above(one: np.ndarray, other: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, float]:
    """By how much `one` agrees better with the truth than `other`: mean and 95 % interval over resampled cells."""
    rng, gains = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, len(truth), len(truth))
        taus = [kendalltau(scores[chosen], truth[chosen]).statistic for scores in (one, other)]
        gains.append(taus[0] - taus[1])
    low, high = np.quantile(gains, (0.025, 0.975))
    return {"mean": round(float(np.mean(gains)), 3), "low": round(float(low), 3), "high": round(float(high), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cells", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--column", default="c10_test200")
    words = parser.parse_args()
    torch.set_num_threads(1)
    task = load_task(words.data, seed=words.seed)
    space, probe = NB201(task.signature, width=8, depth=1), Probe.of(task.search_data, 64, words.seed)
    cells = drawn(words.table, words.column, words.cells, words.seed, space)
    truth = np.array([figure for _, figure in cells])
    found: dict[str, Any] = {}
    scores: dict[str, np.ndarray] = {}
    for name in PROXIES:
        times, values = [], []
        for architecture, _ in cells:
            begun = time.perf_counter()
            values.append(score(space, architecture, probe, [name], words.seed)[name])
            times.append(time.perf_counter() - begun)
        scores[name] = np.maximum(values, -1e30)
        found[name] = {**agreement(scores[name], truth), "ms": round(1e3 * statistics.median(times), 1)}
    for title, names in TOGETHER.items():
        scores[title] = np.array(log_rank({name: list(scores[name]) for name in names}))
        found[title] = agreement(scores[title], truth)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    better = above(scores["log_rank_blocks_and_params"], scores["params"], truth, words.seed)
    told = {"table": words.table.name, "column": words.column, "data": words.data.name, "cells": len(cells)}
    print(
        json.dumps({**told, "seed": words.seed, "machine": machine, "proxies": found, "above_params": better}, indent=1)
    )


if __name__ == "__main__":
    main()
