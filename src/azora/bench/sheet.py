"""A CSV file of numbers, plain or compressed, and what is wrong with it."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from azora.bench.table import Numbers
from azora.errors import BenchmarkError
from azora.settings import closest

GZIP = b"\x1f\x8b"


@final
@dataclass(frozen=True)
class Sheet:
    """A header and rows of as many cells. Rows are counted from 1 in messages, without the header."""

    name: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]

    def cells(self, column: str) -> list[str]:
        """A column as it is written.

        Raises:
            BenchmarkError: there is no such column; the nearest is named.
        """
        if column not in self.header:
            raise BenchmarkError(f"{self.name}: there is no column {column!r}; {closest(column, self.header)}")
        place = self.header.index(column)
        return [row[place] for row in self.rows]

    def numbers(self, column: str) -> Numbers:
        """A column as (rows,) numbers; NaN where a cell is blank: absent is not zero.

        Raises:
            BenchmarkError: a cell that is no finite number (the row is named), or no such column.
        """
        values = np.empty(len(self.rows))
        for row, cell in enumerate(self.cells(column)):
            try:
                values[row] = float(cell) if cell.strip() else math.nan
            except ValueError:
                raise self._odd(row, column, cell) from None
            if cell.strip() and not math.isfinite(values[row]):
                raise self._odd(row, column, cell)
        return values

    def _odd(self, row: int, column: str, cell: str) -> BenchmarkError:
        return BenchmarkError(f"{self.name}: {column} in row {row + 1} is {cell!r}, which is no finite number")


def read_header(path: Path) -> tuple[str, ...]:
    """The names of the columns of a CSV file; none, where it cannot be read, which `read_sheet` will say."""
    try:
        with path.open("rb") as file:
            opened = gzip.open if file.read(2) == GZIP else open
        with opened(path, "rt", encoding="utf-8") as lines:
            return tuple(next(csv.reader([lines.readline()]), ()))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error):
        return ()


def read_sheet(path: Path) -> Sheet:
    """The CSV file at `path`, compressed by gzip or not.

    Raises:
        BenchmarkError: it cannot be read, has nothing in it, two columns of one name, or a row that is short or long.
    """
    name, text = path.name, _text(path)
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except ValueError:
        raise BenchmarkError(f"{name} has nothing in it") from None
    except csv.Error as error:
        raise BenchmarkError(f"{name} is no CSV: {error}") from error
    if not rows:
        raise BenchmarkError(f"{name} has a header and no rows")
    if twice := sorted({column for column in header if header.count(column) > 1}):
        raise BenchmarkError(f"{name}: two columns are called {twice[0]!r}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise BenchmarkError(f"{name}: row {number} has {len(row)} cells where the header has {len(header)}")
    return Sheet(name, tuple(header), rows)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if raw.startswith(GZIP) else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BenchmarkError(f"{path} cannot be read: {why}") from error
    except UnicodeDecodeError:
        raise BenchmarkError(f"{path} is not a text in UTF-8") from None
