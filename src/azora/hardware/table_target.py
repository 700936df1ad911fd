"""Devices that are not here: latencies that somebody has measured and published, by architecture."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, final

from azora.errors import AzoraError, ConfigError, TargetError
from azora.hardware.measurement import SECONDS, Measurement
from azora.hardware.target import Deployable, Measured, Target
from azora.networks.nb201 import to_string
from azora.space import Architecture

NOTATION, DECISIONS = "arch", "architecture"
"""Columns that say which network a row is of: NAS-Bench-201's notation, or a JSON object of decisions."""


@final
class TableTarget(Target):
    """A CSV (or .csv.gz) with a row for each network, and a column of milliseconds for each device.

    A network is found by its architecture: by the column `arch` in NAS-Bench-201's notation, or by the column
    `architecture`, a JSON object of its decisions. The milliseconds are those of the table, for the network that was
    measured then: of an architecture in another width, or for another input, they tell the order at best.

    Args:
        table: the file and the column, `FILE:COLUMN`.

    Raises:
        ConfigError: it names no file and column.
    """

    name = "table"

    def __init__(self, table: str) -> None:
        file, colon, column = table.rpartition(":")
        if not colon or not file or not column:
            raise ConfigError(f"target table:{table}: say the file and its column, as in table:latency.csv:raspi4")
        self.table, self.file, self.column = table, Path(file), column

    @property
    def spec(self) -> str:
        return f"{self.name}:{self.table}"

    def measure(self, deployable: Deployable, seconds: float = SECONDS) -> Measured:
        if deployable.architecture is None:
            raise TargetError(f"{self.spec}: a network is found by its architecture, and of this one it is not known")
        names = _names(deployable.architecture)
        found = next((self._times[name] for name in names if name in self._times), None)
        if found is None:
            raise TargetError(f"{self.spec}: the table has no row for {names[0]}")
        return Measured(Measurement(found))

    def versions(self) -> Mapping[str, str]:
        return {"sha256": hashlib.sha256(self._bytes).hexdigest()}

    def fingerprint(self) -> Mapping[str, Any]:
        return {"table": self.file.name, "column": self.column}

    @cached_property
    def _bytes(self) -> bytes:
        try:
            return self.file.read_bytes()
        except OSError as error:
            raise TargetError(f"{self.spec}: {self.file} cannot be read: {error.strerror or error}") from error

    @cached_property
    def _times(self) -> Mapping[str, float]:
        """Milliseconds by what `_names` gives.

        Raises:
            TargetError: it is no table of latencies.
        """
        try:
            raw = gzip.decompress(self._bytes) if self.file.suffix == ".gz" else self._bytes
            text = raw.decode("utf-8-sig")  # spreadsheets put a mark before all
            rows = list(csv.DictReader(text.splitlines()))
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise TargetError(f"{self.spec}: {self.file} is no CSV: {error}") from error
        there = list(rows[0]) if rows else []
        if self.column not in there:
            numbers = ", ".join(name for name in there if name not in (NOTATION, DECISIONS))
            raise TargetError(f"{self.spec}: there is no column {self.column!r}, but {numbers or 'none at all'}")
        written = next((name for name in (NOTATION, DECISIONS) if name in there), None)
        if written is None:
            raise TargetError(f"{self.spec}: there is no column {NOTATION} or {DECISIONS} that says what a row is of")
        return {
            _read_name(row[written], written, place): self._read(row[self.column], place)
            for place, row in enumerate(rows, 2)
        }

    def _read(self, cell: str | None, line: int) -> float:
        try:
            found = float(cell or "")
        except ValueError:
            found = math.nan
        if not 0 < found < math.inf:
            raise TargetError(f"{self.spec}: line {line} has {cell!r} where milliseconds should be")
        return found


def _names(architecture: Architecture) -> list[str]:
    """How a table may write an architecture."""
    found = [json.dumps(dict(architecture), sort_keys=True, separators=(",", ":"))]
    try:
        return [*found, to_string(architecture)]
    except (KeyError, AzoraError):  # of another space
        return found


def _read_name(cell: str | None, column: str, line: int) -> str:
    if column == NOTATION:
        return (cell or "").strip()
    try:
        return json.dumps(json.loads(cell or ""), sort_keys=True, separators=(",", ":"))
    except ValueError:
        raise TargetError(f"line {line} has {cell!r} where a JSON object of decisions should be") from None
