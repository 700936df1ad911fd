"""What a trial costs beside its judgement: strategy and journal, with an evaluator that is free.

`python benchmarks/speed/overhead.py [SEED]` prints JSON. On disk, a trial is compared with a bare synchronous commit to
SQLite in the same folder. The two take turns trial by trial, for a disk that others use is quick and slow from one
moment to the next. A trial is two events, `asked` and `told`, of which only `told` must be durable before the strategy
hears of it. `own_ms` is what azora adds to the commit: it does not depend on the disk, as the ratio does.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from azora.bench.writing import provenance
from azora.executors import InlineExecutor
from azora.loop import Budget, search
from azora.networks.nb201 import NB201
from azora.strategies import RegularizedEvolution
from azora.study import MemoryJournal, SqlJournal, Study
from azora.study.journal import Journal
from azora.tasks import Signature
from azora.trial import Proposal

TURNS, TRIALS, IN_MEMORY = 7, 150, 2_000


def free(proposal: Proposal) -> dict[str, float]:
    """A judgement that costs nothing."""
    return {"accuracy": int(proposal.architecture.key[:4], 16) / 65536}


def per_trial(journal: Journal, trials: int, seed: int, on_trial: Callable[[Study], None]) -> float:
    """Milliseconds a trial of evolution on nb201, with what `on_trial` takes."""
    space = NB201(Signature("classification", (3, 32, 32), 10))
    study, strategy = Study(journal, space), RegularizedEvolution(space, seed, population=50, tournament=10)
    begun = time.perf_counter()
    search(strategy, InlineExecutor(free), study, Budget.of(trials=trials), on_trial)
    return 1e3 * (time.perf_counter() - begun) / trials


def side_by_side(folder: Path, turn: int, seed: int) -> tuple[float, float]:
    """Milliseconds a trial, and a bare commit of one row of a trial's size: one of these after each trial."""
    bare = sqlite3.connect(folder / f"bare{turn}.db")
    bare.execute("pragma journal_mode=wal")
    bare.execute("pragma synchronous=full")
    bare.execute("create table events (id integer primary key, body text)")
    spent = 0.0

    def commit(study: Study) -> None:
        nonlocal spent
        begun = time.perf_counter()
        bare.execute("insert into events (body) values (?)", ("x" * 400,))
        bare.commit()
        spent += time.perf_counter() - begun

    journal = SqlJournal(folder / f"study{turn}.db")
    both = per_trial(journal, TRIALS, seed, commit)
    journal.close()
    bare.close()
    each = 1e3 * spent / TRIALS
    return both - each, each


def main() -> None:
    seed, on = int(sys.argv[1]) if len(sys.argv) > 1 else 0, provenance()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        turns = [side_by_side(Path(folder), turn, seed) for turn in range(TURNS)]
    found = {
        "benchmark": "overhead",
        "seed": seed,
        "trial_ms_on_disk": round(statistics.median(trial for trial, _ in turns), 3),
        "bare_commit_ms": round(statistics.median(bare for _, bare in turns), 3),
        "own_ms": round(statistics.median(trial - bare for trial, bare in turns), 3),
        "ratio": round(statistics.median(trial / bare for trial, bare in turns), 2),
        "trial_ms_in_memory": round(per_trial(MemoryJournal(), IN_MEMORY, seed, lambda study: None), 3),
        "commit": on["commit"],
        "machine": on,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
