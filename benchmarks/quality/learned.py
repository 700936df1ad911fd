"""Strategies that were searched for, beside all that azora has, on tables that their search did not see.

`python benchmarks/quality/learned.py TABLE … [--file NAME=learned.json …] [--queries 25 50 150] [--runs 30]
[--out runs/learned]` plays every strategy of azora's, and the composition in each FILE, on every table, as
`azora bench` does, from the same seeds (those that think long make fewer runs there). A regret is what the best network
of the table has more than the one that a run chose, by scores that no search sees where the table has such. Prints
JSON: by table and number of queries the mean regret of each with its 95 % interval (Student's t over runs); and over
all tables that have so many networks the mean gain, which is the share of random search's mean regret that a strategy
saves. `above` says how much less regret a composition has than `evolution` and `bayesian`, paired by seed, with its
interval: more than 0 is better.

What was played on a table is kept in the folder `--out`, by strategy, and not played again. What a file was found on is
told (`provenance`); a table of these says nothing of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from keeping import kept

from azora.bench import Setup, compare
from azora.bench.comparison import contestants
from azora.bench.curves import Figure
from azora.bench.registry import find_file
from azora.bench.writing import provenance
from azora.strategies.learned import digest_of, read_learned
from azora.strategies.registry import STRATEGIES

RANDOM, COMPOSED = "random", "composed"
RIVALS = ("evolution", "bayesian")
Regrets = Mapping[str, Mapping[str, Sequence[float]]]
"""By strategy and number of queries, of each run."""


def played(table: str, name: str, file: Path | None, places: Sequence[int], runs: int, out: Path) -> dict[str, Any]:
    """The regrets of a strategy on a table, by number of queries; kept in `out`."""
    source, queries = find_file(table), max(places)
    digest = None if source is None else hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    asked = {"table": digest or table, "strategy": name, "places": list(places), "runs": runs}
    if file is not None:
        asked["settings"] = digest_of(read_learned(file))
    return kept(
        out / f"{Path(table).name}-{name}.json", asked, partial(_play, table, name, file, queries, places, runs)
    )


def _play(table: str, name: str, file: Path | None, queries: int, places: Sequence[int], runs: int) -> dict[str, Any]:
    on = provenance()
    strategy, settings = (name, {}) if file is None else (COMPOSED, {"file": str(file)})
    found = compare(Setup(table, {strategy: settings}, queries=queries), runs=runs, workers=os.cpu_count() or 1)
    best, curves = found.protocol.best, list(found.curves[strategy].values())
    regrets = {str(place): [abs(best - float(each.at([place], True)[0])) for each in curves] for place in places}
    return {"on": on, "regrets": regrets}


def within(table: str, places: Sequence[int]) -> list[int]:
    """Those that the table has networks for.

    Raises:
        SystemExit: there are none.
    """
    networks = Setup(table, {}, queries=1).protocol().table.networks
    if not (found := [place for place in places if place < networks]):
        raise SystemExit(f"{table} has {networks} networks, too few for --queries {min(places)}; say fewer")
    return found


def figure(values: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """The mean, and half of its 95 % interval."""
    found = Figure.of(values, 0.0)
    half = None if found.high is None or found.mean is None else round(found.high - found.mean, 4)
    return {"mean": None if found.mean is None else round(found.mean, 4), "half": half}


def told(regrets: Regrets, composed: Sequence[str]) -> dict[str, Any]:
    """Of a table: means, and how far compositions are above their rivals."""
    means = {name: {place: figure(own) for place, own in by.items()} for name, by in regrets.items()}
    above: dict[str, Any] = {}
    for name in composed:
        for rival in RIVALS:
            pairs = {place: np.array(regrets[rival][place]) - own for place, own in regrets[name].items()}
            above.setdefault(name, {})[rival] = {place: figure(each) for place, each in pairs.items()}
    return {"regret": means, "above": above}


def gains(tables: Mapping[str, Regrets]) -> dict[str, dict[str, Any]]:
    """By strategy and number of queries: the share of random search's regret that is saved, the mean over tables."""
    found: dict[str, dict[str, list[float]]] = {}
    for regrets in tables.values():
        for name, by in regrets.items():
            for place, own in by.items():
                saved = 1.0 - float(np.mean(own)) / max(1e-9, float(np.mean(regrets[RANDOM][place])))
                found.setdefault(name, {}).setdefault(place, []).append(saved)
    return {name: {place: figure(own) for place, own in by.items()} for name, by in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--file", action="append", default=[], help="NAME=learned.json")
    parser.add_argument("--queries", type=int, nargs="+", default=[25, 50, 150])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("runs/learned"))
    words = parser.parse_intermixed_args()
    files = {name: Path(file) for name, file in (word.split("=", 1) for word in words.file)}
    names = [*contestants([], several=False, recalls=False), *files]
    tables: dict[str, Regrets] = {}
    for table in words.tables:
        places = within(table, words.queries)
        tables[table] = {}
        for name in names:
            entry = STRATEGIES.get(name)
            most = entry.runs if entry is not None and entry.runs is not None and name not in RIVALS else words.runs
            found = played(table, name, files.get(name), places, min(words.runs, most), words.out)
            tables[table][name] = found["regrets"]
            print(f"{table}: {name} {told({name: found['regrets']}, ())['regret']}", file=sys.stderr, flush=True)
    provenances = {name: json.loads(file.read_text(encoding="utf-8"))["provenance"] for name, file in files.items()}
    by_table = {Path(table).name: told(regrets, list(files)) for table, regrets in tables.items()}
    about = {"on": provenance(), "runs": words.runs, "provenance": provenances}
    print(json.dumps({**about, "tables": by_table, "gain": gains(tables)}, indent=1))


if __name__ == "__main__":
    main()
