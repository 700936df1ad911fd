"""Whether the strategy for a task can be chosen by evidence: strategies × tasks × budgets × seeds, trained for real.

`python benchmarks/quality/selection.py run DATA [--budgets 20 60] [--seeds 4] [--processes 2]` lets each strategy
search `cells` on fourteen tasks, two of each of the seven data sets in the folder DATA: of half of the classes a *few*
pictures (300 to search by), and of the other half *many* (up to 3,000), all of 14 × 14 pixels, so that within the same
time ten times as many networks can be trained for the one. Up to 2,000 others are the test. Each search has one core: a
line a run in `benchmarks/results/selection/runs.jsonl`. A run that is there is not run again, be it
one that failed: that is a result as well. With `--again` those that failed are; the last line of a run counts. So a
night can be had in parts, on several machines of one processor; where a run of another one is there, nothing is begun.
A seed has its turn with all budgets, tasks and strategies before the next has, and how much is left is said on stderr.
Where twice as many searches as there are strategies, one after another, fail within a third of their time, it is the
machine or the checkout that fails: it ends with what the last of them said, and none of these is kept as a result.

`python benchmarks/quality/selection.py fold` moves the lines into `runs.jsonl.gz` beside it, to be committed; what is
there counts as before.

`python benchmarks/quality/selection.py pack DATA` writes what is there as the evidence that comes with azora.

`python benchmarks/quality/selection.py score DATA` chooses for each case by the cases of *other* data sets, on the even
seeds, and looks at the accuracy of what was chosen on the odd ones (and the other way round). A run that failed counts
as the worst accuracy that any run had on that task in that time; those of strategies that are not `STRATEGIES` do not
count. Regret is to the best strategy of a case, as a share
of what lies between its best and its worst. Beside it stand the strategy that is the best over all other data sets,
the rules (what azora's own say of that very search), chance, and the oracle: the best on the half that chooses. And
the single strategy that has the least regret of all in hindsight (`single in hindsight`): a stronger rival than whoever
has to choose one beforehand, which of strategies that are nearly equal on other data sets may take the wrong one. Cases
that lack a strategy in one of the halves are left out, and counted. Prints JSON, with the middle 95 % over resamples of
data sets.

Of a night that is not over, both take of each case the seeds alone that all of its strategies have; how many runs are
of others is told (`uneven`). Both tell how many failed and the commits that runs are of, and refuse runs of several
processors.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import lru_cache
from itertools import product
from pathlib import Path
from queue import SimpleQueue
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from keeping import Progress, alone, appending, fold, lines_of, made_on, refuse_runs_elsewhere

from azora.automl.choosing import by_rules
from azora.bench.writing import provenance
from azora.job import Job
from azora.meta import describe_task
from azora.meta.evidence import FILE, Experience, Situation, choose, write_evidence
from azora.tasks import load_task
from tasks import CUTS, pictures

RUNS = Path(__file__).parents[1] / "results" / "selection" / "runs.jsonl"
STRATEGIES = ("halving", "evolution", "bayesian", "spos", "darts-", "random")
HINDSIGHT = "single in hindsight"
SPACE = "cells"
SIZES = ("few", "many")
FEW, MANY, TEST = 300, 3_000, 2_000  # pictures
TASKS = [f"{name}_{size}" for name in CUTS for size in SIZES]
PATIENCE = 300.0  # seconds beyond its budget after which a search is ended
SOON = 1 / 3  # of its budget: a search that fails before that may never have begun
Key = tuple[str, float, str, int]
Runs = Mapping[Key, Mapping[str, Any]]


def key_of(line: Mapping[str, Any]) -> Key:
    return line["task"], line["seconds"], line["strategy"], line["seed"]


def read_runs() -> dict[Key, dict[str, Any]]:
    """The last line of each run; what a kill cut short is no line."""
    return {key_of(line): line for line in lines_of(RUNS)}


@lru_cache(maxsize=2)
def cut(folder: str, name: str) -> dict[str, np.ndarray]:
    """The arrays of a task, pictures as (N, C, H, W): the same for ever."""
    source, size = name.rsplit("_", 1)
    rows, classes = FEW if size == SIZES[0] else MANY, CUTS[source][SIZES.index(size)]
    with np.load(Path(folder) / f"{source}.npz") as arrays:
        parts = [pictures(arrays, part, list(classes), MANY + TEST) for part in ("train", "test")]
    x, y = (np.concatenate(each)[: MANY + TEST] for each in zip(*parts, strict=True))
    test = min(TEST, len(y) // 3)
    order = np.random.default_rng(0).permutation(len(y))
    learned, judged = order[test:][:rows], order[:test]
    return {"x_train": x[learned], "y_train": y[learned], "x_test": x[judged], "y_test": y[judged]}


def write_task(data: Path, name: str, folder: Path) -> Path:
    """A task as each search is given it."""
    file = folder / f"{name}.npz"
    np.savez(file, **cut(str(data), name))
    return file


def run(
    data: Path, budgets: Sequence[float], seeds: int, strategies: Sequence[str], processes: int, again: bool
) -> None:
    """Raises SystemExit: what is there is of another processor, or `keep` says so."""
    there = read_runs()
    refuse_runs_elsewhere(RUNS, there.values(), provenance())
    known = {key for key, line in there.items() if not (again and "error" in line)}
    asked = product(range(seeds), budgets, TASKS, strategies)
    every = [(name, seconds, strategy, seed) for seed, seconds, name, strategy in asked]
    todo = [key for key in every if key not in known]
    free, cores = sorted(os.sched_getaffinity(0))[:processes], SimpleQueue[int]()
    for core in free:
        cores.put(core)
    left = [seconds for _, seconds, _, _ in todo]
    progress = Progress("selection.py", len(every) - len(todo), left, sum(left) / len(free))
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(len(free)) as pool, appending(RUNS) as append:
        for name in TASKS:
            write_task(data, name, Path(scratch))
        searches = [pool.submit(searched, key, Path(scratch), cores) for key in todo]
        try:
            keep((each.result() for each in as_completed(searches)), 2 * len(strategies), append, progress)
        finally:
            pool.shutdown(cancel_futures=True)


def keep(
    lines: Iterable[Mapping[str, Any]],
    most: int,
    append: Callable[[Mapping[str, Any]], None],
    progress: Callable[[float], None],
) -> None:
    """Append runs as they come; such as failed soon, when one comes that did not, or none comes any more.

    Raises:
        SystemExit: `most` failed soon, one after another. Those are not appended.
    """
    waiting = list[Mapping[str, Any]]()

    def settle() -> None:
        for line in waiting:
            append(line)
            progress(line["seconds"])
            if "error" in line:
                print(f"{', '.join(map(str, key_of(line)))}: {line['error']}", file=sys.stderr, flush=True)
        waiting.clear()

    for line in lines:
        waiting.append(line)
        if "error" not in line or line["took"] >= SOON * line["seconds"]:
            settle()
        elif len(waiting) >= most:
            raise SystemExit(
                f"{most} searches failed soon, one after another, and are not kept; the last said {line['error']}:"
                " mend what is wrong with the machine or the checkout, and start it again"
            )
    settle()


def searched(key: Key, folder: Path, cores: SimpleQueue[int]) -> dict[str, Any]:
    """One search on a core of its own; what it says where it fails, in whatever way: the night goes on."""
    line: dict[str, Any] = dict(zip(("task", "seconds", "strategy", "seed"), key, strict=True))
    core, line["on"] = cores.get(), provenance()  # of now: the checkout may become another before the last search
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as out:
            return {**line, **figures(key, folder, core, Path(out))}
    except Exception as error:
        return {**line, "error": f"{type(error).__name__}: {error}", "took": round(time.monotonic() - begun, 1)}
    finally:
        cores.put(core)


def figures(key: Key, folder: Path, core: int, out: Path) -> dict[str, Any]:
    """Raises RuntimeError, TimeoutExpired, KeyError or ValueError: the search failed, hung, or said something else."""
    name, seconds, strategy, seed = key
    command = ["taskset", "-c", str(core), sys.executable, "-m", "azora", "search", str(folder / f"{name}.npz")]
    command += ["--budget", f"{seconds:g}s", "--strategy", strategy, "--seed", str(seed), "--workers", "1"]
    command += ["--space", SPACE, "--no-memory", "--json", "--quiet", "--out", str(out / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + PATIENCE)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1])
    told = json.loads(done.stdout)
    kept = ("test_accuracy", "validation_accuracy", "judged")
    return {**{each: told[each] for each in kept}, "took": told["seconds"]}


def equal_seeds(runs: Runs) -> dict[Key, Mapping[str, Any]]:
    """Those of seeds that all strategies of their case have: where a night ended, some had one more than others."""
    seeds: dict[tuple[str, float], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for name, seconds, strategy, seed in runs:
        seeds[name, seconds][strategy].add(seed)
    shared = {case: set.intersection(*own.values()) for case, own in seeds.items()}
    return {key: line for key, line in runs.items() if key[3] in shared[key[:2]]}


def experiences(runs: Runs, described: Mapping[str, Mapping[str, float]], part: int | None = None) -> list[Experience]:
    """A case for each task and budget, by test accuracy: of the even (0) or odd (1) seeds, or of all. A run that failed
    has the worst accuracy that any run of that task and budget has; a case of nothing but failures is none."""
    worst: dict[tuple[str, float], float] = {}
    for (name, seconds, _, _), line in runs.items():
        if "error" not in line:
            worst[name, seconds] = min(line["test_accuracy"], worst.get((name, seconds), 1.0))
    grouped: dict[tuple[str, float], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (name, seconds, strategy, seed), line in sorted(runs.items()):
        if part in (None, seed % 2) and (name, seconds) in worst:
            grouped[name, seconds][strategy].append(line.get("test_accuracy", worst[name, seconds]))
    return [
        Experience(name, Situation(described[name], SPACE, seconds), scores, name.rsplit("_", 1)[0])
        for (name, seconds), scores in grouped.items()
    ]


def described(data: Path, names: Collection[str]) -> dict[str, dict[str, float]]:
    """The features of tasks, as a search has them."""
    with tempfile.TemporaryDirectory() as scratch:
        return {name: describe_task(load_task(write_task(data, name, Path(scratch))).search_data) for name in names}


def pack(data: Path) -> dict[str, Any]:
    """Writes the evidence, and says what it is of.

    Raises:
        SystemExit: there is none, or runs are of several processors.
    """
    every = read_runs()
    on, runs = made_on(RUNS, every.values()), equal_seeds(every)
    found = experiences(runs, described(data, {name for name, *_ in runs}))
    if not (cases := [each for each in found if len(each.scores) > 1]):
        raise SystemExit(f"{RUNS} has {len(every)} runs, and no case of two strategies; run more")
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(write_evidence(cases), encoding="utf-8")
    return {"runs on": on, **counts(runs, every), "cases": len(cases)}


def counts(runs: Runs, every: Runs) -> dict[str, int]:
    failed = sum("error" in line for line in runs.values())
    return {"runs": len(runs), "failed": failed, "uneven": len(every) - len(runs)}


def ruled(data: Path, cases: Sequence[Experience]) -> dict[tuple[str, float], str]:
    """What azora's rules say of the searches of each case."""
    found, asked = {}, sorted({(each.task, each.situation.seconds) for each in cases})
    with tempfile.TemporaryDirectory() as scratch:
        for name, seconds in asked:
            read = load_task(write_task(data, name, Path(scratch)))
            job = Job.parse(task=read, out=scratch, budget=f"{seconds:g}s", workers=1, space=SPACE, strategy="auto")
            found[name, seconds] = by_rules(job, read).strategy
    return found


