"""Architectures as rows of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final
from weakref import WeakKeyDictionary

import numpy as np

from azora.space import Architecture, Space
from azora.strategies.surrogates.surrogate import Array

MOST_KEPT = 20_000  # rows of a space that are remembered

Rows = dict[tuple[object, ...], Array]
_KNOWN: WeakKeyDictionary[Space, Rows] = WeakKeyDictionary()


@final
class Description:
    """The columns of `Space.encode`, one group a choice, and after them the groups of `Space.features`.

    Rows are remembered for as long as the space is there: the same candidates are described again and again, in one
    search and in the next.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._rows = _KNOWN.setdefault(space, {})

    def __call__(self, architectures: Sequence[Architecture]) -> Array:
        """(n, columns)."""
        if len(self._rows) > MOST_KEPT:
            self._rows.clear()
        return np.stack([self._row(architecture) for architecture in architectures])

    def groups(self, architecture: Architecture) -> list[slice]:
        """The columns that belong together; the same for every architecture of the space."""
        lengths = [*self._choices(), *map(len, self.space.features(architecture).values())]
        return list(_consecutive(lengths))

    def _row(self, architecture: Architecture) -> Array:
        # By decisions and not by key: equal networks may be decided, and encoded, in several ways.
        decisions = tuple(architecture.items())
        if (row := self._rows.get(decisions)) is None:
            features = self.space.features(architecture).values()
            numbers = [*self.space.encode(architecture), *(number for group in features for number in group)]
            row = self._rows[decisions] = np.asarray(numbers, dtype=np.float64)
        return row

    def _choices(self) -> list[int]:
        # A part of a space encodes as the whole does.
        lengths = [choice.width + bool(choice.when) for choice in self.space.root.choices.values()]
        # A space of somebody's own may encode as it likes: then nothing is known of its columns.
        return lengths if sum(lengths) == len(self.space.columns) else [len(self.space.columns)]


def _consecutive(lengths: Sequence[int]) -> Iterator[slice]:
    start = 0
    for length in lengths:
        yield slice(start, start + length)
        start += length
