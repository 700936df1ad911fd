"""Trains every network of `digits-cells` and writes down how it went: the benchmark that ships with azora.

`python benchmarks/make/digits_cells.py train OUT.jsonl [--sample N]` trains each of the 2,251 distinct cells with
three seeds on 200 of scikit-learn's digits (few, so that architectures differ) for 16 epochs, and appends one JSON a
training: the six digits of the cell, the seed, the share of 400 validation rows that was right after each epoch, that
of the 1,197 test rows at the end, processor seconds of each epoch (one thread), and what it was trained on. A training
that is in OUT is not done again, so it can be had in parts. Which rows are which is constant. `--sample` takes N cells
by chance, for a look at the noise: it is printed at the end, beside the spread over architectures.

`python benchmarks/make/digits_cells.py latency OUT.jsonl LATENCY.json` measures each network's milliseconds a picture
under onnxruntime (batch 1, one thread, the median of rounds that go through all networks in turn). For this the machine
should have nothing else to do.

`python benchmarks/make/digits_cells.py pack OUT.jsonl LATENCY.json TABLE.csv.gz` writes the table.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import random
import statistics
import time
import warnings
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from sklearn.datasets import load_digits

from azora.bench.writing import provenance
from azora.networks.complexity import cost
from azora.networks.decide import As
from azora.networks.digits_cells import DigitsCells, to_code
from azora.tasks import Scaling, Signature, Split
from azora.training import MODES, RecipeSettings, Training, outputs

TRAIN, VALIDATION, EPOCHS, SEEDS, ROUNDS = 200, 400, 16, 3, 15
RECIPE = RecipeSettings("sgd", 0.1, 5e-4, 50, 0.0, 0.0)
SIGNATURE = Signature("classification", (1, 8, 8), 10, tuple("0123456789"))


def splits() -> tuple[Split, Split, Split]:
    """Search-train, validation and test: the same for ever."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = data.images[order][:, None].astype(np.uint8), data.target[order].astype(np.int64)
    ends = (0, TRAIN, TRAIN + VALIDATION, len(y))
    train, validation, test = (Split(x[a:b], y[a:b]) for a, b in pairwise(ends))
    return train, validation, test


def right(network: torch.nn.Module, split: Split, scaling: Scaling) -> float:
    found = outputs(network, split.x, SIGNATURE, scaling)
    return round(float((found.argmax(axis=1) == split.y).mean()), 4)


def train(job: tuple[str, int]) -> dict[str, Any]:
    """One training at a constant rate, its averaged weights judged after every epoch, as a search of azora does it."""
    torch.set_num_threads(1)
    code, seed = job
    space, (rows, validation, test) = DigitsCells(SIGNATURE), splits()
    torch.manual_seed(seed)
    network = space.build(As(space.from_code(code)))
    training = Training(network, rows, SIGNATURE, Scaling.of(rows, False), RECIPE, seed=seed, mode=MODES["float32"])
    curve, seconds = [], []
    for epoch in range(1, EPOCHS + 1):
        begun = time.process_time()
        training.advance(epoch)
        seconds.append(round(time.process_time() - begun, 4))
        curve.append(right(training.judging_network(), validation, training.scaling))
    scored = right(training.judging_network(), test, training.scaling)
    return {"code": code, "seed": seed, "validation": curve, "test": scored, "seconds": seconds}


def codes() -> list[str]:
    """One cell of each key, in a fixed order that is none of the space's."""
    firsts = dict[str, str]()
    for architecture in DigitsCells(SIGNATURE):
        firsts.setdefault(architecture.key, to_code(architecture))
    found = list(firsts.values())
    random.Random(0).shuffle(found)
    return found


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file; what a kill cut short is none."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def train_all(out: Path, sample: int | None) -> None:
    done, wanted = read(out), codes()[:sample]
    known = {(each["code"], each["seed"]) for each in done}
    jobs = [(code, seed) for code in wanted for seed in range(SEEDS) if (code, seed) not in known]
    workers, on = os.cpu_count() or 1, provenance()
    torn = out.exists() and not out.read_bytes().endswith(b"\n")  # by a kill
    with out.open("a", encoding="utf-8") as file, ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        file.write("\n" if torn else "")
        try:
            for found in pool.map(train, jobs):
                file.write(json.dumps({**found, "on": on}) + "\n")
                file.flush()
                done.append(found)
        except BrokenProcessPool as error:
            raise SystemExit(f"{error} What is in {out} stays: start it again, and it goes on") from error
    print(json.dumps({"trainings": len(done), "cells": len(wanted), **noise(done), "on": on}))


