"""Costs that stand in a table, for spaces that cannot build their networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

from azora.bench.sheet import Sheet
from azora.bench.table import Decisions, Numbers
from azora.errors import BenchmarkError
from azora.space import Option, Space

COLUMNS = {"params": ("params",), "macs": ("macs", "flops")}
"""By what it is: the columns that say it. What are called flops are multiply-accumulates, or twice as many: the same
order."""


@final
class Counted(Space):
    """The choices of a space, and what each of its networks costs: what a user of the space could count.

    Args:
        space: without rules.
        points: the decisions of every row, in the order of the choices.
        costs: (rows,) of `params` and `macs`.
    """

    def __init__(self, space: Space, points: Sequence[Decisions], costs: Mapping[str, Numbers]) -> None:
        super().__init__(space.name, list(space.choices.values()))
        rows = zip(*(column.tolist() for column in costs.values()), strict=True)
        counted = ({name: int(value) for name, value in zip(costs, row, strict=True)} for row in rows)
        self._costs = dict(zip(points, counted, strict=True))

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int] | None:
        return self._costs.get(tuple(decisions.get(name) for name in self.choices))


def counted(sheet: Sheet, space: Space, points: Sequence[Decisions]) -> Space:
    """`space`, with the costs of the sheet where it has both columns in full, and the space cannot tell."""
    costs: dict[str, Numbers] = {}
    for name, columns in COLUMNS.items():
        column = next((each for each in columns if each in sheet.header), None)
        if column is None or type(space) is not Space:
            return space
        try:
            costs[name] = sheet.numbers(column)
        except BenchmarkError:  # words: it is called like a cost, and is none
            return space
        if not bool((costs[name] > 0).all()):
            return space
    return Counted(space, points, costs)
