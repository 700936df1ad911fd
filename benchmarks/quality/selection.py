"""Whether the strategy for a task can be chosen by evidence: strategies × tasks × budgets × seeds, trained for real.

`python benchmarks/quality/selection.py run DATA [--budgets 45 90] [--seeds 4] [--processes 2]` lets each strategy
search `cells` on the fourteen tasks of `tasks.py` (cut from the seven data sets in the folder DATA, 600 rows each), on
one core each: a line a run in `benchmarks/results/selection/runs.jsonl`, and a run that is there is not run again,
unless it failed: then there is another line, and the last of a run counts.

`python benchmarks/quality/selection.py pack DATA` writes what is there as the evidence that comes with azora.

`python benchmarks/quality/selection.py score` chooses for each case by the cases of *other* data sets, on half of the
seeds, and looks at the accuracy of what was chosen on the other half (and the other way round). Regret is to the best
strategy of a case, as a share of what lies between its best and its worst. Beside it stand the strategy that is the
best over all other data sets, the rules, chance, and the oracle: the best on the half that chooses. Prints JSON, with
the middle 95 % over resamples of data sets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from queue import SimpleQueue
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from azora.automl.advice import advise
from azora.bench.writing import provenance
from azora.meta import describe_task
from azora.meta.evidence import FILE, Experience, Situation, choose, read_evidence, write_evidence
from azora.tasks import Scaling, SearchData, Signature
from tasks import TASKS, task

RUNS = Path(__file__).parents[1] / "results" / "selection" / "runs.jsonl"
STRATEGIES = ("halving", "evolution", "bayesian", "spos", "darts-", "random")
Key = tuple[str, float, str, int]


def key_of(line: Mapping[str, Any]) -> Key:
    return line["task"], line["seconds"], line["strategy"], line["seed"]


def read_runs() -> dict[Key, dict[str, Any]]:
    """The last line of each run."""
    lines = RUNS.read_text(encoding="utf-8").splitlines() if RUNS.is_file() else []
    return {key_of(line): line for line in map(json.loads, lines)}


def run(data: Path, budgets: Sequence[float], seeds: int, strategies: Sequence[str], processes: int) -> None:
    RUNS.parent.mkdir(parents=True, exist_ok=True)
    known = {key for key, line in read_runs().items() if "error" not in line}
    on, cores = provenance(), SimpleQueue[int]()
    for core in sorted(os.sched_getaffinity(0))[:processes]:
        cores.put(core)
    asked = product(range(seeds), budgets, TASKS, strategies)
    todo = [key for seed, seconds, name, strategy in asked if (key := (name, seconds, strategy, seed)) not in known]
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(processes) as pool:
        for name in TASKS:
            _, train, validation, test = task(str(data), name)
            x, y = (np.concatenate([getattr(train, each), getattr(validation, each)]) for each in "xy")
            np.savez(Path(scratch) / f"{name}.npz", x_train=x, y_train=y, x_test=test.x, y_test=test.y)
        with RUNS.open("a", encoding="utf-8") as file:
            for line in pool.map(lambda key: searched(key, Path(scratch), cores), todo):
                file.write(json.dumps({**line, "on": on}) + "\n")
                file.flush()


def searched(key: Key, folder: Path, cores: SimpleQueue[int]) -> dict[str, Any]:
    """One search on a core of its own; what it says where it fails."""
    name, seconds, strategy, seed = key
    core = cores.get()
    with tempfile.TemporaryDirectory() as out:
        command = ["taskset", "-c", str(core), sys.executable, "-m", "azora", "search", str(folder / f"{name}.npz")]
        command += ["--budget", f"{seconds:g}s", "--strategy", strategy, "--seed", str(seed), "--workers", "1"]
        command += ["--space", "cells", "--no-memory", "--json", "--quiet", "--out", f"{out}/out"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    cores.put(core)
    line: dict[str, Any] = dict(zip(("task", "seconds", "strategy", "seed"), key, strict=True))
    if done.returncode:
        return {**line, "error": (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]}
    figures = json.loads(done.stdout)
    kept = ("test_accuracy", "validation_accuracy", "judged")
    return {**line, **{each: figures[each] for each in kept}, "took": figures["seconds"]}


def experiences(described: Mapping[str, Mapping[str, float]]) -> list[Experience]:
    """A case for each task and budget, by test accuracy."""
    grouped: dict[tuple[str, float], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (name, seconds, strategy, _), line in sorted(read_runs().items()):
        found = grouped[name, seconds][strategy]
        if "error" not in line:
            found.append(line["test_accuracy"])
    return [
        Experience(name, Situation(described[name], "cells", seconds), scores, name.rsplit("_", 1)[0])
        for (name, seconds), scores in grouped.items()
    ]


def pack(data: Path) -> None:
    described = {}
    for name in TASKS:
        signature, train, validation, _ = task(str(data), name)
        described[name] = describe_task(SearchData(signature, train, validation, Scaling.of(train, False)))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(write_evidence(experiences(described)), encoding="utf-8")


def half(experience: Experience, part: int) -> Experience:
    """With every other seed."""
    return replace(experience, scores={name: tuple(found[part::2]) for name, found in experience.scores.items()})


def regrets(part: int, cases: Sequence[Experience]) -> list[dict[str, Any]]:
    """Of each case: how far each way to choose is behind, chosen on seeds of one part and scored on the others."""
    found = []
    for case in cases:
        known = [half(each, part) for each in cases if each.data != case.data]
        means = {name: float(np.mean(own)) if own else 0.0 for name, own in half(case, 1 - part).scores.items()}
        best, worst = max(means.values()), min(means.values())
        lost = {name: (best - mean) / max(1e-9, best - worst) for name, mean in means.items()}
        own = half(case, part).ranks(means)
        general: dict[str, list[float]] = defaultdict(list)
        for each in known:
            for name, rank in each.ranks(means).items():
                general[name].append(rank)
        chosen = choose(known, case.situation, list(means))
        ways = {
            "chosen": chosen.strategy if chosen else ruled(case),
            "best single": min(general, key=lambda name: float(np.mean(general[name]))),
            "rules": ruled(case),
            "oracle": min(own, key=lambda name: own[name]),
        }
        line: dict[str, Any] = {way: lost[name] for way, name in ways.items()}
        found.append({**line, "chance": float(np.mean(list(lost.values()))), "data": case.data})
    return found


def ruled(case: Experience) -> str:
    pictures = Signature("classification", (1, 14, 14), 5)
    return advise(pictures, 600, case.situation.seconds, case.situation.workers).strategy


def score(resamples: int = 2_000) -> dict[str, Any]:
    cases, on = read_evidence(), provenance()
    lines = [line for part in (0, 1) for line in regrets(part, cases)]
    names, rng = sorted({line["data"] for line in lines}), np.random.default_rng(0)
    ways = [way for way in lines[0] if way != "data"]
    by_data = {
        name: np.array([[line[way] for way in ways] for line in lines if line["data"] == name]) for name in names
    }
    drawn = np.stack(
        [np.concatenate([by_data[name] for name in rng.choice(names, len(names))]).mean(0) for _ in range(resamples)]
    )
    means = dict(zip(ways, np.concatenate(list(by_data.values())).mean(0).round(4).tolist(), strict=True))
    place = {way: number for number, way in enumerate(ways)}
    behind = drawn[:, place["chosen"]] - drawn[:, place["best single"]]
    gap = means["best single"] - means["oracle"]
    return {
        "on": on,
        "cases": len(cases),
        "runs": len(read_runs()),
        "failed": sum("error" in line for line in read_runs().values()),
        "regret": means,
        "interval": {way: np.percentile(drawn[:, at], (2.5, 97.5)).round(4).tolist() for way, at in place.items()},
        "closed": None if gap <= 0 else round((means["best single"] - means["chosen"]) / gap, 3),
        "chosen above best single": np.percentile(behind, (2.5, 97.5)).round(4).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("run", "pack", "score"))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--budgets", type=float, nargs="+", default=[45.0, 90.0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--processes", type=int, default=2)
    words = parser.parse_args()
    if words.what == "score":
        print(json.dumps(score(), indent=1))
    elif words.what == "pack":
        pack(words.data)
    else:
        run(words.data, words.budgets, words.seeds, words.strategies, words.processes)


if __name__ == "__main__":
    main()
