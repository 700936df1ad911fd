"""How well shared weights order cells of NAS-Bench-201, with the count of live parameters beside and beneath them.

`python benchmarks/quality/supernet_rank.py TABLE.csv.gz --data cifar10_full.npz [--minutes 20] [--seed 0]` decodes
CIFAR-10 (lossless WebP: `webp_train`, `offsets_train`, `y_train`; another .npz with `x_train, y_train` serves too),
brings its pictures to 16×16 and keeps the last 5,000 rows for validation. Two processes of one thread each then train
one supernet, half of each batch each (with `--supernets 2` one each, of different seeds), and judge random cells by
what they borrow, with batch norm recalibrated (`azora.evaluation.Inherited`). A cell's score is its validation loss, or
its accuracy; of two supernets the mean. With `--tune 30` there are also those after 30 steps of the cell's own. All of
that fits into `--minutes`: training gets what decoding and judging leave. `--clock processor` counts the seconds of a
process on a core, which others who use the machine do not change; on a machine of one's own they are the clock's.

Prints JSON: Kendall's τ of the scores with the table's test accuracy (and among the best fifth), the same of the count
of live parameters, and of the log-rank sum of both; seconds of each part, seeds, settings, commit and machine. With
`--scores FILE`, each supernet's losses and accuracies are kept as .npz.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from zero_cost import agreement, drawn, read

from azora.bench.writing import provenance
from azora.evaluation.inherited import Inherited
from azora.networks.complexity import cost
from azora.networks.nb201 import NB201, to_string
from azora.networks.shared_weights import SharedWeights
from azora.proxies import log_rank
from azora.tasks import SearchData
from azora.tasks.array import Array
from azora.tasks.arrays import from_arrays
from azora.training import Mode, RecipeSettings, SharedTraining, choose_mode, make_paths
from azora.trial import Proposal

SIDE, HELD_OUT = 16, 5_000
CHUNK = 20  # steps between two looks at the clock
TIMED = 10  # cells judged to know what judging will take


@dataclass(frozen=True)
class Part:
    """What one process does."""

    words: argparse.Namespace
    rank: int
    seed: int
    folder: Path
    cells: dict[int, str]  # to judge, in the published notation, by their places
    link: Pair | None


class Pair:
    """Two processes that add their gradients in memory which both see (an `azora.training` link)."""

    count = 2

    def __init__(self, rank: int, sums: Tensor, barrier: Barrier, notes: Connection) -> None:
        self.rank, self._sums, self._barrier, self._notes = rank, sums, barrier, notes

    def tell(self, rate: float, note: str = "") -> None:
        self._notes.send((rate, note))

    def hear(self) -> tuple[float, str] | None:
        heard: tuple[float, str] | None = self._notes.recv()
        return heard

    def end(self) -> None:
        self._notes.send(None)

    def add(self, parts: list[Tensor]) -> None:
        flat = torch.cat([part.reshape(-1) for part in parts])
        self._sums[self.rank, : len(flat)].copy_(flat)
        self._barrier.wait()
        flat = self._sums[:, : len(flat)].sum(0)
        self._barrier.wait()
        shaped = zip(torch.split(flat, [part.numel() for part in parts]), parts, strict=True)
        torch._foreach_copy_(parts, [piece.view(part.shape) for piece, part in shaped])


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


def now(words: argparse.Namespace) -> float:
    """Seconds of this process on a core, or by the clock."""
    return time.process_time() if words.clock == "processor" else time.perf_counter()


def start(words: argparse.Namespace, shared: SharedWeights, data: SearchData, rate: float, seed: int) -> SharedTraining:
    """A supernet before its first step."""
    for module in shared.whole.modules():
        if not words.affine and isinstance(module, torch.nn.BatchNorm2d):
            module.requires_grad_(False)
    recipe = RecipeSettings(
        learning_rate=rate, batch_size=words.batch, label_smoothing=words.smoothing, augmentation=0.0, flip=True
    )
    return SharedTraining(
        shared, data.train, data.signature, data.scaling, recipe, make_paths(words.paths, shared.space), words.epochs,
        seed=seed, mode=Mode.parse(words.precision), ema=words.ema or None, clip=words.clip or None,
    )  # fmt: skip


def train(training: SharedTraining, words: argparse.Namespace, seconds: float, link: Pair | None) -> None:
    """For so long, by oneself or with the other process."""
    if link is not None and link.rank > 0:
        training.follow(link)
        return
    begun = now(words)
    # Without any time left a share would never reach one: then nothing is trained, and `steps` says so.
    training.advance(clock=lambda: (now(words) - begun) / seconds if seconds > 0 else 1.0, join=lambda: link)
    if link is not None:
        link.end()


def work(part: Part, begun: float) -> None:
    """Train a supernet, or half of one, and judge cells with it; what came of it is written into the folder. `begun` is
    as `left` takes it."""
    torch.set_num_threads(1)
    words, data = part.words, SearchData.load(part.folder)
    space = NB201(data.signature, width=words.width, depth=words.depth)
    training = start(words, SharedWeights(space, part.seed, remembered=words.remembered), data, words.rate, part.seed)
    proposals = {place: Proposal(space.from_string(text)) for place, text in part.cells.items()}
    judging = judging_seconds(words, training, data, list(proposals.values()))
    first = now(words)
    train(training, words, left(words, begun) - judging, part.link)
    trained = now(words)
    told: dict[str, Any] = {}
    for kind, evaluate in judges(words, training, data).items():
        judged = {place: evaluate(proposal) for place, proposal in proposals.items()}
        told |= {f"{kind}{name}": {place: judged[place][name] for place in judged} for name in ("loss", "accuracy")}
    told |= {"steps": training.step, "epochs": round(training.epochs, 2)}
    told |= {"training_seconds": round(trained - first, 1), "judging_seconds": round(now(words) - trained, 1)}
    (part.folder / f"{part.rank}.json").write_text(json.dumps(told), encoding="utf-8")


def left(words: argparse.Namespace, begun: float) -> float:
    """The seconds that are left of the minutes.

    Args:
        begun: when all of it began (`time.time()`), or, by the processor, the seconds that the first process took.
    """
    spent = begun + time.process_time() if words.clock == "processor" else time.time() - begun
    return 60 * words.minutes - spent


def judges(words: argparse.Namespace, training: SharedTraining, data: SearchData) -> dict[str, Inherited]:
    """By what is borrowed, and, where it is asked for, after a few steps of the cell's own."""
    calibration = training.calibration(words.calibration)

    def judge(tune: int) -> Inherited:
        return Inherited(
            training.judged, data, calibration, training.scaling, training.mode, metric="loss", also=["accuracy"],
            tune=tune,
        )  # fmt: skip

    return {"": judge(0)} | ({"tuned_": judge(words.tune)} if words.tune else {})


