"""What one-shot methods choose, against random networks under the same last training and random search at equal time.

`python benchmarks/quality/one_shot.py DATA.npz [--budget 1200] [--seeds 3] [--systems spos ofa random-cells …]` runs
each system with each seed, one after the other, writes one JSON a run under `benchmarks/results/one_shot/`, and prints
all of them with means. A run that has its file is not run again. The systems are methods by name; `enas-random`, whose
controller draws at random; `random-SPACE`, random search on the space of that method (`spos`: cells, `ofa`: stages)
for the same time; and `eight-SPACE`: eight random networks of it that are quick enough for the budget and have from
half to twice the parameters of the winner of that method's run of the same seed, which must have been run; each is
trained as the last training of a search is, for as long as that took there; `eight-of-METHOD` is the same for any
method, such as `eight-of-darts-`. The test split decides nothing here: it is read for the figures.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any

from azora.bench.writing import provenance

RESULTS = Path(__file__).parents[1] / "results" / "one_shot"
OF_SPACE = {"cells": "spos", "stages": "ofa"}
OF = "of-"
WORDS = {"enas-random": ["--strategy", "enas", "--set", "controller=random"]}
RANDOM_NETWORKS, DRAWS = 8, 10_000
WITHIN = 0.5, 2.0  # of the winner's parameters
KEPT = (
    "test_accuracy", "validation_accuracy", "one_shot", "judged", "trials", "seconds", "final_seconds", "final_epochs",
    "parameters", "macs", "architecture", "machine",
)  # fmt: skip


def space_of(method: str, data: Path) -> tuple[str, Mapping[str, Any]]:
    """The space that a method searches on this data."""
    from azora.methods import find_method
    from azora.tasks import load_task

    made = find_method(method, {})
    found = None if made is None else made.space(load_task(data).signature)
    assert found is not None, f"{method} has no space of its own for {data}"
    return found


def run_search(data: Path, seconds: float, seed: int, words: list[str], keep: Path | None = None) -> dict[str, Any]:
    """One search by the command line, in a process of its own; what it wrote stays in `keep`, if that is given, and
    one that was interrupted there is gone on with."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        command = [sys.executable, "-m", "azora", "search", str(data), "--budget", f"{seconds}s", "--seed", str(seed)]
        command += ["--out", f"{folder}/out", "--no-memory", "--json", "--quiet", *words]
        command += ["--resume"] if (folder / "out" / "study.db").exists() else []
        begun = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        wall = time.monotonic() - begun
    figures = json.loads(done.stdout)
    return {name: figures[name] for name in KEPT if name in figures} | {"wall": round(wall, 1)}


def setting_of(data: Path, seconds: float, seed: int, method: str, out: Path) -> Any:
    """What a search by this method would go by."""
    from azora.automl.setting import Setting
    from azora.job import Job

    return Setting.of(Job.parse(task=data, budget=seconds, seed=seed, strategy=method, out=out))


def drawn(data: Path, seconds: float, seed: int, method: str, parameters: int) -> list[dict[str, Any]]:
    """Decisions of random networks of the method's space, within what is quick enough for the budget, about as large
    as one of so many parameters.

    Raises:
        RuntimeError: there are not as many.
    """
    from azora.automl.pacing import Pacing
    from azora.cores import one_thread
    from azora.methods.phases import of_networks
    from azora.networks.complexity import cost
    from azora.study import StudyFolder
    from azora.training import choose_mode

    with tempfile.TemporaryDirectory() as name, one_thread():
        setting = setting_of(data, seconds, seed, method, Path(name) / "out")
        study = StudyFolder(setting.job.out, resume=False).study(setting.space, setting.about(), time.monotonic())
        pacing = Pacing(setting, study, setting.within_limits())
        pacing.measure(choose_mode(setting.job.precision, setting.data.signature, setting.job.device).name)
        space, rng = of_networks(pacing.space()), random.Random(f"eight {seed}")
        found = (space.sample(rng) for _ in range(DRAWS))
        least, most = (share * parameters for share in WITHIN)
        networks = [
            dict(each)
            for each in islice((n for n in found if least <= cost(space, n)["params"] <= most), RANDOM_NETWORKS)
        ]
        study.close()
    if len(networks) < RANDOM_NETWORKS:
        raise RuntimeError(f"{len(networks)} of {DRAWS} random networks have {least:.0f} to {most:.0f} parameters")
    return networks