def regrets(
    known: Sequence[Experience], scored: Sequence[Experience], rules: Mapping[tuple[str, float], str]
) -> list[dict[str, Any]]:
    """Of each case of `scored`: how far each way to choose is behind, chosen by `known`, which are other seeds."""
    found, same = [], {(each.task, each.situation.seconds): each for each in known}
    for case in scored:
        place = (case.task, case.situation.seconds)
        means = {name: float(np.mean(own)) for name, own in case.scores.items()}
        best, worst = max(means.values()), min(means.values())
        lost = {name: (best - mean) / max(1e-9, best - worst) for name, mean in means.items()}
        elsewhere = [each for each in known if each.data != case.data]
        general: dict[str, list[float]] = defaultdict(list)
        for each in elsewhere:
            for name, rank in each.ranks(means).items():
                general[name].append(rank)
        chosen, own = choose(elsewhere, case.situation, list(means)), same[place].ranks(means)
        ways = {
            "chosen": chosen.strategy if chosen else rules[place],
            "best single": min(general, key=lambda name: float(np.mean(general[name]))),
            "rules": rules[place],
            "oracle": min(own, key=lambda name: own[name]),
        }
        line: dict[str, Any] = {way: lost[name] for way, name in ways.items()}
        found.append({**line, "chance": float(np.mean(list(lost.values()))), "data": case.data, "lost": lost})
    return found


