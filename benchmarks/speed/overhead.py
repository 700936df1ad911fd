"""What a trial costs beside its judgement: strategy and journal, with an evaluator that is free.

`python benchmarks/speed/overhead.py [SEED]` prints JSON. On disk, a trial is compared with a bare synchronous commit to
SQLite in the same folder; the two take turns, so that a busy disk hits both alike. A trial is two events, `asked` and
`told`, of which only `told` must be durable before the strategy hears of it.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from azora.executors import InlineExecutor
from azora.loop import Budget, search
from azora.networks.nb201 import NB201
from azora.strategies import RegularizedEvolution
from azora.study import MemoryJournal, SqlJournal, Study
from azora.study.journal import Journal
from azora.tasks import Signature
from azora.trial import Proposal

TURNS, TRIALS, IN_MEMORY = 7, 60, 2_000


def free(proposal: Proposal) -> dict[str, float]:
    """A judgement that costs nothing."""
    return {"accuracy": int(proposal.architecture.key[:4], 16) / 65536}


def per_trial(journal: Journal, trials: int, seed: int) -> float:
    """Milliseconds a trial of evolution on nb201."""
    space = NB201(Signature("classification", (3, 32, 32), 10))
    study, strategy = Study(journal, space), RegularizedEvolution(space, seed, population=50, tournament=10)
    begun = time.perf_counter()
    search(strategy, InlineExecutor(free), study, Budget.of(trials=trials))
    return 1e3 * (time.perf_counter() - begun) / trials


def per_commit(file: Path, commits: int) -> float:
    """Milliseconds a synchronous commit of one row of a trial's size, without azora."""
    connection = sqlite3.connect(file)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute("create table if not exists events (id integer primary key, body text)")
    begun = time.perf_counter()
    for _ in range(commits):
        connection.execute("insert into events (body) values (?)", ("x" * 400,))
        connection.commit()
    spent = time.perf_counter() - begun
    connection.close()
    return 1e3 * spent / commits


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    trials, commits = [], []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for turn in range(TURNS):
            journal = SqlJournal(Path(folder) / f"study{turn}.db")
            trials.append(per_trial(journal, TRIALS, seed))
            journal.close()
            commits.append(per_commit(Path(folder) / f"bare{turn}.db", TRIALS))
    ratios = [trial / commit for trial, commit in zip(trials, commits, strict=True)]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    found = {
        "benchmark": "overhead",
        "seed": seed,
        "trial_ms_on_disk": round(statistics.median(trials), 3),
        "bare_commit_ms": round(statistics.median(commits), 3),
        "ratio": round(statistics.median(ratios), 2),
        "trial_ms_in_memory": round(per_trial(MemoryJournal(), IN_MEMORY, seed), 3),
        "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