def train_one(data: Path, seconds: float, seed: int, method: str, each: float, decisions: Any) -> dict[str, Any]:
    """One network, trained as the last training of a search is, for `each` seconds; its figures of the test split."""
    from azora.automl.winner import train_winner
    from azora.cores import one_thread
    from azora.networks.complexity import parameters
    from azora.tasks import evaluate
    from azora.training import outputs

    with tempfile.TemporaryDirectory() as name, one_thread():
        folder = Path(name)
        setting = setting_of(data, seconds, seed, method, folder / "out")
        winner = train_winner(
            setting,
            setting.space.architecture(**decisions),
            folder / "none",
            folder,
            seconds=each,
            precision=setting.job.precision,
            watch=lambda progress, loss: True,
        )
        test = setting.task.read_test()
        answers = outputs(winner.network, test.x, setting.task.signature, winner.scaling)
        accuracy = evaluate(setting.task.signature, answers, test.y)["accuracy"]
    return {"test_accuracy": accuracy, "epochs": round(winner.epochs, 2), "parameters": parameters(winner.network)}


def to_one_core(cores: Any) -> None:
    """This process and what it starts stay on one core, another one for each process."""
    os.sched_setaffinity(0, {cores.get()})


def run_eight(
    data: Path, seconds: float, seed: int, method: str, beside: Mapping[str, Any], file: Path, *, apart: bool
) -> dict[str, Any]:
    """Random networks of the method's space, within what is quick enough for the budget, each trained for as long as
    the winner `beside` them, and about as large.

    What is finished is kept beside `file` until all are. With `apart` each has one core, and as many are trained side
    by side as there are cores: for methods that had one core themselves.
    """
    kept, mine = file.with_suffix(".part"), sorted(os.sched_getaffinity(0))
    each = beside["final_seconds"]
    if apart:
        os.sched_setaffinity(0, mine[:1])
    if not kept.is_file():
        kept.write_text(json.dumps({"networks": drawn(data, seconds, seed, method, beside["parameters"]), "found": {}}))
    part = json.loads(kept.read_text())
    left = {number: one for number, one in enumerate(part["networks"]) if str(number) not in part["found"]}
    spawn = multiprocessing.get_context("spawn")
    cores = spawn.Queue()
    for core in mine:
        cores.put(core)
    pinned = {"initializer": to_one_core, "initargs": (cores,)} if apart else {}
    with ProcessPoolExecutor(len(mine) if apart else 1, mp_context=spawn, **pinned) as pool:
        asked = {pool.submit(train_one, data, seconds, seed, method, each, one): number for number, one in left.items()}
        for done in as_completed(asked):
            part["found"][str(asked[done])] = done.result()
            kept.write_text(json.dumps(part))
    os.sched_setaffinity(0, mine)
    found = [part["found"][str(number)] for number in range(len(part["networks"]))]
    kept.unlink()
    return {
        "test_accuracy": statistics.mean(one["test_accuracy"] for one in found),
        "networks": found,
        "seconds_each": each,
        "apart": apart,
    }


def run(
    system: str, data: Path, seconds: float, seed: int, file: Path, keep: Path | None, *, apart: bool
) -> dict[str, Any]:
    """One run of a system."""
    kind, _, space = system.partition("-")
    if kind == "eight":
        method = space.removeprefix(OF) if space.startswith(OF) else OF_SPACE[space]
        before = json.loads(file.with_name(file.name.replace(system, method)).read_text())
        return run_eight(data, seconds, seed, method, before, file, apart=apart)
    if kind == "random":
        name, settings = space_of(OF_SPACE[space], data)
        words = ["--strategy", "random", "--space", name]
        for setting, value in settings.items():
            words += ["--set", f"space.{setting}={json.dumps(value)}"]
        return run_search(data, seconds, seed, words)
    return run_search(data, seconds, seed, WORDS.get(system, ["--strategy", system]), keep)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=1200.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--systems", nargs="+", default=["spos", "random-cells", "eight-cells", "ofa"])
    parser.add_argument("--keep", type=Path, help="a folder for what the searches of methods write")
    parser.add_argument("--apart", action="store_true", help="train the networks of an eight side by side, a core each")
    asked = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[float]] = {}
    for seed in range(asked.seeds):
        for system in asked.systems:
            file = RESULTS / f"{asked.data.stem}-{asked.budget:g}s-{system}-{seed}.json"
            if not file.is_file():
                keep = asked.keep and asked.keep / file.stem
                on = provenance()
                figures = run(system, asked.data, asked.budget, seed, file, keep, apart=asked.apart)
                file.write_text(json.dumps({"system": system, "seed": seed, **figures, "on": on}, indent=1) + "\n")
            found.setdefault(system, []).append(json.loads(file.read_text())["test_accuracy"])
    summary = {
        system: {
            "test_accuracy": values,
            "mean": statistics.mean(values),
            "deviation": statistics.stdev(values) if len(values) > 1 else None,
        }
        for system, values in found.items()
    }
    print(json.dumps({"data": asked.data.stem, "budget": asked.budget, "systems": summary}, indent=1))


if __name__ == "__main__":
    main()
