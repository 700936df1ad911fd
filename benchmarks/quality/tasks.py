"""Small real tasks with one space: what a memory of some data sets is worth on another.

`python benchmarks/quality/tasks.py train DATA [OUT] [--networks 200]` cuts fourteen tasks of five or six classes out of
the seven data sets in the folder DATA, brings their pictures to 14 × 14 pixels, and trains the same random cells of
`digits-cells` on each: 600 rows, 6 epochs, one seed a task. Up to 1,500 rows are to search by and as many are held out:
of fewer, what is best in a table is luck that no other task tells of. One JSON a training is appended to
OUT/TASK.jsonl, with the commit and the machine (`on`); a training that is there is not done again, so it can be had in
parts, on several machines of one processor: where a training of another one is there, nothing is begun. All tasks have
their first fifty networks before one has more, and how much is left is said on stderr.

`python benchmarks/quality/tasks.py fold [OUT]` moves the lines into TASK.jsonl.gz beside them, to be committed; what is
there counts as before.

`python benchmarks/quality/tasks.py pack DATA [OUT [RESULTS]] [--networks 200]` writes what is there as a table a task
(TASK.csv.gz and TASK.toml, with the features of the task), for `azora bench`; not before so many networks of all tasks
are trained, but of fewer where that is asked for. It tells the commits and refuses trainings of several processors.

`python benchmarks/quality/tasks.py score [RESULTS] [--runs 30]` searches each table with a memory of all tasks of
*other* data sets (a hundred networks of each, drawn anew for each run), and without: regret after 5, 10 and 25
networks, of what the search saw and of what it did not, of `bayesian` (cold), `transfer`, `portfolio` and random
search. Prints JSON: how many networks each table has, and means over tasks with the middle 95 % over resamples of data
sets. A regret that there is none of, as a search ended before that, is null, and so is its mean. Those of a task go to
stderr as soon as they are known, and into RESULTS/scores: of the same tables they are not played again.

OUT and RESULTS are `benchmarks/results/tasks` unless said.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from keeping import Progress, alone, appending, fold, kept, lines_of, made_on, refuse_runs_elsewhere

from azora.bench import Setup, compare
from azora.bench.memory import record_of
from azora.bench.registry import find_table
from azora.bench.writing import provenance
from azora.meta import Record, describe_task, write_records
from azora.networks.complexity import cost
from azora.networks.decide import As
from azora.networks.digits_cells import DigitsCells
from azora.tasks import Scaling, SearchData, Signature, Split
from azora.training import MODES, Training, outputs

sys.path.append(str(Path(__file__).parents[1] / "make"))
from digits_cells import RECIPE, codes

TRAIN, VALIDATION, TEST, EPOCHS, SIDE = 600, 1_500, 1_500, 6, 14
MOST = 4_000  # pictures of each part that are looked at
BLOCK = 50  # networks of a task before the next one's turn: what ends early has as many of each
RESULTS = Path(__file__).parents[1] / "results" / "tasks"
CUTS = {
    "mnist": (range(5), range(5, 10)),
    "fashion_mnist": (range(5), range(5, 10)),
    "notmnist": (range(5), range(5, 10)),
    "bangla_digits": (range(5), range(5, 10)),
    "bhmsds": (range(6), range(6, 12)),
    "tinyimagenet_animals": (range(5), range(5, 10)),
    "cifar10_full": (range(5), range(5, 10)),
}
TASKS = [f"{name}_{'ab'[half]}" for name in CUTS for half in (0, 1)]
STRATEGIES = ("bayesian", "transfer", "portfolio")
HEADER = ("cell", "params", "macs", "seconds", "val", "test")
TOML = """# What is in {name}.csv.gz; benchmarks/quality/tasks.py made it.
architecture = "cell"
notation = "digits-cells"
distinct = true
partial = true
continues = true
percent = true
test = ["test"]

[[fidelity]]
epochs = {epochs}
validation = ["val"]
seconds = "seconds"

[features]
{features}
"""


@lru_cache(maxsize=2)
def task(folder: str, name: str) -> tuple[Signature, Split, Split, Split]:
    """The shape of a task, and its three splits: the same for ever."""
    source, half = name.rsplit("_", 1)
    classes = list(CUTS[source]["ab".index(half)])
    with np.load(Path(folder) / f"{source}.npz") as arrays:
        parts = [pictures(arrays, part, classes, MOST) for part in ("train", "test")]
    (x, y), (x_test, y_test) = parts
    order = np.random.default_rng(0).permutation(len(y))[: TRAIN + VALIDATION]
    x, y = x[order], y[order]
    signature = Signature("classification", x.shape[1:], len(classes), tuple(map(str, classes)))
    train, validation = Split(x[:TRAIN], y[:TRAIN]), Split(x[TRAIN:], y[TRAIN:])
    return signature, train, validation, Split(x_test[:TEST], y_test[:TEST])


def pictures(arrays: Any, part: str, classes: Sequence[int], most: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, C, 14, 14) as uint8 and their classes from 0 on."""
    y = arrays[f"y_{part}"]
    places = np.flatnonzero(np.isin(y, classes))[:most]
    if f"webp_{part}" in arrays:
        x = _decoded(arrays[f"webp_{part}"].tobytes(), arrays[f"offsets_{part}"], places)
    else:
        x = arrays[f"x_{part}"][places]
    pixels = torch.from_numpy(np.ascontiguousarray(x)).permute(0, 3, 1, 2).float()
    small = torch.nn.functional.adaptive_avg_pool2d(pixels, SIDE).round().to(torch.uint8).numpy()
    return small, np.searchsorted(classes, y[places]).astype(np.int64)


