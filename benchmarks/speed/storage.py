"""What it costs to keep a trial: azora's journal beside Optuna's relational storage, equally durable.

`python benchmarks/speed/storage.py` prints JSON. Both write to SQLite files in one folder, with a write-ahead log and
synchronous commits (`PRAGMA synchronous=FULL`; read back from both and printed). They take turns in blocks of trials,
for a disk that others use is quick and slow from one moment to the next, and the ratio is that of the medians of all
blocks; minima stand beside it. The proposals are the same six categorical choices of nb201, made beforehand: what a
strategy or sampler thinks is not counted.

A trial is what a user of each library writes: of azora, `Study.asked` and `Study.told`; of Optuna, `Study.ask` with the
distributions of the choices and `Study.tell`, under a sampler that looks values up. `bare_commit_ms` is one row written
and committed to a file of its own: what the disk alone takes. `per_s` is trials a second.
"""

from __future__ import annotations

import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sql

from azora.bench.writing import provenance
from azora.networks.nb201 import NB201
from azora.optuna import parameters
from azora.space import Architecture
from azora.study import SqlJournal, Study
from azora.tasks import Signature
from azora.trial import Proposal, Report

BLOCKS, TRIALS = 10, 8
SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "extra"}


class Given(optuna.samplers.BaseSampler):
    """Suggests what was decided before, so that only storing is timed."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self.rows = rows

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return self.distributions

    distributions: dict[str, Any]

    def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
        return next(self.rows)

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        raise AssertionError("every parameter is given")


def durable(connection: Any, record: object) -> None:
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")


def pragmas(connection: Any) -> str:
    (mode,) = connection.exec_driver_sql("pragma journal_mode").fetchone()
    (synchronous,) = connection.exec_driver_sql("pragma synchronous").fetchone()
    return f"journal_mode={mode}, synchronous={SYNCHRONOUS[synchronous]}"


def azora_trials(file: Path, made: list[Architecture], space: NB201) -> tuple[Callable[[int], None], str]:
    """What runs so many trials, and how durable they are."""
    journal = SqlJournal(file)
    study, rest = Study(journal, space), iter(made)

    def trials(count: int) -> None:
        for _ in range(count):
            number = study.asked(Proposal(next(rest), origin="given"))
            study.told(number, Report({"accuracy": 0.5}, seconds=1.0))

    return trials, pragmas(journal._connection)


def optuna_trials(file: Path, made: list[Architecture], space: NB201) -> tuple[Callable[[int], None], str]:
    """What runs so many trials, and how durable they are."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    sql.event.listen(storage.engine, "connect", durable)
    storage.engine.dispose()  # connections from before would not be durable
    seen = parameters(space)
    sampler = Given({seen[name].name: seen[name].value(each[name]) for name in each} for each in made)
    sampler.distributions = {parameter.name: parameter.distribution for parameter in seen.values()}
    study = optuna.create_study(storage=storage, sampler=sampler, direction="maximize")

    def trials(count: int) -> None:
        for _ in range(count):
            study.tell(study.ask(sampler.distributions), 0.5)

    with storage.engine.connect() as connection:
        return trials, pragmas(connection)


def bare_commits(file: Path) -> Callable[[int], None]:
    bare = sqlite3.connect(file)
    durable(bare, None)
    bare.execute("create table events (id integer primary key, body text)")

    def commits(count: int) -> None:
        for _ in range(count):
            bare.execute("insert into events (body) values (?)", ("x" * 400,))
            bare.commit()

    return commits


def main() -> None:
    seed, on = int(sys.argv[1]) if len(sys.argv) > 1 else 0, provenance()
    space, rng = NB201(Signature("classification", (3, 32, 32), 10)), random.Random(seed)
    made = [space.sample(rng) for _ in range((BLOCKS + 1) * TRIALS)]
    with tempfile.TemporaryDirectory(dir=".") as folder:
        ours, our_durability = azora_trials(Path(folder) / "azora.db", made, space)
        theirs, their_durability = optuna_trials(Path(folder) / "optuna.db", made, space)
        turns = {"azora": ours, "optuna": theirs, "bare": bare_commits(Path(folder) / "bare.db")}
        spent: dict[str, list[float]] = {name: [] for name in turns}
        for block in range(BLOCKS + 1):
            for name, trials in turns.items():
                begun = time.perf_counter()
                trials(TRIALS)
                if block:  # the first warms up
                    spent[name].append(1e3 * (time.perf_counter() - begun) / TRIALS)
    middle = {name: statistics.median(each) for name, each in spent.items()}
    found = {
        "benchmark": "storage",
        "seed": seed,
        "trials": BLOCKS * TRIALS,
        "azora_ms": round(middle["azora"], 3),
        "azora_least_ms": round(min(spent["azora"]), 3),
        "azora_per_s": round(1e3 / middle["azora"]),
        "azora_durability": our_durability,
        "optuna_ms": round(middle["optuna"], 3),
        "optuna_least_ms": round(min(spent["optuna"]), 3),
        "optuna_per_s": round(1e3 / middle["optuna"]),
        "optuna_durability": their_durability,
        "bare_commit_ms": round(middle["bare"], 3),
        "ratio": round(middle["optuna"] / middle["azora"], 1),
        "least_ratio": round(min(spent["optuna"]) / min(spent["azora"]), 1),
        "optuna": optuna.__version__,
        "commit": on["commit"],
        "machine": on,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
