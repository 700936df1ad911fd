"""Whether surrogates rank better when they are told proxies that others computed.

`python benchmarks/quality/proxy_features.py PROXIES.csv.gz [--dataset cifar10] [--runs 20] [--seed 0]` takes cells of
NAS-Bench-Suite-Zero (`dataset, code, val_accuracy, synflow, …`), fits each surrogate to 25, 50, 100 and 200 of them as
`bayesian` does, with and without the ranks of the proxies as columns, and prints Kendall's τ with the validation
accuracy of all others: means over runs, and the gain by the proxies with the standard error of its mean.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, rankdata

from azora.bench.writing import provenance
from azora.networks.four_nodes import EDGES
from azora.networks.nb201 import NB201, OPERATIONS
from azora.space import Architecture
from azora.strategies.bayesian import SURROGATES
from azora.strategies.surrogates import Description, normal_ranks
from azora.tasks import Signature

CODES = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
SETS = {
    "synflow": ("synflow",),
    "nwot": ("nwot",),
    "jacov": ("jacov",),
    "nwot and synflow": ("nwot", "synflow"),
    "all": ("synflow", "grasp", "fisher", "grad_norm", "l2_norm", "plain", "nwot", "epe_nas", "jacov", "snip"),
}
SIZES = (25, 50, 100, 200)


def cells_of(space: NB201, proxies: Path, dataset: str) -> tuple[list[Architecture], list[dict[str, str]]]:
    """The distinct cells of the file, and the first row of each."""
    assert set(CODES) == set(OPERATIONS)
    cells = {}
    with gzip.open(proxies, "rt", encoding="utf-8") as opened:
        for row in csv.DictReader(opened):
            if row["dataset"] == dataset:
                digits = zip(EDGES, row["code"].zfill(6), strict=True)
                decided = {f"operation_{a}_{b}": CODES[int(digit)] for (a, b), digit in digits}
                architecture = space.architecture(**decided)
                cells.setdefault(architecture.key, (architecture, row))
    return [each for each, _ in cells.values()], [row for _, row in cells.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("proxies", type=Path)
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    words, on = parser.parse_args(), provenance()
    space = NB201(Signature("classification", (3, 32, 32), 10))
    architectures, kept = cells_of(space, words.proxies, words.dataset)
    describe = Description(space)
    plain, groups = describe(architectures), describe.groups(architectures[0])
    truth = np.array([float(row["val_accuracy"]) for row in kept])
    told = {"none": (plain, groups)}
    for title, names in SETS.items():
        columns = np.stack([rankdata([float(row[name] or "-inf") for row in kept]) / len(kept) for name in names], 1)
        at = plain.shape[1]
        extra = [slice(at + place, at + place + 1) for place in range(len(names))]
        told[title] = (np.column_stack([plain, columns]), [*groups, *extra])
    found = {}
    for surrogate, kind in SURROGATES.items():
        for size in SIZES:
            taus = []
            for run in range(words.runs):
                order = np.random.default_rng(words.seed + run).permutation(len(truth))
                known, others = order[:size], order[size:]
                targets = normal_ranks([(float(score),) for score in truth[known]])
                guesses = [
                    kind().fit(rows[known], targets, parts).predict(rows[others])[0] for rows, parts in told.values()
                ]
                taus.append([kendalltau(guess, truth[others]).statistic for guess in guesses])
            each = np.array(taus)
            line = {name: round(float(mean), 3) for name, mean in zip(told, each.mean(0), strict=True)}
            for place, name in enumerate(list(told)[1:], 1):
                gain = each[:, place] - each[:, 0]
                line[f"gain_{name}"] = round(float(gain.mean()), 3)
                line[f"error_{name}"] = round(float(gain.std(ddof=1) / np.sqrt(len(gain))), 3)
            found.setdefault(surrogate, {})[str(size)] = line
    about = {
        "table": words.proxies.name,
        "dataset": words.dataset,
        "cells": len(truth),
        "runs": words.runs,
        "seed": words.seed,
        "on": on,
    }
    print(json.dumps({**about, "kendall": found}, indent=1))


if __name__ == "__main__":
    main()
