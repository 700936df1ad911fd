"""Data for a model that is there, read as its own were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from azora.errors import BundleError, TaskError
from azora.export.bundle import ABOUT, BYTES
from azora.tasks import Reading, Scaling, Signature, Task, load_task

SIGNED = (-1.0, 1.0)
WRITTEN = (BYTES, (0.0, 1.0), SIGNED)  # how pictures are kept
APART = 8.0  # times the other's range: not the light of another day, but another unit
BELOW = 0.1  # of a range: so far below 0 values reach where black is not 0


def read_alike(about: Mapping[str, Any], source: str | Path, said: Reading) -> Task:
    """The task in `source`, split as the search's was and read by what was said then, where nothing else is said now:
    of the same file the rows, and their digest, are the same. Whole numbers are to be predicted as numbers where the
    model predicts numbers, and pictures have black and white where the model's have them; in files they are
    brought to its size and channels.

    Of a CSV the columns are those that the model reads, in its order and with its places of words, whatever else the
    file has: what the file's own words would be numbered by means something else to it.

    Args:
        about: model.json, as `read_about` gives it: the weights have no say in this.

    Raises:
        TaskError: there is no such task, a column that the model reads is not in it, or pictures are of values that
            cannot be brought to the model's.
        BundleError: the description does not hold together.
    """
    try:
        preparation, seed = Scaling.from_json(about["scaling"]).table, seed_of(about)
        signature = Signature.from_json(about["signature"])
        values = tuple(float(value) for value in about.get("values", ()))
        reading = said.after(about.get("task", {}).get("reading"), Path(source))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{ABOUT} does not hold together: {type(error).__name__}: {error}") from error
    table = preparation and preparation.table
    shape = signature.shape if signature.pictures else None
    task = load_task(source, seed=seed, reading=reading, table=table, whole=signature.kind, shape=shape)
    return with_values(task, values) if task.signature.raw_shape == signature.raw_shape else task


def with_values(task: Task, values: Sequence[float]) -> Task:
    """A task of pictures with black and white at `values`, a model's, where both are kept in ways that are known (0 to
    255, 0 to 1, −1 to 1); the same task, where it has such values already, no pictures, or the model does not say.

    Raises:
        TaskError: its values are of another unit, and which is not clear.
    """
    if not task.signature.pictures or len(values) != 2 or tuple(values) == task.train.values:
        return task  # or of a model that was written when black and white of files were those of their rows
    (low, high), (black, white) = own = task.values, values
    written, wanted = _written(low, high), _written(black, white)
    if written and wanted:
        return task if written == wanted else task.brought(written, wanted)
    times = (high - low) / max(white - black, 1e-12)
    signs = [least < -BELOW * (most - least) for least, most in own]
    if not 1 / APART <= times <= APART or signs[0] != signs[1]:
        raise TaskError(
            f"{task.name} has pictures of values from {low:g} to {high:g}, the model takes {black:g} to {white:g};"
            " give them in its unit"
        )
    return task


def _written(low: float, high: float) -> tuple[float, float] | None:
    """The usual way to keep pictures that has such values; None of others."""
    for black, white in WRITTEN:
        quarter = (white - black) / 4
        if black <= low <= black + quarter and white - quarter <= high <= white:
            return black, white
    return None


def seed_of(about: Mapping[str, Any]) -> int:
    """The seed of the search, by which its validation split was drawn."""
    return int(about.get("figures", {}).get("seed", 0))
