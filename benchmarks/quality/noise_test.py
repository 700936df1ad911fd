"""Whether differentiable methods see what does nothing: the spaces S2, S3 and S4 of Zela et al. (2020), small.

`python benchmarks/quality/noise_test.py [--seeds 3] [--epochs 15] [--methods …] [--spaces S4 S2 S3]` searches DARTS'
cells with two operations on every edge on digits. In S4 an edge is noise or a separable convolution: a method that
takes noise anywhere has failed. S2 has skips in its place, S3 `none` too: how many skips there are at the end says how
far a method drifts to them. Prints JSON: of each space and method, for every seed, how many of the eight edges of each
cell (and of all 28 in both, before inputs are chosen) have noise, or skips; and the seconds of the processor. A run is
a line of a file in `benchmarks/results/noise_test`; one that is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from supernet_rank import about

from azora.methods.presets import PRESETS
from azora.networks.darts import Darts
from azora.networks.derivation import Derivation
from azora.tasks import load_task
from azora.training import choose_mode
from azora.training.fit_mixture import MixtureTraining

SPACES = {
    "S2": (("skip_connect", "sep_conv_3x3"), False),
    "S3": (("skip_connect", "sep_conv_3x3"), True),
    "S4": (("noise", "sep_conv_3x3"), False),
}
IDLE = ("noise", "skip_connect")
RESULTS = Path(__file__).parents[1] / "results" / "noise_test"


def search(job: tuple[argparse.Namespace, str, str, int]) -> dict[str, Any]:
    words, name, method, seed = job
    torch.set_num_threads(1)
    data = load_task("digits", seed=seed).search_data
    operations, none = SPACES[name]
    space = Darts(data.signature, width=words.width, layers=words.layers, none=none, operations=operations)
    mode, settings = choose_mode("measure", data.signature), PRESETS[method].settings
    begun = time.process_time()
    training = MixtureTraining(
        space, data.train, data.signature, data.scaling, settings, words.epochs, seed=seed, mode=mode
    )
    training.advance()
    strengths = training.strengths()
    derived = Derivation(space, training.relaxed.options, most_skips=settings.most_skips).strongest(strengths)
    idle = {
        kind: sum(value in IDLE for choice, value in derived.items() if choice.startswith(f"{kind}_operation"))
        for kind in ("normal", "reduce")
    }
    edges = sum(
        training.relaxed.options[choice][int(weights.argmax())] in IDLE
        for choice, weights in strengths.items()
        if choice in training.relaxed.options
    )
    return {
        "space": name, "method": method, "seed": seed, **idle, "edges": edges, "epochs": round(training.epochs, 1),
        "loss": round(training.loss, 4), "seconds": round(time.process_time() - begun, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=15.0)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=list(PRESETS))
    parser.add_argument("--spaces", nargs="+", default=["S4", "S2", "S3"], choices=list(SPACES))
    parser.add_argument("--processes", type=int, default=2)
    words = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    runs = run(words, RESULTS / f"{words.epochs:g}epochs-width{words.width}-layers{words.layers}.jsonl")
    table = {
        name: {
            method: {
                kind: [each[kind] for each in runs if (each["space"], each["method"]) == (name, method)]
                for kind in ("normal", "reduce", "edges", "loss", "seconds")
            }
            for method in words.methods
        }
        for name in words.spaces
    }
    print(json.dumps({"epochs": words.epochs, "width": words.width, "layers": words.layers, **table}, indent=1))


def run(words: argparse.Namespace, file: Path) -> list[dict[str, Any]]:
    """What is asked for, in the order of seeds, from the file or made now."""
    known = {told(line): line for line in map(json.loads, file.read_text().splitlines())} if file.is_file() else {}
    asked = [
        (name, method, seed) for name in words.spaces for seed in range(words.seeds) for method in words.methods
    ]  # fmt: skip
    todo, on = [(words, *each) for each in asked if each not in known], about()
    with get_context("spawn").Pool(words.processes, maxtasksperchild=8) as pool, file.open("a") as opened:
        for line in pool.imap_unordered(search, todo, chunksize=1):
            opened.write(json.dumps({**line, "on": on}) + "\n")
            opened.flush()
            known[told(line)] = line
    return [known[each] for each in asked]


def told(line: dict[str, Any]) -> tuple[str, str, int]:
    return line["space"], line["method"], line["seed"]


if __name__ == "__main__":
    main()