def in_hindsight(lines: Sequence[Mapping[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """The strategy whose mean regret over all cases is the least, and the lines with its regret as a way to choose."""
    best = min(lines[0]["lost"], key=lambda name: float(np.mean([line["lost"][name] for line in lines])))
    told = [{name: value for name, value in line.items() if name != "lost"} for line in lines]
    return best, [{**new, HINDSIGHT: line["lost"][best]} for new, line in zip(told, lines, strict=True)]


def halves(runs: Runs, described: Mapping[str, Mapping[str, float]]) -> tuple[list[list[Experience]], int]:
    """The cases by even and by odd seeds, those alone that have every strategy in both; and how many have not."""
    names, both = set(STRATEGIES), [experiences(runs, described, part) for part in (0, 1)]
    whole = [{(each.task, each.situation.seconds) for each in part if set(each.scores) == names} for part in both]
    kept = whole[0] & whole[1]
    asked = {(name, seconds) for name, seconds, _, _ in runs}
    return [[each for each in part if (each.task, each.situation.seconds) in kept] for part in both], len(asked - kept)


def score(data: Path, resamples: int = 2_000) -> dict[str, Any]:
    """Raises SystemExit: no case has enough runs, or they are of several processors."""
    every = {key: line for key, line in read_runs().items() if key[2] in STRATEGIES}
    on, runs = {"on": provenance(), "runs on": made_on(RUNS, every.values())}, equal_seeds(every)
    (even, odd), left_out = halves(runs, described(data, {name for name, *_ in runs}))
    if len({each.data for each in even}) < 2:  # each is chosen for by the others
        raise SystemExit(
            f"{RUNS} has {len(runs)} runs, and {len(even)} cases with all of {', '.join(STRATEGIES)} on even and on "
            "odd seeds; run more, until there are cases of two data sets"
        )
    rules = ruled(data, even)
    best, lines = in_hindsight([*regrets(even, odd, rules), *regrets(odd, even, rules)])
    return {
        **on,
        "cases": len(even),
        "left out": left_out,
        **counts(runs, every),
        HINDSIGHT: best,
        **summary(lines, resamples),
    }


def summary(lines: Sequence[Mapping[str, Any]], resamples: int) -> dict[str, Any]:
    """Means over cases, and the middle 95 % over resamples of data sets."""
    names, rng = sorted({line["data"] for line in lines}), np.random.default_rng(0)
    ways = [way for way in lines[0] if way != "data"]
    by_data = {
        name: np.array([[line[way] for way in ways] for line in lines if line["data"] == name]) for name in names
    }
    drawn = np.stack(
        [np.concatenate([by_data[name] for name in rng.choice(names, len(names))]).mean(0) for _ in range(resamples)]
    )
    means = dict(zip(ways, np.concatenate(list(by_data.values())).mean(0).round(4).tolist(), strict=True))
    at = dict(zip(ways, drawn.T, strict=True))
    rivals = [single for single in ("best single", HINDSIGHT) if single in means]
    closed = {f" of {single}" if single == HINDSIGHT else "": against(single, means, at) for single in rivals}
    return {
        "regret": means,
        "interval": {way: middle(own) for way, own in at.items()},
        **{f"{name}{end}": value for end, told in closed.items() for name, value in told.items()},
        **{f"chosen above {single}": middle(at["chosen"] - at[single]) for single in rivals},
    }


def against(single: str, means: Mapping[str, float], at: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """How much of the gap between one strategy for all and the oracle is closed; `at` are means of resamples."""
    gap, gaps = means[single] - means["oracle"], at[single] - at["oracle"]
    closed = (at[single] - at["chosen"])[gaps > 0] / gaps[gaps > 0]
    return {
        "closed": None if gap <= 0 else round((means[single] - means["chosen"]) / gap, 3),
        "closed interval": middle(closed) if len(closed) else None,
        "resamples with a gap to close": len(closed) / len(gaps),
    }


def middle(each: np.ndarray) -> list[float]:
    found: list[float] = np.percentile(each, (2.5, 97.5)).round(4).tolist()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("run", "fold", "pack", "score"))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--budgets", type=float, nargs="+", default=[20.0, 60.0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--again", action="store_true")
    words = parser.parse_intermixed_args()
    if words.what != "fold" and words.data is None:
        parser.error("say in which folder the data sets are")
    if words.what == "fold":
        with alone("selection.py"):
            fold(RUNS)
    elif words.what == "score":
        print(json.dumps(score(words.data), indent=1))
    elif words.what == "pack":
        print(json.dumps(pack(words.data), indent=1))
    else:
        with alone("selection.py"):
            run(words.data, words.budgets, words.seeds, words.strategies, words.processes, words.again)


if __name__ == "__main__":
    main()
