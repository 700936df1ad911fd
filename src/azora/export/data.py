"""Data for a model that is there, read as its own were."""

from __future__ import annotations

from pathlib import Path

from azora.export.bundle import Bundle
from azora.tasks import Reading, Task, load_task


def read_alike(bundle: Bundle, source: str | Path, said: Reading) -> Task:
    """The task in `source`. Of a CSV the columns are those that the model reads, in its order and with its places of
    words, whatever else the file has: what the file's own words would be numbered by means something else to it.

    Raises:
        TaskError: there is no such task, or a column that the model reads is not in it.
    """
    preparation = bundle.scaling.table
    return load_task(source, reading=said, table=preparation and preparation.table)
