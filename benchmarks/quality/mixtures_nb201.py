"""What differentiable methods derive on NAS-Bench-201, by the accuracy that the published table has for the cell.

`python benchmarks/quality/mixtures_nb201.py TABLE.csv.gz --data cifar10_full.npz [--minutes 20] [--seeds 3]
[--methods darts gdas …]` brings CIFAR-10 to 16 × 16 pixels and searches with each method and seed in a process of one
thread, two at a time: only the pictures are looked at, and the table for what was derived in the end. The minutes are
those of the search, of one core (decoding the pictures comes before); `--clock processor` counts seconds of the
processor, which others who use the machine do not change. A run that has its file under
`benchmarks/results/mixtures_nb201/` is not run again; one that was interrupted goes on from its last epoch.

Prints JSON: for each method the test accuracy after 200 epochs of the cells, of the cells after each epoch in the last
seed, their skips, and beside all random cells of the table.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from supernet_rank import about, search_data
from torch import Tensor
from zero_cost import read

from azora.evaluation.mixing import Favoured
from azora.methods.mixing import HARDER, MOST_DECAY
from azora.methods.presets import PRESETS
from azora.networks.derivation import Derivation, skips
from azora.networks.nb201 import NB201, to_string
from azora.training import choose_mode
from azora.training.early_stop import APART, eigenvalue_grew
from azora.training.fit_mixture import MixtureTraining
from azora.trial import Proposal

RESULTS = Path(__file__).parents[1] / "results" / "mixtures_nb201"
CLOCKS = {"wall": time.monotonic, "processor": time.process_time}
State = dict[str, Tensor]


def search(words: argparse.Namespace, method: str, seed: int, file: Path) -> dict[str, Any]:
    """One search: what each epoch favoured, and what was derived."""
    torch.set_num_threads(1)
    words.seed = seed
    data = search_data(words)
    space = NB201(data.signature, words.width, 1)
    mode = choose_mode(words.precision, data.signature)
    settings = PRESETS[method].settings
    training = MixtureTraining(space, data.train, data.signature, data.scaling, settings, 50.0, seed=seed, mode=mode)
    states, seen, history, before = list[State](), 0, list[dict[str, Any]](), 0.0
    kept = kept_for(file)
    if kept.is_file():
        states, notes = take_up(kept)
        seen, history, before = notes["seen"], notes["history"], notes["seconds"]
        training.load_state(states[-1])
    clock = CLOCKS[words.clock]
    begun, seconds = clock() - before, 60 * words.minutes
    look = Favoured(training, data)
    while training.share < 1.0:
        training.advance(math.floor(training.epochs + 1e-9) + 1, clock=lambda: (clock() - begun) / seconds)
        derivation = Derivation(space, training.relaxed.options, most_skips=settings.most_skips)
        architecture = derivation.strongest(training.strengths())
        told = dict(look(Proposal(architecture)))
        history.append({"cell": to_string(architecture), **{name: round(value, 5) for name, value in told.items()}})
        # Who may go back needs the states after the last epochs.
        states = [*(states[-APART:] if settings.adapt else []), training.state_tensors()]
        put_down(kept, states, {"seen": seen, "history": history, "seconds": clock() - begun})
        expected = round(len(history) / max(1e-9, training.share))
        grew = eigenvalue_grew([abs(line["eigenvalue"]) for line in history[seen:]], expected)
        if settings.adapt and grew and settings.decay * training.decay_factor * HARDER <= MOST_DECAY:
            share = training.share
            training.load_state(states[0])
            training.share, seen, states = share, len(history), []
            training.harden(HARDER)
    architecture = space.from_string(history[-1]["cell"])
    return {"cell": history[-1]["cell"], "skips": skips(architecture), "epochs": round(training.epochs, 2),
            "seconds": round(clock() - begun, 1), "history": history, "width": words.width, "minutes": words.minutes,
            "clock": words.clock, "mode": mode.name}  # fmt: skip


def kept_for(file: Path) -> Path:
    """Where a run is kept until it has its file."""
    return file.with_suffix(".state")


def put_down(file: Path, states: list[State], notes: dict[str, Any]) -> None:
    """Keep states and notes in one file: whoever is interrupted finds those of one moment, the last one or this."""
    tensors = {f"{place}.{name}": value for place, state in enumerate(states) for name, value in state.items()}
    part = file.with_suffix(".part")
    save_file(tensors, part, {"notes": json.dumps(notes | {"states": len(states)})})
    part.replace(file)


def take_up(file: Path) -> tuple[list[State], dict[str, Any]]:
    """What `put_down` kept."""
    with safe_open(file, "pt") as opened:
        notes = json.loads(opened.metadata()["notes"])
    states: list[State] = [{} for _ in range(notes["states"])]
    for name, value in load_file(file).items():
        place, _, own = name.partition(".")
        states[int(place)][own] = value
    return states, notes


def run(words: argparse.Namespace) -> None:
    """Two searches at a time, each in a process of its own, until every file is there."""
    todo = [(method, seed) for seed in range(words.seeds) for method in words.methods]
    going: list[subprocess.Popen[bytes]] = []
    for method, seed in todo:
        if file_of(words, method, seed).is_file():
            continue
        while len(going) >= words.processes:
            going = [process for process in going if process.poll() is None]
            time.sleep(0.5)
        command = [sys.executable, __file__, *sys.argv[1:], "--only", method, str(seed)]
        going.append(subprocess.Popen(command))
    for process in going:
        process.wait()


def file_of(words: argparse.Namespace, method: str, seed: int) -> Path:
    return RESULTS / f"{words.minutes:g}min-width{words.width}-{method}-{seed}.json"


def main() -> None:
    words = arguments()
    RESULTS.mkdir(parents=True, exist_ok=True)
    table = {row["arch"]: float(row[words.column]) for row in read(words.table)}
    if words.only:
        method, seed = words.only[0], int(words.only[1])
        file, on = file_of(words, method, seed), about()
        found = search(words, method, seed, file)
        found |= {"method": method, "seed": seed, "accuracy": table[found["cell"]]}
        found["accuracies"] = [table[line["cell"]] for line in found["history"]]
        file.write_text(json.dumps({**found, "on": on}, indent=1) + "\n")
        kept_for(file).unlink()
        return
    run(words)
    methods = {}
    for method in words.methods:
        files = [file_of(words, method, seed) for seed in range(words.seeds)]
        runs = [json.loads(file.read_text()) for file in files if file.is_file()]
        values = [each["accuracy"] for each in runs]
        methods[method] = {
            "accuracy": values,
            "mean": round(statistics.mean(values), 3) if values else None,
            "deviation": round(statistics.stdev(values), 3) if len(values) > 1 else None,
            "skips": [each["skips"] for each in runs],
            "epochs": [each["epochs"] for each in runs],
        }
    random_mean = round(statistics.mean(table.values()), 3)
    print(json.dumps({"methods": methods, "random_mean": random_mean, "minutes": words.minutes}, indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--column", default="c10_test200")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=list(PRESETS))
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--rows", type=int, default=0, help="to learn from; 0: all")
    parser.add_argument("--validation", type=int, default=1_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--precision", default="measure")
    parser.add_argument("--clock", default="wall", choices=list(CLOCKS))
    parser.add_argument("--only", nargs=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
