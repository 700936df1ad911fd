"""Tables as people have them: columns of numbers and of words, with holes, in a CSV file."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from azora.errors import TaskError
from azora.settings import closest
from azora.tasks.array import Array

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})  # in any case
DELIMITERS = ",;\t|"
QUOTED = re.compile(rf'(?<![^{DELIMITERS}])"(?:[^"]|"")*"?')  # a name in quotes, which ends at the line's end at latest
MOST_CATEGORIES = 100
LARGEST = float(np.finfo(np.float32).max)
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}(:\d{2})?.*)?|\d{1,2}:\d{2}(:\d{2})?")
COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)?,\d+|[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
WITHOUT_COMMAS = "write them with a point and without commas"


@final
@dataclass(frozen=True)
class Column:
    """A column of numbers, or, with `categories`, of words. `holes`: whether cells of it were empty."""

    name: str
    categories: tuple[str, ...] | None = None
    holes: bool = False

    @property
    def width(self) -> int:
        """How many numbers stand for it: the value and whether there was one, or one for each word."""
        return 1 + self.holes if self.categories is None else len(self.categories)

    def numbers(self, cells: Sequence[str]) -> Array:
        """(N,) float32: NaN where a number is missing, the place of the word in `categories`, −1 for unknown words.

        Raises:
            TaskError: a word in a column of numbers.
        """
        if self.categories is not None:
            place = {word: number for number, word in enumerate(self.categories)}
            return np.array([place.get(_word(cell), -1) for cell in cells], np.float32)
        return np.array([_number(self.name, row, cell) for row, cell in enumerate(cells)], np.float32)


@final
@dataclass(frozen=True)
class Table:
    """The columns that a network reads, in their order."""

    columns: tuple[Column, ...]

    @property
    def width(self) -> int:
        """How many numbers a row becomes."""
        return sum(column.width for column in self.columns)

    @property
    def traits(self) -> tuple[str, ...]:
        """What there is to prepare: "words", "holes"."""
        words = any(column.categories is not None for column in self.columns)
        holes = any(column.holes and column.categories is None for column in self.columns)
        return ("words",) * words + ("holes",) * holes

    def rows(self, sheet: Sheet) -> Array:
        """(N, columns) float32 as `Column.numbers` has them; other columns of `sheet` are ignored.

        Raises:
            TaskError: a column is missing.
        """
        for column in self.columns:
            if column.name not in sheet.cells:
                hint = closest(column.name, sheet.cells)
                raise TaskError(f"{sheet.name} lacks the column {column.name!r} that the model reads; {hint}")
        return np.stack([column.numbers(sheet.cells[column.name]) for column in self.columns], axis=1)

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {"name": each.name, "categories": each.categories and list(each.categories), "holes": each.holes}
            for each in self.columns
        ]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Table:
        return cls(
            tuple(
                Column(
                    str(each["name"]),
                    None if each["categories"] is None else tuple(str(word) for word in each["categories"]),
                    bool(each["holes"]),
                )
                for each in data
            )
        )


@final
@dataclass(frozen=True)
class Sheet:
    """A CSV file: text by column."""

    name: str
    cells: Mapping[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.cells.values()), []))

    def column(self, name: str) -> list[str]:
        """The cells of a column.

        Raises:
            TaskError: there is none of that name; the nearest is named.
        """
        if name not in self.cells:
            raise TaskError(f"{self.name} has no column {name!r}; {closest(name, self.cells)}")
        return self.cells[name]


def read_sheet(path: Path) -> Sheet:
    """The file's columns, by the names in its first line.

    Raises:
        TaskError: it is missing, empty, no text, or its rows are of different lengths; one line says which.
    """
    if not path.is_file():
        raise TaskError(f"there is no file {path}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            head = opened.readline()
            opened.seek(0)
            rows = [row for row in csv.reader(opened, delimiter=delimiter_of(head), strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TaskError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    if len(rows) < 2:
        raise TaskError(f"{path} has {'a line of names and no rows' if rows else 'nothing in it'}; rows are wanted")
    names = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise TaskError(f"{path} has {len(row)} cells in row {number} and {len(names)} names in the first")
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise TaskError(f"{path} has two columns named {twice[0]!r}; every column needs a name of its own")
    cells = {name: [row[place].strip() for row in rows[1:]] for place, name in enumerate(names)}
    return Sheet(str(path), cells)


def find_columns(sheet: Sheet, names: Sequence[str]) -> Table:
    """What each of these columns of `sheet` holds.

    Raises:
        TaskError: a column of dates, of free text, of numbers with commas, without any value, or of infinite numbers.
    """
    return Table(tuple(_column(sheet.name, name, sheet.cells[name]) for name in names))


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is nothing in it."""
    return cell.lower() in MISSING


def is_number(cell: str) -> bool:
    """Whether a cell is a number, infinite ones included. Python's own `1_2` is none: it is a code of somebody's."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell and not is_missing(cell)


def with_comma(cells: Sequence[str]) -> str | None:
    """The first number that is written with a comma, as 4,9 or 1,234.5, where all cells are numbers in some writing."""
    if not all(is_number(cell) or COMMA.fullmatch(cell) for cell in cells):
        return None
    return next((cell for cell in cells if COMMA.fullmatch(cell)), None)


def _column(file: str, name: str, cells: Sequence[str]) -> Column:
    full = [cell for cell in cells if not is_missing(cell)]
    ignore = f"leave it out with --ignore {name!r}"
    if not full:
        raise TaskError(f"{file}: column {name!r} has no value at all; {ignore}")
    if all(map(is_number, full)):
        if endless := [cell for cell in full if not _fits(cell)]:
            raise TaskError(f"{file}: column {name!r} holds {endless[0]}; numbers must be finite, and empty if unknown")
        return Column(name, None, len(full) < len(cells))
    if (comma := with_comma(full)) is not None:
        raise TaskError(
            f"{file}: column {name!r} holds numbers with a comma such as {comma!r}; {WITHOUT_COMMAS}, or {ignore}"
        )
    if all(DATE.fullmatch(cell) for cell in full):
        raise TaskError(f"{file}: column {name!r} holds dates such as {full[0]!r}; make numbers of them, or {ignore}")
    words = sorted({_word(cell) for cell in cells})
    if len(words) > MOST_CATEGORIES or len(words) > max(2, len(cells) // 2):
        word = next(cell for cell in full if not is_number(cell))
        raise TaskError(
            f"{file}: column {name!r} holds text such as {word[:40]!r}, {len(words)} different ones in"
            f" {len(cells)} rows, which are no categories; {ignore}"
        )
    return Column(name, tuple(words), len(full) < len(cells))


def _fits(cell: str) -> bool:
    """Whether a number is finite as float32: what overflows is as useless as what was infinite before."""
    return abs(float(cell)) < LARGEST


def _word(cell: str) -> str:
    """All ways to say that there is nothing are one word."""
    return "" if is_missing(cell) else cell


def _number(name: str, row: int, cell: str) -> float:
    if is_missing(cell):
        return math.nan
    if not is_number(cell) or not _fits(cell):
        raise TaskError(f"column {name!r} has {cell[:40]!r} in row {row + 2}; finite numbers are wanted")
    return float(cell)


def delimiter_of(head: str) -> str:
    """What is most often between the names of the first line; within quotes it is a part of a name."""
    bare = QUOTED.sub("", head)
    return max(DELIMITERS, key=bare.count)