def _decoded(raw: bytes, offsets: np.ndarray, places: np.ndarray) -> np.ndarray:
    from PIL import Image

    pictures = (Image.open(io.BytesIO(raw[offsets[place] : offsets[place + 1]])) for place in places.tolist())
    return np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])


def train(job: tuple[str, str, str]) -> dict[str, Any]:
    """One training at a constant rate, its averaged weights judged at the end."""
    torch.set_num_threads(1)
    folder, name, code = job
    signature, rows, validation, test = task(folder, name)
    space = DigitsCells(signature)
    torch.manual_seed(0)
    network = space.build(As(space.from_code(code)))
    begun = time.process_time()
    training = Training(network, rows, signature, Scaling.of(rows, False), RECIPE, seed=0, mode=MODES["float32"])
    training.advance(EPOCHS)
    seconds, judged = time.process_time() - begun, training.judging_network()
    found = {}
    for split, part in (("val", validation), ("test", test)):
        answers = outputs(judged, part.x, signature, training.scaling)
        found[split] = round(float((answers.argmax(axis=1) == part.y).mean()), 4)
    return {"code": code, "task": name, **found, "seconds": round(seconds, 4)}


def train_all(folder: Path, out: Path, networks: int, processes: int) -> None:
    """Raises SystemExit: what is there is of another processor, or a process that trains was killed."""
    on, wanted = provenance(), codes()[:networks]
    known = {name: trained(out, name) for name in TASKS}
    refuse_runs_elsewhere(out, [line for own in known.values() for line in own.values()], on)
    parts = [
        (name, jobs)
        for start in range(0, len(wanted), BLOCK)
        for name in TASKS
        if (jobs := [(str(folder), name, code) for code in wanted[start : start + BLOCK] if code not in known[name]])
    ]
    left = [1.0 for _, jobs in parts for _ in jobs]
    progress = Progress("tasks.py", len(wanted) * len(TASKS) - len(left), left)
    try:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            for name, jobs in parts:
                with appending(out / f"{name}.jsonl") as append:
                    for found in pool.map(train, jobs, chunksize=4):
                        append({**found, "on": on})
                        progress(1.0)
    except BrokenProcessPool as error:
        raise SystemExit(f"{error} What is in {out} stays: start it again, and it goes on") from error


def fold_all(out: Path) -> None:
    for name in TASKS:
        fold(out / f"{name}.jsonl")


def trained(out: Path, name: str) -> dict[str, dict[str, Any]]:
    """The networks of a task that are there, by their codes."""
    return {each["code"]: each for each in lines_of(out / f"{name}.jsonl")}


def pack(data: Path, out: Path, results: Path, networks: int) -> dict[str, Any]:
    """Writes the tables, and says what they are of.

    Raises:
        SystemExit: some networks are not trained yet, or not all on one processor.
    """
    order = codes()[:networks]
    wanted, done = set(order), {name: trained(out, name) for name in TASKS}
    if short := [f"{name} has {len(wanted & own.keys())}" for name, own in done.items() if not wanted <= own.keys()]:
        most = next(place for place, code in enumerate(order) if any(code not in own for own in done.values()))
        raise SystemExit(
            f"of {len(wanted)} networks {', '.join(short)}: train the rest, or ask for fewer by --networks"
            f" (all tasks have the first {most})"
        )
    on = made_on(out, [own[code] for own in done.values() for code in order])
    results.mkdir(parents=True, exist_ok=True)
    for name in TASKS:
        signature, rows, validation, _ = task(str(data), name)
        features = describe_task(SearchData(signature, rows, validation, Scaling.of(rows, False)))
        space, text = DigitsCells(signature), io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        for each in (done[name][code] for code in sorted(wanted)):
            about = cost(space, space.from_code(each["code"]))
            scores = (f"{100 * each[split]:.2f}" for split in ("val", "test"))
            writer.writerow([each["code"], about["params"], about["macs"], each["seconds"], *scores])
        (results / f"{name}.csv.gz").write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))
        told = "\n".join(f"{each} = {value}" for each, value in features.items())
        (results / f"{name}.toml").write_text(TOML.format(name=name, epochs=EPOCHS, features=told), encoding="utf-8")
    return {"runs on": on, "tasks": len(TASKS), "networks": len(wanted)}


