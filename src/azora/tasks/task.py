"""Data, split so that a search cannot see the test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from safetensors.numpy import load_file, save_file

from azora.errors import TaskError
from azora.tasks.array import Array, blocks
from azora.tasks.preparation import Preparation
from azora.tasks.signature import Signature
from azora.tasks.tables import Table

BYTES, HALF_OF_BYTES = (0.0, 255.0), 127
TINIEST = float(np.finfo(np.float32).tiny)  # by less, what a network computes with cannot be divided
FLOATS = ("mean", "spread", "target_mean", "target_spread")


@dataclass(frozen=True)
class Split:
    """Rows: `x` (N, C, H, W) or (N, F) raw, uint8 or float32; `y` class numbers (N,) int64, or (N, outputs) float32."""

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)

    @property
    def values(self) -> tuple[float, float]:
        """What black and white are: (0, 255) of bytes that use their range, else the least and the largest of all
        values: masks of 0 and 1, and digits of 0 to 16, are bytes too."""
        least, most = float(self.x.min()), float(self.x.max())
        return BYTES if self.x.dtype == np.uint8 and most > HALF_OF_BYTES else (least, most)

    def __add__(self, other: Split) -> Split:
        return Split(np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y]))


@dataclass(frozen=True)
class Scaling:
    """Mean and spread of every channel or column of the search-train rows; of the target too, for regression.

    A network sees (x − mean) / spread, and what it predicts is scaled back. The rows of a table are prepared by
    `table` instead, and have neither mean nor spread here. With `raw` a network sees rows as the data has them, holes
    and places of words too; what is known of the columns is kept for whoever must make up rows.
    """

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    target_mean: tuple[float, ...] = ()
    target_spread: tuple[float, ...] = ()
    table: Preparation | None = None
    raw: bool = False

    @classmethod
    def of(cls, split: Split, regression: bool, table: Table | None = None) -> Scaling:
        mean, spread = _moments(split.x) if table is None else (np.zeros(0), np.zeros(0))
        target = (split.y.mean(axis=0, dtype=np.float64), split.y.std(axis=0, dtype=np.float64))
        return cls(
            _floats(mean),
            _floats(_divisor(mean, spread)),
            _floats(target[0]) if regression else (),
            _floats(_divisor(*target)) if regression else (),
            None if table is None else Preparation.fit(table, split.x),
        )

    def taking(self, scaling: str, encoding: str, imputation: str) -> Scaling:
        """With these choices for the preparation of a table; the same, where there is none."""
        table = self.table
        return self if table is None else replace(self, table=table.taking(scaling, encoding, imputation))

    def to_json(self) -> dict[str, Any]:
        floats = {name: list(getattr(self, name)) for name in FLOATS}
        return {**floats, "table": self.table and self.table.to_json(), **({"raw": True} if self.raw else {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scaling:
        floats = {name: tuple(float(value) for value in data[name]) for name in FLOATS}
        table = data.get("table")
        prepared = None if table is None else Preparation.from_json(table)
        return cls(**floats, table=prepared, raw=bool(data.get("raw", False)))


@dataclass(frozen=True)
class SearchData:
    """All that an evaluator, and so a worker process, ever gets of a task. There is no test split in it."""

    signature: Signature
    train: Split
    validation: Split
    scaling: Scaling

    def save(self, folder: Path) -> None:
        """Two files, read back by `load`: safetensors and JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"x_train": self.train.x, "y_train": self.train.y}
        arrays |= {"x_validation": self.validation.x, "y_validation": self.validation.y}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "data.safetensors")
        text = json.dumps({"signature": self.signature.to_json(), "scaling": self.scaling.to_json()})
        (folder / "data.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> SearchData:
        arrays = load_file(folder / "data.safetensors")
        head = json.loads((folder / "data.json").read_text(encoding="utf-8"))
        return cls(
            Signature.from_json(head["signature"]),
            Split(arrays["x_train"], arrays["y_train"]),
            Split(arrays["x_validation"], arrays["y_validation"]),
            Scaling.from_json(head["scaling"]),
        )


@final
class Task:
    """A named task: search-train, search-validation, and a test split that can be read once. `reading` is how its file
    was read, in the words of `azora.tasks.Reading`; empty where there was none, or nothing had to be said.

    Args:
        table: what the columns of `x` are, where they are prepared for a network by more than mean and spread.
        notes: what a reader should know of how the data was read.
        test_groups: (N,) the group of each row of the test split, where rows hang together.
    """

    def __init__(
        self,
        name: str,
        signature: Signature,
        train: Split,
        validation: Split,
        test: Split,
        *,
        table: Table | None = None,
        notes: Sequence[str] = (),
        test_groups: Array | None = None,
    ) -> None:
        self.name, self.notes, self.test_groups = name, tuple(notes), test_groups
        self.reading: Mapping[str, Any] = {}
        self.signature = signature
        self.train, self.validation = train, validation
        self.scaling = Scaling.of(train, signature.kind == "regression", table)
        self._test: Split | None = test
        self.test_rows = len(test)
        self.digest, self.test_digest = _digest(train, validation, test), _digest(test)

    @cached_property
    def search_data(self) -> SearchData:
        """What the search may see."""
        return SearchData(self.signature, self.train, self.validation, self.scaling)

    @cached_property
    def values(self) -> tuple[float, float]:
        """What black and white are in its pictures, by which a network will be given others: found in search-train
        (`Split.values`), unless whoever reads it has set what the files say."""
        return self.train.values

    def about(self) -> dict[str, Any]:
        """What a model says of the task that it is of, and by which its rows can be had again from their file."""
        read = {"reading": dict(self.reading)} if self.reading else {}
        return {"name": self.name, "sha256": self.digest, **read}

    def brought(self, values: tuple[float, float], to: tuple[float, float]) -> Task:
        """The same rows with `values`, black and white as these pictures have them, brought to others.

        Raises:
            TaskError: the test split was read before.
        """
        (low, high), (black, white) = values, to
        test = self.read_test()
        times = np.float32((white - black) / (high - low))
        parts = [
            Split(np.float32(black) + (each.x.astype(np.float32) - np.float32(low)) * times, each.y)
            for each in (self.train, self.validation, test)
        ]
        self._test = test
        note = f"values from {low:g} to {high:g} are brought to {black:g} to {white:g}"
        task = Task(self.name, self.signature, *parts, notes=(*self.notes, note), test_groups=self.test_groups)
        task.reading = self.reading
        task.values = to
        return task

    def everything(self) -> Split:
        """All rows but the test's: what the chosen network is trained on in the end."""
        return self.train + self.validation

    def read_test(self) -> Split:
        """The test split, once: for the final validation of the one network that was chosen.

        Raises:
            TaskError: it was read before.
        """
        self.check_unread()
        test, self._test = self._test, None
        assert test is not None
        return test

    def check_unread(self) -> None:
        """Before a search, whose winner will be judged by the test split.

        Raises:
            TaskError: it was read before.
        """
        if self._test is None:
            raise TaskError(
                f"the test split of {self.name} was read before, and a second look would be a selection on it;"
                " make the task anew for another search"
            )


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and spread of every channel or column, a few rows at a time: all of them in float64 may not fit."""
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    weights = [len(block) / len(x) for block in blocks(x)]
    means = [block.mean(axis=axes, dtype=np.float64) for block in blocks(x)]
    mean = np.einsum("b,bc->c", weights, means)
    # Chan et al. (1979): the spread within the blocks and that between their means.
    squares = [
        block.var(axis=axes, dtype=np.float64) + (at - mean) ** 2 for block, at in zip(blocks(x), means, strict=True)
    ]
    return mean, np.sqrt(np.einsum("b,bc->c", weights, squares))


def _divisor(mean: Array, spread: Array) -> Array:
    """`spread`, or one where that is of rounding alone, in whatever unit: a column without any spread carries nothing,
    and dividing by one keeps it at zero."""
    divisor: Array = np.where(spread > np.maximum(1e-12 * np.abs(mean), TINIEST), spread, 1.0)
    return divisor


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in np.atleast_1d(values))


def _digest(*splits: Split) -> str:
    """SHA-256 of all rows."""
    whole = hashlib.sha256()
    for split in splits:
        for array in (split.x, split.y):
            whole.update(str((array.shape, array.dtype.str)).encode())
            whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()
