"""Benchmarks by name."""

from __future__ import annotations

from pathlib import Path

from azora.bench.reading import read_table
from azora.bench.table import Table
from azora.errors import BenchmarkError
from azora.settings import closest, construct, resolve

BENCHMARKS = {"digits-cells": Path(__file__).parent / "data" / "digits_cells.csv.gz"}
"""What comes with azora: tables with their TOML beside them."""


def find_file(word: str) -> Path | None:
    """The file of the benchmark called `word`, or at it; None where it is none."""
    path = BENCHMARKS.get(word, Path(word))
    return path if path.is_file() else None


def find_table(word: str) -> Table:
    """The benchmark called `word`, in the file `word`, or the user's own at `module:Name`: a function without arguments
    that gives a `Table`.

    Raises:
        BenchmarkError: there is none, or it cannot be read.
        ConfigError: the user's module cannot be imported or has no such name.
    """
    path = Path(word)
    if (file := find_file(word)) is not None:
        return read_table(file)
    if path.is_dir():
        raise BenchmarkError(f"{word} is a folder; a benchmark is a file such as {word.rstrip('/')}/nb201_c10.csv.gz")
    if ":" in word:
        made = construct(resolve(word), {})
        if not isinstance(made, Table):
            raise BenchmarkError(f"{word} gives a {type(made).__name__}, which is not an azora.bench.Table")
        return made
    if path.suffix or len(path.parts) > 1:
        raise BenchmarkError(f"there is no file {word}")
    raise BenchmarkError(f"there is no benchmark {word!r}, and no file of that name; {closest(word, BENCHMARKS)}")
