"""The part of a space that a table holds."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import final

from azora.bench.table import Table
from azora.space import Architecture, Derived, Option, Rule


@final
class Listed(Derived):
    """The points of a table's space that it has rows for. They may be few of very many, so a point is not drawn until
    it has a row: a row is drawn, which is as likely to be any of them.

    Args:
        table: whose space is the whole.
        reason: why a point without a row is not valid.
    """

    def __init__(self, table: Table, reason: str = "it is not in the table") -> None:
        super().__init__(table.space, list(table.space.choices.values()))
        self.table = table
        self.rules = (*self.rules, Rule(reason, self._has_row))

    def sample(self, rng: random.Random) -> Architecture:
        return self.table.architecture(rng.randrange(len(self.table)))

    def size(self) -> int:
        return len(self.table)

    @property
    def bound(self) -> float:
        return float(len(self.table))

    def __iter__(self) -> Iterator[Architecture]:
        return (self.table.architecture(row) for row in self._order)

    @cached_property
    def _order(self) -> list[int]:
        """The rows in the order of choices: that of the file may tell which are good."""
        known = [{option: place for place, option in enumerate(each.options())} for each in self.choices.values()]

        def places(row: int) -> list[int]:
            return [found.get(value, -1) for found, value in zip(known, self.table.points[row], strict=True)]

        return sorted(range(len(self.table)), key=places)

    def _has_row(self, kept: Mapping[str, Option]) -> bool:
        return tuple(kept.get(name) for name in self.choices) in self.table.rows