def judging_seconds(
    words: argparse.Namespace, training: SharedTraining, data: SearchData, proposals: list[Proposal]
) -> float:
    """How long it will take to judge all of these, by judging a few."""
    begun = now(words)
    for evaluate in judges(words, training, data).values():
        for proposal in proposals[:TIMED]:
            evaluate(proposal)
    return (now(words) - begun) * len(proposals) / TIMED


def parts(words: argparse.Namespace, folder: Path, data: SearchData, names: list[str]) -> list[Part]:
    """What each process does: a supernet of its own, or half of one."""
    cells = dict(enumerate(names))
    if words.supernets > 1:
        return [Part(words, rank, 2 * words.seed + rank, folder, cells, None) for rank in (0, 1)]
    if not words.linked:
        return [Part(words, 0, words.seed, folder, cells, None)]
    context = get_context("spawn")
    numbers = SharedWeights(NB201(data.signature, width=words.width, depth=words.depth)).parameters()
    sums = torch.zeros(2, sum(each.numel() for each in numbers)).share_memory_()
    barrier, ends = context.Barrier(2), context.Pipe()
    halves = [{place: text for place, text in cells.items() if place % 2 == rank} for rank in (0, 1)]
    links = [Pair(rank, sums, barrier, ends[rank]) for rank in (0, 1)]
    return [Part(words, rank, words.seed, folder, halves[rank], links[rank]) for rank in (0, 1)]


