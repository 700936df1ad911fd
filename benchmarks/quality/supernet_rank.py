"""How well shared weights order cells of NAS-Bench-201, with the count of live parameters beside and beneath them.

`python benchmarks/quality/supernet_rank.py TABLE.csv.gz --data cifar10_full.npz [--minutes 20] [--seed 0]` decodes
CIFAR-10 (lossless WebP: `webp_train`, `offsets_train`, `y_train`; another .npz with `x_train, y_train` serves too),
brings its pictures to 16×16 and keeps the last 5,000 rows for validation. Two processes of one thread each then train a
supernet of their own, of different seeds, and judge the same random cells by what they borrow, with batch norm
recalibrated (`azora.evaluation.Inherited`). A cell's score is the mean over both of its validation loss, or of its
accuracy. All of that fits into `--minutes`: training gets what decoding and judging leave.

Prints JSON: Kendall's τ of the scores with the table's test accuracy (and among the best fifth), the same of the count
of live parameters, and of the log-rank sum of both; seconds of each part, seeds, settings, commit and machine. With
`--scores FILE`, each supernet's losses and accuracies are kept as .npz.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image
from zero_cost import agreement, drawn, read

from azora.evaluation.inherited import Inherited
from azora.networks.complexity import cost
from azora.networks.nb201 import NB201, to_string
from azora.networks.shared_weights import SharedWeights
from azora.proxies import log_rank
from azora.tasks import SearchData
from azora.tasks.array import Array
from azora.tasks.arrays import from_arrays
from azora.training import Mode, RecipeSettings, SharedTraining, make_paths
from azora.trial import Proposal

SIDE, HELD_OUT = 16, 5_000
CHUNK = 20  # steps between two looks at the clock
TIMED = 10  # cells judged to know what judging will take


@dataclass(frozen=True)
class Part:
    """What one process does: a supernet, and the seconds that it has."""

    words: argparse.Namespace
    seed: int
    folder: Path
    cells: tuple[str, ...]  # in the published notation
    until: float  # by time.time(), which processes share


def pictures_of(data: Path) -> tuple[Array, Array]:
    """All training pictures (N, 16, 16, 3) uint8, each pixel the mean of what lies in it, and their classes."""
    with np.load(data) as arrays:
        y = arrays["y_train"]
        if "webp_train" in arrays:
            packed, offsets = arrays["webp_train"], arrays["offsets_train"]
            rows = zip(offsets, offsets[1:], strict=False)
            opened = (Image.open(io.BytesIO(packed[begin:end].tobytes())).convert("RGB") for begin, end in rows)
        else:
            opened = (Image.fromarray(row) for row in arrays["x_train"])
        return np.stack([np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX)) for picture in opened]), y


def search_data(words: argparse.Namespace) -> SearchData:
    """The pictures in two parts; there is no test here, for the table has it."""
    x, y = pictures_of(words.data)
    rows = slice(0, min(words.rows or len(x), len(x) - HELD_OUT))
    held = slice(len(x) - HELD_OUT, len(x) - HELD_OUT + words.validation)
    task = from_arrays(x[rows], y[rows], x_validation=x[held], y_validation=y[held], x_test=x[:10], y_test=y[:10])
    return task.search_data


def train(training: SharedTraining, seconds: float) -> None:
    """Train for so long: the steps that are left, and with them the cosine, follow the speed that is seen."""
    begun = time.perf_counter()
    while training.step < training.steps:
        training.advance((training.step + CHUNK) / training.batches.steps)
        spent = time.perf_counter() - begun
        training.steps = training.step + max(0, round((seconds - spent) * training.step / spent))


def supernet(part: Part) -> dict[str, Any]:
    """Train one and judge all cells with it."""
    torch.set_num_threads(1)
    words, data, mode = part.words, SearchData.load(part.folder), Mode.parse(part.words.precision)
    space = NB201(data.signature, width=words.width, depth=words.depth)
    proposals = [Proposal(space.from_string(text)) for text in part.cells]
    shared = SharedWeights(space, part.seed, remembered=words.remembered)
    for module in shared.whole.modules():
        if not words.affine and isinstance(module, torch.nn.BatchNorm2d):
            module.requires_grad_(False)
    recipe = RecipeSettings(
        learning_rate=words.rate, batch_size=words.batch, label_smoothing=words.smoothing, augmentation=0.0, flip=True
    )
    paths = make_paths(words.paths, space)
    training = SharedTraining(
        shared, data.train, data.signature, data.scaling, recipe, paths, words.epochs, seed=part.seed, mode=mode
    )
    evaluate = Inherited(
        shared, data, training.calibration(words.calibration), training.scaling, mode, metric="loss", also=["accuracy"]
    )
    begun = time.perf_counter()
    for proposal in proposals[:TIMED]:
        evaluate(proposal)
    judging = (time.perf_counter() - begun) * len(proposals) / TIMED
    train(training, part.until - time.time() - judging)
    trained = time.perf_counter()
    judged = [evaluate(proposal) for proposal in proposals]
    return {
        "loss": [each["loss"] for each in judged],
        "accuracy": [each["accuracy"] for each in judged],
        "steps": training.step,
        "epochs": round(training.epochs, 2),
        "training_seconds": round(training.seconds, 1),
        "judging_seconds": round(time.perf_counter() - trained, 1),
    }


def main() -> None:
    begun = time.time()
    words = arguments()
    rows = read(words.table)
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), search_data(words)
        data.save(folder)
        table_space = NB201(data.signature)
        cells = drawn(rows, words.column, words.cells, words.cells_seed, table_space)
        names = tuple(to_string(architecture) for architecture, _, _ in cells)
        decoded = time.time() - begun
        seeds = [2 * words.seed + place for place in range(words.supernets)]
        parts = [Part(words, seed, folder, names, begun + 60 * words.minutes) for seed in seeds]
        with ProcessPoolExecutor(len(parts), get_context("spawn")) as pool:
            made = list(pool.map(supernet, parts))
    truth = np.array([figure for _, figure, _ in cells])
    params = np.array([cost(table_space, architecture)["params"] for architecture, _, _ in cells])
    if words.scores:
        kept = {name: np.array([each[name] for each in made]) for name in ("loss", "accuracy")}
        np.savez(words.scores, truth=truth, params=params, **kept)
    told = {"table": words.table.name, "column": words.column, "cells": len(cells), "seeds": seeds}
    told |= {"settings": {name: value for name, value in vars(words).items() if name in SETTINGS}}
    told |= agreements(made, truth, params)
    told["supernets"] = [{name: each[name] for name in each if name not in ("loss", "accuracy")} for each in made]
    told["seconds"] = {"decoding": round(decoded, 1), "all": round(time.time() - begun, 1)}
    print(json.dumps(told | about(), indent=1))


def agreements(made: list[dict[str, Any]], truth: Array, params: Array) -> dict[str, Any]:
    """Of the mean over all supernets, and of each alone."""
    loss = [-np.array(each["loss"]) for each in made]
    accuracy = [np.array(each["accuracy"]) for each in made]
    both = log_rank({"loss": list(np.mean(loss, 0)), "params": list(params)})
    found: dict[str, Any] = {
        "by_loss": agreement(np.mean(loss, 0), truth),
        "by_accuracy": agreement(np.mean(accuracy, 0), truth),
        "params": agreement(params, truth),
        "log_rank_loss_params": agreement(np.array(both), truth),
    }
    found["by_loss_of_each"] = [agreement(each, truth)["kendall"] for each in loss]
    found["spread_of_accuracies"] = [round(float(value), 4) for value in np.quantile(np.mean(accuracy, 0), QUANTILES)]
    return found


def about() -> dict[str, str]:
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread a process"
    return {"commit": commit.stdout.strip(), "machine": machine}


QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
SETTINGS: dict[str, Any] = {
    "paths": "fair",
    "width": 16,
    "depth": 1,
    "batch": 64,
    "rate": 0.1,
    "smoothing": 0.0,
    "rows": 45_000,
    "validation": 2_000,
    "calibration": 1_024,
    "precision": "bf16-channels-last",
    "epochs": 100.0,
    "remembered": 16_000,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--column", default="c10_test200")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--supernets", type=int, default=2, help="of a process each")
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--cells-seed", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--affine", action=argparse.BooleanOptionalAction, default=True)
    for name, value in SETTINGS.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return parser.parse_args()


if __name__ == "__main__":
    main()
