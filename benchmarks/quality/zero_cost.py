"""How well each proxy orders networks of NAS-Bench-201, with the count of parameters on live ways beside them.

`python benchmarks/quality/zero_cost.py TABLE.csv.gz DATA.npz [--cells 250] [--seed 0] [--column c10_test200]` draws
cells whose keys differ, scores their fresh networks (8 channels, one cell a stage, unless `--width` and `--depth` say
otherwise) on 64 rows of `x_train, y_train` (or of CIFAR-10 with its pictures kept as WebP: `webp_train, offsets_train`)
and prints JSON: of each proxy and of some together Kendall's τ and Spearman's ρ with the table's column, τ among the
best fifth, milliseconds a network, and how much its τ is above that of the count, by a paired bootstrap over the cells.

With `--published FILE`, a table of proxies that others computed (`dataset, code, …`, NAS-Bench-Suite-Zero), the cells
are drawn from that file, only proxies that are in it are scored, and Spearman's ρ between their scores and ours is
printed too, with the τ of theirs.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.stats import kendalltau, spearmanr

from azora.bench.writing import provenance
from azora.networks.nb201 import NB201
from azora.proxies import PROXIES, Probe, log_rank, score
from azora.space import Architecture
from azora.tasks import Task, load_task
from azora.tasks.arrays import from_arrays

TOGETHER = {
    "log_rank_blocks_and_params": ("expressivity", "progressivity", "trainability", "params"),
    "log_rank_naswot_synflow_params": ("naswot", "synflow", "params"),
}
THEIRS = {  # names of NAS-Bench-Suite-Zero for what is here
    "naswot": "nwot",
    "jacob_cov": "jacov",
    "macs": "flops",
    **{name: name for name in ("params", "synflow", "grasp", "fisher", "grad_norm", "snip")},
}
RESAMPLES = 1_000
ROWS = 2_000  # of a large file: a probe needs few


Rows = list[dict[str, str]]


def read(table: Path) -> Rows:
    with gzip.open(table, "rt", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def task_of(data: Path, seed: int) -> Task:
    with np.load(data) as arrays:
        if "webp_train" not in arrays:
            return load_task(data, seed=seed)
        packed, offsets = arrays["webp_train"], arrays["offsets_train"][: ROWS + 1]
        y = arrays["y_train"][:ROWS]
    pictures = [
        np.asarray(Image.open(io.BytesIO(packed[begin:end].tobytes())).convert("RGB"))
        for begin, end in zip(offsets, offsets[1:], strict=False)
    ]
    return from_arrays(np.stack(pictures), y, name=data.stem, seed=seed)


def drawn(rows: Rows, column: str, count: int, seed: int, space: NB201) -> list[tuple[Architecture, float, str]]:
    """Cells of different keys with their figures and codes."""
    rows = [row for row in rows if row[column]]
    random.Random(seed).shuffle(rows)
    found: dict[str, tuple[Architecture, float, str]] = {}
    for row in rows:
        architecture = space.from_string(row["arch"])
        found.setdefault(architecture.key, (architecture, float(row[column]), row["code"]))
        if len(found) == count:
            break
    return list(found.values())


def beside(published: Rows, dataset: str, codes: list[str], scores: dict[str, np.ndarray], truth: np.ndarray) -> Any:
    """Of each proxy that the others computed too: how alike the orders are, and how well theirs does."""
    theirs = {row["code"].zfill(6): row for row in published if row["dataset"] == dataset}
    found = {}
    for ours, name in THEIRS.items():
        column = np.array([float(theirs[code][name] or "nan") for code in codes])
        known = np.isfinite(column)
        same = spearmanr(scores[ours][known], column[known]).statistic
        tau = kendalltau(column[known], truth[known]).statistic
        found[ours] = {"spearman_with_ours": round(float(same), 3), "kendall_of_theirs": round(float(tau), 3)}
    return found


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
    low, high = np.nanquantile(gains, (0.025, 0.975))
    return {"mean": round(float(np.nanmean(gains)), 3), "low": round(float(low), 3), "high": round(float(high), 3)}


def scored(words: argparse.Namespace, task: Task, cells: list[Architecture], space: NB201) -> Any:
    """Each proxy's scores, and the median milliseconds that one took."""
    probe = Probe.of(task.search_data, 64, words.seed)
    scores: dict[str, np.ndarray] = {}
    times: dict[str, float] = {}
    for name in [name for name in PROXIES if name in THEIRS or not words.published]:
        taken, values = [], []
        for architecture in cells:
            begun = time.perf_counter()
            values.append(score(space, architecture, probe, [name], words.seed)[name])
            taken.append(time.perf_counter() - begun)
        scores[name], times[name] = np.maximum(values, -1e30), round(1e3 * statistics.median(taken), 1)
        print(name, times[name], "ms", file=sys.stderr, flush=True)
    for title, names in TOGETHER.items() if not words.published else ():
        scores[title] = np.array(log_rank({name: list(scores[name]) for name in names}))
    return scores, times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cells", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--column", default="c10_test200")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--depth", type=int, default=1)
    parser.add_argument("--published", type=Path)
    parser.add_argument("--dataset", default="cifar10")
    words, on = parser.parse_args(), provenance()
    torch.set_num_threads(1)
    task = task_of(words.data, words.seed)
    space, rows = NB201(task.signature, width=words.width, depth=words.depth), read(words.table)
    published = read(words.published) if words.published else []
    if published:
        known = {row["code"].zfill(6) for row in published if row["dataset"] == words.dataset}
        rows = [row for row in rows if row["code"] in known]
    cells = drawn(rows, words.column, words.cells, words.seed, space)
    truth = np.array([figure for _, figure, _ in cells])
    scores, times = scored(words, task, [architecture for architecture, _, _ in cells], space)
    found: dict[str, Any] = {}
    for name, values in scores.items():
        found[name] = agreement(values, truth) | ({"ms": times[name]} if name in times else {})
        if name != "params":
            found[name]["above_params"] = above(values, scores["params"], truth, words.seed)
    told = {"table": words.table.name, "column": words.column, "data": words.data.name, "cells": len(cells)}
    told |= {"width": words.width, "depth": words.depth, "seed": words.seed, "on": {**on, "threads": 1}}
    if published:
        codes = [code for _, _, code in cells]
        told["published"] = beside(published, words.dataset, codes, scores, truth)
    print(json.dumps({**told, "proxies": found}, indent=1))


if __name__ == "__main__":
    main()