def noise(done: list[dict[str, Any]]) -> dict[str, float]:
    """The spread of test accuracy from the 10th to the 90th percentile of cells (means over seeds), and the standard
    deviation that the seed makes."""
    by_code = defaultdict(list)
    for each in done:
        by_code[each["code"]].append(each["test"])
    whole = [values for values in by_code.values() if len(values) == SEEDS]
    within = float(np.sqrt(np.mean([np.var(values, ddof=1) for values in whole])))
    low, high = np.quantile([float(np.mean(values)) for values in whole], (0.1, 0.9))
    return {"p10": round(float(low), 4), "p90": round(float(high), 4), "seed_std": round(within, 4)}


def latency_all(out: Path, latency: Path) -> None:
    """Milliseconds of each cell that was trained: rounds through all of them, so that a slow minute of the machine is
    nobody's own."""
    about = {"machine": provenance(), "onnxruntime": onnxruntime.__version__}
    cells = sorted({each["code"] for each in read(out)})
    sessions = {code: session(code) for code in cells}
    rounds: dict[str, list[float]] = {code: [] for code in cells}
    row = np.zeros((1, *SIGNATURE.shape), dtype=np.float32)
    for _ in range(ROUNDS):
        for code, each in sessions.items():
            rounds[code].append(median(each, row))
    found = {code: round(statistics.median(times), 5) for code, times in rounds.items()}
    spread = [float(np.std(times) / np.mean(times)) for times in rounds.values()]
    latency.write_text(json.dumps({"about": about, "spread": round(statistics.median(spread), 4), "ms": found}))
    print(json.dumps({"cells": len(found), "least": min(found.values()), "most": max(found.values()), **about}))


def session(code: str) -> onnxruntime.InferenceSession:
    """The network in onnxruntime, on one thread. Its weights are as they begin: time does not depend on them."""
    space, file = DigitsCells(SIGNATURE), io.BytesIO()
    network = space.build(As(space.from_code(code))).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter takes a tenth of a second, the newer one two seconds
        torch.onnx.export(network, (torch.zeros(1, *SIGNATURE.shape),), file, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])


def median(session: onnxruntime.InferenceSession, row: np.ndarray) -> float:
    """Median milliseconds of twenty answers, after five to warm up."""
    # A cell that lets nothing through leaves a network without an input.
    times, given = [], {each.name: row for each in session.get_inputs()}
    for _ in range(25):
        begun = time.perf_counter()
        session.run(None, given)
        times.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(times[5:])


def pack(out: Path, latency: Path, table: Path) -> None:
    """The table: scores in per cent; processor seconds of a training of 16 epochs, the mean over seeds."""
    by_code: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for each in read(out):
        by_code[each["code"]][each["seed"]] = each
    missing = [code for code in codes() if len(by_code[code]) < SEEDS]
    if missing:
        raise SystemExit(f"{len(missing)} cells have not all of their trainings yet, {missing[0]} among them")
    ms, space, seeds = json.loads(latency.read_text(encoding="utf-8"))["ms"], DigitsCells(SIGNATURE), range(SEEDS)
    header = ["cell", "params", "macs", "latency_ms", "seconds"]
    header += [f"val{epoch}_s{seed}" for epoch in range(1, EPOCHS + 1) for seed in seeds]
    header += [f"test_s{seed}" for seed in seeds]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for code in sorted(by_code):
        runs, about = by_code[code], cost(space, space.from_code(code))
        seconds = statistics.mean(sum(runs[seed]["seconds"]) for seed in seeds)
        curves = [percent(runs[seed]["validation"][epoch]) for epoch in range(EPOCHS) for seed in seeds]
        tests = [percent(runs[seed]["test"]) for seed in seeds]
        writer.writerow([code, about["params"], about["macs"], f"{ms[code]:.4f}", f"{seconds:.3f}", *curves, *tests])
    table.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))
    print(json.dumps({"cells": len(by_code), "bytes": table.stat().st_size, **noise(read(out))}))


def percent(share: float) -> str:
    return f"{100 * share:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "latency", "pack"))
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--sample", type=int)
    words = parser.parse_args()
    if words.what == "train":
        train_all(words.files[0], words.sample)
    elif words.what == "latency":
        latency_all(*words.files)
    else:
        pack(*words.files)


if __name__ == "__main__":
    main()