def score(results: Path, runs: int, recall: int) -> dict[str, Any]:
    files = {file.name.removesuffix(".csv.gz"): file for file in sorted(results.glob("*.csv.gz"))}
    records = {name: record_of(find_table(str(file))) for name, file in files.items()}
    found, commits, on = dict[str, Any](), set[str](), provenance()
    every = sorted([*files.values(), *results.glob("*.toml")])
    whole = hashlib.sha256(b"".join(file.read_bytes() for file in every)).hexdigest()[:16]
    asked = {"runs": runs, "recall": recall, "tables": whole}
    for name, file in files.items():
        others = [each for other, each in records.items() if source_of(other) != source_of(name)]
        place = results / "scores" / f"{name}-{runs}-{recall}-{whole}.json"
        told = kept(place, asked, partial(scored, name, file, others, runs, recall))
        found[name] = told["figures"]
        commits.add(str(told["on"].get("commit")))
        print(json.dumps({name: found[name]}), file=sys.stderr, flush=True)
    about = {"runs": runs, "recall": recall, "on": on, "commits": sorted(commits)}
    return {**about, "tasks": found, "mean": means(found)}


def scored(name: str, file: Path, others: Sequence[Record], runs: int, recall: int) -> dict[str, Any]:
    """The regrets on one table, searched with a memory of `others`."""
    networks, on = find_table(str(file)).networks, provenance()
    found: dict[str, Any] = {"networks": networks}
    with tempfile.TemporaryDirectory() as scratch:
        memory = Path(scratch) / f"{name}.json"
        memory.write_text(write_records(others), encoding="utf-8")
        for strategy in STRATEGIES:
            recalls = {} if strategy == "bayesian" else {"memory": str(memory), "recall": recall}
            setup = Setup(str(file), {"random": {}, strategy: {}}, queries=min(25, networks), **recalls)
            figures = compare(setup, runs=runs, workers=os.cpu_count() or 1).figures
            for each in ("random", strategy):
                found[each] = {
                    f"{place:g}": {"held out": rounded(figure.regret), "seen": rounded(figure.seen_regret)}
                    for place, figure in figures[each].items()
                }
    return {"on": on, "figures": found}


def source_of(name: str) -> str:
    """The data set that a task is cut from."""
    return name.rsplit("_", 1)[0]


def rounded(figure: float | None) -> float | None:
    """None stays what it is: no figure, and not a perfect one."""
    return None if figure is None else round(figure, 3)


def means(found: dict[str, Any], resamples: int = 2_000) -> dict[str, Any]:
    """Over tasks: the mean regret of each strategy, and of its share of the cold search's; with the middle 95 % over
    resamples of the data sets that the tasks were cut from. At the places that all tasks have; None where one has no
    figure."""
    tasks, sources = list(found), [source_of(name) for name in found]
    names, rng = sorted(set(sources)), np.random.default_rng(0)
    cut = {name: [at for at, source in enumerate(sources) if source == name] for name in names}
    drawn = [[at for name in rng.choice(names, len(names)) for at in cut[name]] for _ in range(resamples)]
    told: dict[str, Any] = {}
    for strategy in ("random", *STRATEGIES):
        told[strategy] = {}
        for place in (
            each for each in found[tasks[0]]["random"] if all(each in found[name]["random"] for name in tasks)
        ):
            for kind in ("seen", "held out"):
                own, cold = ([found[name][one][place][kind] for name in tasks] for one in (strategy, "bayesian"))
                told[strategy].setdefault(place, {})[kind] = mean(own, cold, drawn)
    return told


def mean(own: list[float | None], cold: list[float | None], drawn: list[list[int]]) -> dict[str, Any]:
    if None in own or None in cold:
        return {"mean": None, "of cold": None}
    mine, theirs = np.array(own, float), np.array(cold, float)
    by_mean = [mine[rows].mean() for rows in drawn]
    shares = [mine[rows].sum() / max(1e-9, theirs[rows].sum()) for rows in drawn]
    return {
        "mean": round(float(mine.mean()), 3),
        "mean interval": np.percentile(by_mean, (2.5, 97.5)).round(3).tolist(),
        "of cold": round(float(mine.sum() / max(1e-9, theirs.sum())), 3),
        "of cold interval": np.percentile(shares, (2.5, 97.5)).round(3).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("train", "fold", "pack", "score"))
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--recall", type=int, default=100)
    words = parser.parse_intermixed_args()
    wanted = {"train": 2, "fold": 1, "pack": 3, "score": 1}[words.what]
    if wanted > 1 and not words.folders:
        parser.error("say in which folder the data sets are")
    folders = [*words.folders, *[RESULTS] * wanted][:wanted]
    with alone("tasks.py"):
        if words.what == "train":
            train_all(*folders, words.networks, words.processes)
        elif words.what == "fold":
            fold_all(folders[0])
        elif words.what == "pack":
            print(json.dumps(pack(*folders, words.networks), indent=1))
        else:
            print(json.dumps(score(folders[0], words.runs, words.recall), indent=1))


if __name__ == "__main__":
    main()
