"""What a memory that misleads costs, and what one that helps gains: a strategy with each, and without any.

`python benchmarks/quality/misleading_memory.py TABLE SOURCE [OTHER …] [--recall 100] [--queries 25] [--runs 30]
[--strategy transfer|halving|evolution|bandit]` searches TABLE with nothing remembered (`cold`); with SOURCE, a table of
the same space; with SOURCE's scores reversed, shuffled, and shuffled among the better half alone; and with each OTHER:
a device's costs as `FILE:COLUMN`, the cheapest taken for the best, or a table of another space, which is of no use and
must do no harm. Prints JSON: regrets by queries, of what the search saw and of what it did not see, with random search
beside; a line for each as soon as it is known, and all together at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from azora.bench import Setup, compare
from azora.bench.memory import record_of
from azora.bench.reading import read_cost
from azora.bench.registry import find_table
from azora.bench.writing import provenance
from azora.meta import Record, write_records
from tasks import rounded


def memories(source: str, others: list[str]) -> Iterator[tuple[str, Record]]:
    """Names, and what is remembered.

    Raises:
        BenchmarkError: one cannot be read.
    """
    record = record_of(find_table(source))
    yield "source", record
    yield "reversed", replace(record, maximise=not record.maximise)
    yield "shuffled", shuffled(record, 1.0)
    yield "upper half shuffled", shuffled(record, 0.5)
    for other in others:
        file, _, column = other.rpartition(":")
        if file:
            table = find_table(source)
            costs = read_cost(Path(source), other, table)
            trials = [replace(each, score=float(cost)) for each, cost in zip(record.trials, costs, strict=True)]
            yield column, replace(record, trials=trials, maximise=False)
        else:
            yield Path(other).name, record_of(find_table(other))


def shuffled(record: Record, share: float) -> Record:
    """The scores of the best `share` of networks, dealt out among them at random."""
    order = sorted(range(len(record.trials)), key=lambda place: -record.trials[place].score)
    some = order[: round(share * len(order))]
    dealt = random.Random(0).sample(some, len(some))
    scores = {place: record.trials[other].score for place, other in zip(some, dealt, strict=True)}
    trials = [replace(each, score=scores.get(place, each.score)) for place, each in enumerate(record.trials)]
    return replace(record, trials=trials)


def regrets(setup: Setup, runs: int) -> dict[str, Any]:
    """Of each strategy, by queries: mean, and of what was seen; None where a run has none."""
    figures = compare(setup, runs=runs, workers=os.cpu_count() or 1).figures
    return {
        name: {
            f"{place:g}": {"held out": rounded(each.regret), "seen": rounded(each.seen_regret)}
            for place, each in own.items()
        }
        for name, own in figures.items()
    }


def played(asked: argparse.Namespace, scratch: Path) -> Iterator[tuple[str, Any]]:
    """Names, and their regrets, each as soon as it is known. Every memory is read before anything is played."""
    files = {}
    for number, (name, record) in enumerate(memories(asked.source, asked.others)):
        files[name] = scratch / f"{number}.json"
        files[name].write_text(write_records([record]), encoding="utf-8")
    cold = "bayesian" if asked.strategy == "transfer" else asked.strategy
    setup = Setup(asked.table, {"random": {}, cold: {}}, queries=asked.queries)
    without = regrets(setup, asked.runs)
    yield "random", without["random"]
    yield "cold", without[cold]
    for name, file in files.items():
        warm = replace(setup, strategies={"random": {}, asked.strategy: {}}, memory=str(file), recall=asked.recall)
        yield name, regrets(warm, asked.runs)[asked.strategy]


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("table")
    words.add_argument("source")
    words.add_argument("others", nargs="*")
    words.add_argument("--recall", type=int, default=100)
    words.add_argument("--queries", type=int, default=25)
    words.add_argument("--runs", type=int, default=30)
    words.add_argument("--strategy", default="transfer", help="one that begins with what it remembers")
    asked, on = words.parse_args(), provenance()
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, each in played(asked, Path(scratch)):
            found[name] = each
            print(json.dumps({name: each}), flush=True)
    print(
        json.dumps(
            {"runs": asked.runs, "recall": asked.recall, "strategy": asked.strategy, "on": on, "regret": found},
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
