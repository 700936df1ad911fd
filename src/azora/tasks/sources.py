"""Tasks by name and from files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from azora.errors import TaskError
from azora.settings import closest
from azora.tasks.array import Array
from azora.tasks.arrays import from_arrays
from azora.tasks.reading import ARRAYS, CSV, Reading, from_csv, from_folder
from azora.tasks.tables import Table
from azora.tasks.task import Task


def digits(seed: int = 0) -> Task:
    """scikit-learn's handwritten digits: 1,797 pictures of 8 × 8 pixels, values 0 to 16. A mirrored digit is none."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return from_arrays(data.images.astype(np.uint8), data.target, name="digits", seed=seed, flips=False)


TASKS: dict[str, tuple[str, Callable[[int], Task]]] = {
    "digits": ("handwritten digits, 1,797 pictures of 8 × 8 pixels, 10 classes (scikit-learn)", digits),
}


def load_task(
    source: str | Path,
    *,
    seed: int = 0,
    reading: Reading | Mapping[str, Any] | None = None,
    table: Table | None = None,
    whole: str | None = None,
    shape: tuple[int, ...] | None = None,
) -> Task:
    """The task called `source`, or in the file or folder `source`, read as `reading` says (or its words in a mapping).

    Args:
        table: of a CSV: the columns that a model reads, with the places of their words (see `from_csv`).
        whole: the kind of a task whose targets are whole numbers, where `reading` says none.
        shape: of a folder of pictures: the (channels, height, width) that a model takes (see `from_folder`).

    Raises:
        TaskError: there is no such name, file or folder, or it is not a task.
    """
    reading = Reading.of({} if reading is None else reading)
    task = _load(str(source), Path(source), seed, reading, table, whole, shape)
    task.reading = {**task.reading, **reading.said()}  # of an .npz file, what it says itself too
    return task


def _load(
    name: str, path: Path, seed: int, reading: Reading, table: Table | None, whole: str | None,
    shape: tuple[int, ...] | None,
) -> Task:  # fmt: skip
    if name in TASKS:
        reading.refuse(f"the task {name}")
        return TASKS[name][1](seed)
    try:
        if path.suffix.lower() == ".npz":
            reading.refuse(f"an .npz file ({path})", *ARRAYS)
            return _from_npz(path, seed, reading, whole)
        if path.is_dir():
            return from_folder(path, reading, seed, shape)
        if path.suffix.lower() in CSV:
            return from_csv(path, reading, seed, table, whole)
    except TaskError as error:
        if str(path) in str(error):
            raise
        raise TaskError(f"{path}: {error}") from error
    kinds = "a name, a .csv or .npz file, or a folder of pictures"
    if path.exists():
        raise TaskError(f"{name} is none of what a task is read from: {kinds}")
    raise TaskError(f"there is no task, file or folder {name!r}; give {kinds}; {closest(name, TASKS)}")


def read_npz(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file; nothing is ever unpickled.

    Raises:
        TaskError: there is no such file, it is damaged, or it holds Python objects.
    """
    if not path.is_file():
        raise TaskError(f"there is no file {path}")
    try:
        with path.open("rb") as opened:
            if not zipfile.is_zipfile(opened):
                raise TaskError(f"{path} is no .npz file, or not a whole one; numpy.savez writes them")
            opened.seek(0)
            with np.load(opened, allow_pickle=False) as file:
                return {name: _plain(path, file, name) for name in file.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        raise TaskError(f"{path} cannot be read as .npz: {error}") from error


def _plain(path: Path, file: Mapping[str, Array], name: str) -> Array:
    try:
        return file[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise TaskError(f"{path}: {name} holds Python objects, which are not read; save plain arrays") from error
        raise


def _from_npz(path: Path, seed: int, reading: Reading, whole: str | None) -> Task:
    arrays = read_npz(path)
    if missing := [name for name in ("x_train", "y_train") if name not in arrays]:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise TaskError(f"{path} lacks {' and '.join(missing)}; it holds {found}")
    classes = arrays.get("classes")
    flips = _flips(path, arrays) if reading.flips is None else reading.flips
    task = from_arrays(
        arrays["x_train"],
        arrays["y_train"],
        x_test=arrays.get("x_test"),
        y_test=arrays.get("y_test"),
        x_validation=arrays.get("x_validation"),
        y_validation=arrays.get("y_validation"),
        groups=arrays.get("groups"),
        groups_test=arrays.get("groups_test"),
        classes=None if classes is None else [str(each) for each in np.atleast_1d(classes)],
        name=path.stem,
        seed=seed,
        flips=flips,
        # Other numbers are classes where they are whole.
        kind=reading.kind or ("regression" if whole == "regression" else None),
    )
    task.reading = {} if flips is None else {"flips": flips}
    return task


def _flips(path: Path, arrays: Mapping[str, Array]) -> bool | None:
    """Whether mirrored pictures are of their class, where the file says so."""
    if (said := arrays.get("flips")) is None:
        return None
    if said.size != 1 or said.dtype.kind not in "biu" or said.item() not in (0, 1):
        raise TaskError(f"{path}: flips is {str(said.tolist())[:40]}; one value, true or false, is wanted")
    return bool(said.item())