def run(todo: list[Part], begun: float) -> list[dict[str, Any]]:
    """What the processes made of it."""
    processes = [get_context("spawn").Process(target=work, args=(part, begun)) for part in todo]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [json.loads((part.folder / f"{part.rank}.json").read_text(encoding="utf-8")) for part in todo]


def whole(words: argparse.Namespace, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One for each supernet: halves are put together, and scores in the order of the cells."""
    together = made if words.supernets > 1 or not words.linked else [made[0]]
    for name in scores_of(made):
        if together is not made:
            together[0][name] |= made[1][name]
        for each in together:
            each[name] = [each[name][place] for place in sorted(each[name], key=int)]
    return together


def scores_of(made: list[dict[str, Any]]) -> list[str]:
    """The names of what every cell has a figure of."""
    return [name for name in made[0] if name.endswith(("loss", "accuracy"))]


def main() -> None:
    begun = time.time()
    words, on = arguments(), about()
    rows = read(words.table)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), search_data(words)
        data.save(folder)
        words.precision = choose_mode(words.precision, data.signature).name
        table_space = NB201(data.signature)
        cells = drawn(rows, words.column, words.cells, words.cells_seed, table_space)
        names = [to_string(architecture) for architecture, _, _ in cells]
        todo = parts(words, folder, data, names)
        decoded = time.process_time() if words.clock == "processor" else time.time() - begun
        made = whole(words, run(todo, decoded if words.clock == "processor" else begun))
    truth = np.array([figure for _, figure, _ in cells])
    params = np.array([cost(table_space, architecture)["params"] for architecture, _, _ in cells])
    if words.scores:
        kept = {name: np.array([each[name] for each in made]) for name in scores_of(made)}
        np.savez(words.scores, truth=truth, params=params, **kept)
    told = {"table": words.table.name, "column": words.column, "cells": len(cells)}
    told |= {"settings": {name: str(value) for name, value in sorted(vars(words).items()) if name not in UNTOLD}}
    told |= agreements(made, truth, params)
    told["supernets"] = [{name: each[name] for name in each if name not in scores_of(made)} for each in made]
    told["seconds"] = {"decoding": round(decoded, 1), "all_by_the_clock": round(time.time() - begun, 1)}
    print(json.dumps(told | on, indent=1))


def agreements(made: list[dict[str, Any]], truth: Array, params: Array) -> dict[str, Any]:
    """Of the mean over all supernets, and of each alone."""
    found: dict[str, Any] = {"params": agreement(params, truth)}
    for name in scores_of(made):
        each = [(-1 if name.endswith("loss") else 1) * np.array(one[name]) for one in made]
        both = log_rank({name: list(np.mean(each, 0)), "params": list(params)})
        found[f"by_{name}"] = agreement(np.mean(each, 0), truth)
        found[f"log_rank_{name}_params"] = agreement(np.array(both), truth)
        found[f"by_{name}_of_each"] = [agreement(one, truth)["kendall"] for one in each]
        found[f"spread_of_{name}"] = [round(float(value), 4) for value in np.quantile(np.mean(each, 0), QUANTILES)]
    return found


def about() -> dict[str, Any]:
    """What ran it, each process with one thread. To be asked before a run."""
    on = provenance()
    return {"commit": on["commit"], "machine": {**on, "threads": 1}}


QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
UNTOLD = ("table", "data", "scores", "column", "cells", "remembered", "epochs")
SETTINGS: dict[str, Any] = {
    "paths": "fair",
    "width": 8,
    "depth": 1,
    "batch": 128,
    "rate": 0.1,
    "clip": 5.0,
    "smoothing": 0.0,
    "rows": 45_000,
    "validation": 2_000,
    "calibration": 1_024,
    "precision": "measure",
    "epochs": 100.0,
    "remembered": 16_000,
    "ema": 0.0,
    "tune": 0,
    "minutes": 20.0,
    "supernets": 1,
    "cells": 300,
    "cells-seed": 0,
    "seed": 0,
    "clock": "wall",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--column", default="c10_test200")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--affine", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--linked", action=argparse.BooleanOptionalAction, default=True)
    for name, value in SETTINGS.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return parser.parse_args()


if __name__ == "__main__":
    main()
