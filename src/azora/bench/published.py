"""What papers report for the same protocol, from a `published_results.csv` beside a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from azora.bench.protocol import Protocol
from azora.bench.sheet import Sheet, read_sheet

FILE = "published_results.csv"


@final
@dataclass(frozen=True)
class Published:
    """A row of the file: a method's mean and standard deviation over `runs`, after `budget` queries or seconds."""

    method: str
    budget: float
    mean: float
    std: float | None
    runs: int | None
    source: str


def published(word: str, protocol: Protocol, checkpoints: Sequence[float]) -> list[Published]:
    """Rows on the table at `word` with the budget of one of `checkpoints`; none where no such file lies beside it.

    Rows are known for cells of NAS-Bench-201. Those of so many seconds are of searches that judged by 12 epochs on
    CIFAR-10, whatever data set the column is of, so they stand only beside a search that does the same; those of so
    many evaluations judged by full trainings.

    Raises:
        BenchmarkError: the file cannot be read.
    """
    path = Path(word).with_name(FILE)
    if protocol.costs is not None:  # papers' rows are accuracies, not shares of a front
        return []
    if protocol.table.space.name != "nb201" or not Path(word).is_file() or not path.is_file():
        return []
    sheet = read_sheet(path)
    column = f"{protocol.table.dataset}_{'val' if protocol.table.test is None else 'test'}"
    if column not in sheet.header:
        return []
    rows = [_row(sheet, number, column, protocol) for number in range(len(sheet.rows))]
    wanted = [round(each, 6) for each in checkpoints]
    return [row for row in rows if row is not None and round(row.budget, 6) in wanted]


def _row(sheet: Sheet, number: int, column: str, protocol: Protocol) -> Published | None:
    cells = dict(zip(sheet.header, sheet.rows[number], strict=True))
    words = "s" if protocol.queries is None else "evaluations?"
    budget = re.search(rf"(\d[\d,.]*) {words}\b", cells.get("protocol_budget", ""))
    score = re.match(r"(\d+\.?\d*)(?:±(\d+\.?\d*))?", cells[column])
    short = protocol.fidelity == 12 and protocol.table.dataset == "c10"
    same = short if protocol.queries is None else protocol.fidelity in (None, protocol.table.fidelities[-1].epochs)
    if cells.get("benchmark") != "NB201" or budget is None or score is None or not same:
        return None
    return Published(
        cells.get("method", ""),
        float(budget[1].replace(",", "")),
        float(score[1]),
        float(score[2]) if score[2] else None,
        int(runs) if (runs := cells.get("n_runs", "")).isdigit() else None,
        cells.get("source", ""),
    )
