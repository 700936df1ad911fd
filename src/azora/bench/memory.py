"""What a search on a table remembers of other tasks, and tables as memories."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from azora.bench.table import Table, masked_mean
from azora.errors import KnowledgeError
from azora.meta import Judgement, Record, read_records, recall
from azora.space import Space
from azora.strategies.memory import Remembered

LEAST = 2


def remembered(file: str | None, table: Table, most: int | None, seed: int) -> list[Remembered]:
    """What the searches in `file` found in the table's space; of each of them `most` networks, drawn for this seed.

    What the file says of the table itself, by its name, is left out: those are the answers, not another task's.

    Raises:
        KnowledgeError: the file cannot be read, tells of this table alone, or fewer than two networks are to be drawn.
    """
    if file is None:
        if most is not None:
            raise KnowledgeError(f"--recall {most}: say what of by --memory")
        return []
    if most is not None and most < LEAST:
        raise KnowledgeError(f"--recall {most}: ask for {LEAST} at least")
    found = _read(file, table.name, table.space, tuple(table.features.items()))
    if most is None:
        return list(found)
    return [each.fewer(most, random.Random(f"{seed}:{each.task}")) for each in found]


@lru_cache(maxsize=4)  # of one table there are hundreds of runs
def _read(file: str, name: str, space: Space, features: tuple[tuple[str, float], ...]) -> Sequence[Remembered]:
    records = read_records(Path(file))
    others = [each for each in records if each.task != name]
    if records and not others:
        raise KnowledgeError(f"{file} tells of {name} alone, the table that is searched; give a memory of other tasks")
    # Of a table without features it is for whoever gives the file to know what is alike.
    return recall(others, dict(features), space)


def record_of(table: Table) -> Record:
    """A table as the record of a search that judged all of it, by the mean of the seeds of its longest training."""
    level = table.fidelities[-1]
    scores = masked_mean(level.validation, ~np.isnan(level.validation))
    names = list(table.space.choices)
    trials = [
        Judgement(
            {name: value for name, value in zip(names, point, strict=True) if value is not None},
            float(score),
            level.epochs,
        )
        for point, score in zip(table.points, scores, strict=True)
        if not np.isnan(score)
    ]
    space = {"name": table.space.name, "fingerprint": table.space.root.fingerprint}
    metric = "accuracy" if table.maximise else "error"
    return Record(table.name, table.name, table.features, space, metric, table.maximise, trials, {"strategy": "table"})
