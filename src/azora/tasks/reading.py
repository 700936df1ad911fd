"""How a user says that files are to be read, and tasks from CSV files and folders of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, final

import numpy as np

from azora.errors import TaskError
from azora.settings import closest, plain
from azora.tasks.array import Array
from azora.tasks.arrays import from_arrays
from azora.tasks.folders import read_folders
from azora.tasks.precision import rounded_together
from azora.tasks.tables import (
    WITHOUT_COMMAS,
    Sheet,
    Table,
    find_columns,
    is_missing,
    is_number,
    read_sheet,
    with_comma,
)
from azora.tasks.task import BYTES, Task

MOST_EXACT = 2**53
MOST_CLASSES = 20  # whole numbers of more different values than this are numbers to predict
CSV = (".csv", ".tsv")
NUMBERS = 0.9  # of the cells of a column of words: where so many are numbers, the others are told of
TABLES, ARRAYS, ALBUMS = ("label", "kind", "group", "ignore"), ("kind", "flips"), ("size", "skip_bad", "flips")
# In JSON.
KINDS_OF = {"label": str, "kind": str, "group": str, "ignore": list, "size": int, "skip_bad": bool, "flips": bool}


@final
@dataclass(frozen=True)
class Reading:
    """What a file does not say of itself.

    Args:
        label: of a CSV: the column to predict.
        kind: of a CSV, of an .npz file and of arrays: "classification" or "regression"; unless said, numbers that are
            not whole, and of a CSV those of more than 20 different values, are to be predicted as numbers.
        group: of a CSV: rows with the same value in this column never lie on two sides of a split.
        ignore: of a CSV: columns that no network is to see.
        size: of pictures: pixels each way that they are brought to.
        skip_bad: of pictures: go on without those that cannot be read.
        flips: of pictures: whether those that are mirrored left to right are of the same class, so that trainings may
            mirror them; true, unless said.
    """

    label: str | None = None
    kind: str | None = None
    group: str | None = None
    ignore: tuple[str, ...] = ()
    size: int | None = None
    skip_bad: bool = False
    flips: bool | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any] | Reading) -> Reading:
        """From words, of which those that are None were not said.

        Raises:
            TaskError: a word that is none of these; the nearest is named. Or what is no mapping.
        """
        if isinstance(said, Reading):
            return said
        if not isinstance(said, Mapping):
            raise TaskError(f"reading={said!r} must be words with their values, such as {{'label': 'price'}}")
        given = {name: value for name, value in said.items() if value is not None}
        known = [each.name for each in fields(cls)]
        if unknown := [name for name in given if name not in known]:
            raise TaskError(f"there is no way of reading {unknown[0]!r}; {closest(unknown[0], known)}")
        ignore = given.get("ignore", ())
        given["ignore"] = (ignore,) if isinstance(ignore, str) else tuple(ignore)
        return cls(**given)

    def said(self) -> dict[str, Any]:
        """What is said, as JSON; `of` gives the same again."""
        told = {
            each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) != each.default
        }
        return {name: plain(value) for name, value in told.items()}

    def after(self, before: Any, source: Path) -> Reading:
        """What is said, and of the rest what was said `before` (as JSON, perhaps of a damaged file) as far as it is of
        files like `source`."""
        suffix = source.suffix.lower()
        fitting = TABLES if suffix in CSV else ARRAYS if suffix == ".npz" else ALBUMS if source.is_dir() else ()
        known = before if isinstance(before, Mapping) else {}
        kept = {name: known[name] for name in fitting if isinstance(known.get(name), KINDS_OF[name])}
        return Reading.of({**kept, **self.said()})

    def refuse(self, source: str, *fitting: str) -> None:
        """Raises TaskError when something is said that is none of `fitting`: it would be without effect."""
        for each in fields(self):
            if each.name not in fitting and getattr(self, each.name) != each.default:
                said = "no-" * (getattr(self, each.name) is False) + each.name.replace("_", "-")
                raise TaskError(f"--{said} says nothing about {source}")


def from_csv(path: Path, reading: Reading, seed: int, table: Table | None = None, whole: str | None = None) -> Task:
    """A task from the rows of a CSV file, whose first line names the columns.

    Args:
        whole: the kind of a task whose targets are whole numbers, where `reading` says none and their number should
            not decide.
        table: the columns to read, and the places of their words, of a model that is there; others are ignored. Unless
            given, all but those set aside are, and what they hold is found out.

    Raises:
        TaskError: the file cannot be read, the label or a column of `table` is not there, or a column is of no use; one
            line says which.
    """
    reading.refuse(f"a CSV file ({path})", *TABLES)
    sheet = read_sheet(path)
    if reading.label is None:
        raise TaskError(f"which column of {path} is to be predicted? say --label with one of {', '.join(sheet.cells)}")
    target = sheet.column(reading.label)
    names = _names(sheet, reading) if table is None else []
    y, kind = _target(sheet, reading.label, target, reading.kind, whole)
    notes: list[str] = []
    if table is None:
        table = find_columns(sheet, names)
        notes.extend(_strays(sheet, table))
    groups = None if reading.group is None else np.array(sheet.column(reading.group))
    rows = table.rows(sheet)
    notes.extend(f"column {name!r} has {said}" for name, said in _rounded(sheet, table))
    return from_arrays(rows, y, groups=groups, name=path.stem, seed=seed, kind=kind, table=table, notes=notes)


def _rounded(sheet: Sheet, table: Table) -> Iterator[tuple[str, str]]:
    """The columns of numbers whose values fall together in float32, and what becomes of them."""
    for column in table.columns:
        if column.categories is None:
            numbers = np.array([float(cell) for cell in sheet.cells[column.name] if is_number(cell)])
            if said := rounded_together(numbers):
                yield column.name, said


def _strays(sheet: Sheet, table: Table) -> Iterator[str]:
    """What is to be told of columns that are read as words for the sake of few cells."""
    for column in table.columns:
        full = [cell for cell in sheet.cells[column.name] if not is_missing(cell)]
        strays = [cell for cell in full if not is_number(cell)]
        if strays and len(full) - len(strays) >= NUMBERS * len(full):
            several = len(strays) > 1
            yield (
                f"column {column.name!r} is read as words, since {len(strays)} of its cells, such as"
                f" {strays[0][:40]!r}, {'are no numbers' if several else 'is no number'}; empty"
                f" {'them' if several else 'it'} to have numbers"
            )


def _names(sheet: Sheet, reading: Reading) -> list[str]:
    """The columns that are not set aside."""
    aside = {name for name in (reading.label, reading.group, *reading.ignore) if name is not None}
    for name in aside:
        sheet.column(name)
    names = [name for name in sheet.cells if name not in aside]
    if "" in names:
        place = list(sheet.cells).index("") + 1
        numbers = ", as the row numbers that pandas and R write" * (place == 1)
        raise TaskError(
            f"{sheet.name}: column {place} has no name{numbers}; give it one, or leave it out with --ignore ''"
        )
    if not names:
        raise TaskError(f"{sheet.name} has no column left to learn from beside {', '.join(sorted(aside))}")
    return names


def _target(
    sheet: Sheet, label: str, cells: list[str], kind: str | None, whole: str | None
) -> tuple[Array, str | None]:
    _check_full(sheet, label, cells)
    if "classification" not in (kind, whole) and (comma := with_comma(cells)) is not None:
        raise TaskError(
            f"{sheet.name}: the label {label!r} holds numbers with a comma such as {comma!r}; {WITHOUT_COMMAS}, or say"
            " --kind classification if they are names"
        )
    if not all(map(is_number, cells)) or ("regression" not in (kind, whole) and _are_codes(cells)):
        return np.array(cells), kind
    y = np.array([float(cell) for cell in cells])
    if not np.isfinite(y).all():
        raise TaskError(f"{sheet.name}: the label {label!r} is not finite in row {int(np.argmin(np.isfinite(y))) + 2}")
    if kind is None and np.any(y != np.round(y)):
        kind = "regression"
    return y, kind or whole or ("regression" if len(np.unique(y)) > MOST_CLASSES else None)


def _check_full(sheet: Sheet, label: str, cells: list[str]) -> None:
    """Raises TaskError where a label is missing: by a word that is read so, which may be a class, or by nothing."""
    missing = [row for row, cell in enumerate(cells) if is_missing(cell)]
    if not missing:
        return
    word = next((cells[row] for row in missing if cells[row]), "")
    same = [row for row in missing if cells[row] == word]
    said = f"is {word!r}, which is read as missing," if word else "is empty"
    mend = "write the class otherwise, or leave these rows out" if word else "leave these rows out"
    raise TaskError(
        f"{sheet.name}: the label {label!r} {said} in {len(same)} rows, the first of them row {same[0] + 2}; {mend}"
    )


def _are_codes(cells: list[str]) -> bool:
    """Whether whole numbers are names: as numbers 01 would be 1, and what is beyond 53 bits one of its neighbours."""
    if not all(re.fullmatch(r"[+-]?\d+", cell) for cell in cells):
        return False
    return any(re.match(r"[+-]?0\d", cell) or abs(int(cell)) > MOST_EXACT for cell in cells)


def from_folder(path: Path, reading: Reading, seed: int, shape: tuple[int, ...] | None = None) -> Task:
    """A task from pictures, one folder a class (see `read_folders`).

    Args:
        shape: (channels, height, width) that a model takes: pictures are brought to these, where `reading` says no
            size; unless given, the files decide.

    Raises:
        TaskError: there are none, or one cannot be read; it is named.
    """
    reading.refuse(f"a folder of pictures ({path})", *ALBUMS)
    size = reading.size
    if size is None and shape is not None and shape[1] == shape[2]:
        size = shape[1]
    grey = None if shape is None else shape[0] == 1
    found = read_folders(path, size=size, skip_bad=reading.skip_bad, grey=grey)
    number = {name: place for place, name in enumerate(found.classes)}
    given: dict[str, Any] = {}
    for split, album in found.albums.items():
        ending = "" if split == "train" else f"_{split}"
        given |= {f"x{ending}": album.x, f"y{ending}": np.array([number[label] for label in album.labels], np.int64)}
    task = from_arrays(
        **given, classes=found.classes, name=path.resolve().name, seed=seed, flips=reading.flips, channels_last=True,
        notes=found.notes,
    )  # fmt: skip
    task.values = BYTES  # however dark they are: `azora predict` reads files to the same pixels
    return task
