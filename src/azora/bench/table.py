"""A benchmark: a space of which every point has been judged, by somebody else and once for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from azora.errors import BenchmarkError
from azora.space import Architecture, Option, Space

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]
Decisions = tuple[Option, ...]  # in the order of the space's choices, None for one that does not exist


@final
@dataclass(frozen=True, eq=False)  # two of them are one only where they are the same object
class Fidelity:
    """What trainings of one length gave.

    Args:
        epochs: the length; None where nobody says.
        validation: (rows, seeds) scores, NaN where a row has no training with that seed. One column, where only the
            mean over seeds is known.
        columns: the names of these columns, for the reader.
        by_seed: whether each column is one seed's.
        seconds: (rows,) of one training; None where nobody says.
    """

    epochs: float | None
    validation: Numbers
    columns: tuple[str, ...]
    by_seed: bool = True
    seconds: Numbers | None = None


@final
class Table:
    """Scores of every point of a space.

    The row that answers is the row that is asked: the one with the very decisions of the architecture. Several rows may
    be one network to azora (isomorphic cells have one key). Where the benchmark trained each of them, they differ by
    what training twice differs, and none is chosen for the others, nor are they averaged: a mean of several trainings
    has less noise than a search would meet. Where it trained one of them, that answers for all. A query is one
    distinct key, so who has asked for one of the rows has asked for the network, and is answered the same when asking
    for another.

    Args:
        name: what to call it.
        space: what is searched.
        points: the decisions of every row, in the order of the space's choices; None for one that does not exist.
        fidelities: what is known, the shortest training first; the last one counts.
        test: (rows,) scores that no search sees; None where there are none, and validation seeds are held back instead.
        test_column: what `test` is, for the reader.
        unit: what a score is divided by to be what azora's own evaluators give (100 for per cent).
        maximise: whether more is better.
        dataset: the prefix of the columns that says what was learned ("c10"), where there is one.
        features: of the task (`azora.meta.describe_task`), where somebody says.
        continues: whether a longer training goes on from a shorter one, and costs what it is longer.

    Raises:
        BenchmarkError: two rows with the same decisions, columns of another length, or no fidelity.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        points: Sequence[Decisions],
        fidelities: Sequence[Fidelity],
        test: Numbers | None = None,
        test_column: str = "test",
        unit: float = 1.0,
        maximise: bool = True,
        dataset: str = "",
        features: Mapping[str, float] | None = None,
        continues: bool = False,
    ) -> None:
        self.name, self.space, self.points = name, space, list(points)
        self.fidelities, self.test, self.test_column = tuple(fidelities), test, test_column
        self.unit, self.maximise, self.dataset = unit, maximise, dataset
        self.features, self.continues = dict(features or {}), continues
        self.rows: dict[Decisions, int] = {}
        for row, point in enumerate(self.points):
            if (other := self.rows.setdefault(point, row)) != row:
                raise BenchmarkError(f"{name}: rows {other + 1} and {row + 1} are the same architecture {point}")
        self._check()

    def _check(self) -> None:
        if not self.points or not self.fidelities:
            raise BenchmarkError(f"{self.name}: has nothing to ask for")
        of_rows = [self.test, *(each for level in self.fidelities for each in (level.validation, level.seconds))]
        if found := [len(each) for each in of_rows if each is not None and len(each) != len(self.points)]:
            raise BenchmarkError(f"{self.name}: has {len(self.points)} architectures and {found[0]} scores")

    def within(self, space: Space) -> Table:
        """The same rows for `space`, a part of this table's."""
        return Table(
            self.name, space, self.points, self.fidelities, self.test, self.test_column, self.unit, self.maximise,
            self.dataset, self.features, self.continues,
        )  # fmt: skip

    def lasting(self, fidelities: Sequence[Fidelity]) -> Table:
        """The same rows with other scores or times for each length."""
        return Table(
            self.name, self.space, self.points, fidelities, self.test, self.test_column, self.unit, self.maximise,
            self.dataset, self.features, self.continues,
        )  # fmt: skip

    def taking(self, rows: Sequence[int], points: Sequence[Decisions]) -> Table:
        """A table whose `points` are answered with these rows of this one, several perhaps with the same."""
        taken = [
            replace(
                each,
                validation=each.validation[rows],
                seconds=None if each.seconds is None else each.seconds[rows],
            )
            for each in self.fidelities
        ]
        test = None if self.test is None else self.test[rows]
        return Table(
            self.name, self.space, points, taken, test, self.test_column, self.unit, self.maximise, self.dataset,
            self.features, self.continues,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.points)

    def row(self, architecture: Architecture) -> int | None:
        """The row with these very decisions; None where there is none."""
        if len(architecture) == len(self.space.choices):
            return self.rows.get(tuple(architecture.values()))
        return self.rows.get(tuple(architecture.get(name) for name in self.space.choices))

    def architecture(self, row: int) -> Architecture:
        """The architecture of a row."""
        decided = zip(self.space.choices, self.points[row], strict=True)
        return self.space.architecture(**{name: value for name, value in decided if value is not None})

    @cached_property
    def networks(self) -> int:
        """How many distinct keys there are: the most queries that can be made."""
        return len({self.architecture(row).key for row in range(len(self))})

    def show(self, row: int) -> str:
        """A row for an error message."""
        return f"row {row + 1} ({', '.join(map(str, self.points[row]))})"


def masked_mean(scores: Numbers, mask: Mask) -> Numbers:
    """(rows, seeds) → (rows,) over the seeds of `mask`; NaN where a row has none."""
    counts = mask.sum(1)
    total: Numbers = np.where(mask, scores, 0.0).sum(1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
