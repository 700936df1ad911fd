"""Data for a model that is there, read as its own were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azora.errors import BundleError
from azora.export.bundle import ABOUT
from azora.tasks import Reading, Scaling, Task, load_task


def read_alike(about: Mapping[str, Any], source: str | Path, said: Reading) -> Task:
    """The task in `source`, split as the search's was and read by what was said then, where nothing else is said now:
    of the same file the rows, and their digest, are the same.

    Of a CSV the columns are those that the model reads, in its order and with its places of words, whatever else the
    file has: what the file's own words would be numbered by means something else to it.

    Args:
        about: model.json, as `read_about` gives it: the weights have no say in this.

    Raises:
        TaskError: there is no such task, or a column that the model reads is not in it.
        BundleError: the description does not hold together.
    """
    try:
        preparation, seed = Scaling.from_json(about["scaling"]).table, seed_of(about)
        reading = said.after(about.get("task", {}).get("reading"), Path(source))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{ABOUT} does not hold together: {type(error).__name__}: {error}") from error
    return load_task(source, seed=seed, reading=reading, table=preparation and preparation.table)


def seed_of(about: Mapping[str, Any]) -> int:
    """The seed of the search, by which its validation split was drawn."""
    return int(about.get("figures", {}).get("seed", 0))
