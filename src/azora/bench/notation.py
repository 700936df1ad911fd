"""How tables write architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import final

from azora.bench.sheet import Sheet
from azora.bench.table import Decisions
from azora.errors import BenchmarkError, SpaceError
from azora.space import Categorical, Option, Space

MACRO = ("identity", "inverted_3x3_t3", "inverted_5x5_t6")
"""The blocks of NAS-Bench-Macro (Su et al., 2021) by their digits: inverted bottlenecks of a kernel and expansion."""


@final
@dataclass(frozen=True)
class Written:
    """A space, and the decisions of every row of a sheet."""

    space: Space
    points: list[Decisions]


def nb201(sheet: Sheet, column: str) -> Written:
    """`|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, architectures of `azora.networks.nb201.NB201` (Dong & Yang, 2020).

    Raises:
        BenchmarkError: a cell that says something else; the row is named.
    """
    # The space can build networks, so it imports torch; tables of other spaces do without.
    from azora.networks.nb201 import NB201, OPERATIONS, PUBLISHED
    from azora.tasks import Signature

    space = NB201(Signature("classification", (3, 32, 32), 10))  # keys do not depend on the shape of the data
    names = [(each, PUBLISHED.get(each, each)) for each in OPERATIONS]
    known: dict[str, Decisions] = {}
    for edges in product(names, repeat=6):
        a, b, c, d, e, f = (written for _, written in edges)
        known[f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"] = tuple(ours for ours, _ in edges)

    def read(cell: str) -> Decisions:
        return known.get(cell) or tuple(space.from_string(cell).values())

    return Written(space, _each(sheet, column, read))


def digits_cells(sheet: Sheet, column: str) -> Written:
    """Six digits, architectures of `azora.networks.digits_cells.DigitsCells`.

    Raises:
        BenchmarkError: a cell that says something else; the row is named.
    """
    from azora.networks.digits_cells import DigitsCells
    from azora.tasks import Signature

    space = DigitsCells(Signature("classification", (1, 8, 8), 10))
    return Written(space, _each(sheet, column, lambda cell: tuple(space.from_code(cell).values())))


def digits(sheet: Sheet, column: str, options: Sequence[Option], name: str) -> Written:
    """One digit a choice, the place of what is chosen among `options`: `02110221`.

    Raises:
        BenchmarkError: a cell of another length than the first, or with a digit that is no place; the row is named.
    """
    length = len(sheet.cells(column)[0])
    known = {str(place): option for place, option in enumerate(options)}

    def read(cell: str) -> Decisions:
        if len(cell) != length or not known.keys() >= set(cell):
            raise SpaceError(f"{cell!r} is not {length} digits from 0 to {len(options) - 1}")
        return tuple(known[digit] for digit in cell)

    points = _each(sheet, column, read)
    return Written(Space(name, [Categorical(f"block_{place}", tuple(options)) for place in range(length)]), points)


def separated(sheet: Sheet, column: str, separator: str, name: str) -> Written:
    """The values of all choices with a separator between them: `64:32:16`. Options are those found at each place.

    Raises:
        BenchmarkError: a cell with more or fewer values than the first; the row is named.
    """
    length = len(sheet.cells(column)[0].split(separator))

    def read(cell: str) -> Decisions:
        if len(parts := tuple(part.strip() for part in cell.split(separator))) != length or "" in parts:
            raise SpaceError(f"{cell!r} is not {length} values with {separator!r} between them")
        return parts

    found = zip(*_each(sheet, column, read), strict=True)
    return _of_columns({f"choice_{place}": list(cells) for place, cells in enumerate(found)}, name)


def columns(sheet: Sheet, names: Sequence[str], name: str) -> Written:
    """One column a choice; its options are the values found in it.

    Raises:
        BenchmarkError: a blank cell, or no such column.
    """
    found = {each: [cell.strip() for cell in sheet.cells(each)] for each in names}
    for each, cells in found.items():
        if "" in cells:
            raise BenchmarkError(f"{sheet.name}: {each} is blank in row {cells.index('') + 1}; a choice needs a value")
    return _of_columns(found, name)


def _of_columns(found: Mapping[str, list[str]], name: str) -> Written:
    """Values are numbers where all of a choice's are."""
    values = {each: _options(cells) for each, cells in found.items()}
    choices = [Categorical(each, tuple(sorted(set(cells)))) for each, cells in values.items()]
    return Written(Space(name, choices), list(zip(*values.values(), strict=True)))


def _options(cells: list[str]) -> list[Option]:
    try:
        return [int(number) if number.is_integer() else number for number in map(float, cells)]
    except (ValueError, OverflowError):
        return list(cells)


def _each(sheet: Sheet, column: str, read: Callable[[str], Decisions]) -> list[Decisions]:
    points = []
    for row, cell in enumerate(sheet.cells(column), 1):
        try:
            points.append(read(cell.strip()))
        except SpaceError as error:
            raise BenchmarkError(f"{sheet.name}: {column} in row {row} cannot be read: {error}") from error
    return points
