"""Tables from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from azora.bench import notation
from azora.bench.counted import counted
from azora.bench.listed import Listed
from azora.bench.notation import Written
from azora.bench.schema import Length, Schema, find_schema
from azora.bench.sheet import Sheet, read_sheet
from azora.bench.table import Decisions, Fidelity, Numbers, Table, masked_mean
from azora.errors import BenchmarkError
from azora.space import Space


def read_table(path: Path) -> Table:
    """The benchmark in a CSV file, compressed or not, of a schema that is known or declared beside it.

    Raises:
        BenchmarkError: a column is missing, an architecture cannot be read (the row is named), or rows are missing,
            doubled or disagree with what the table says of them.
    """
    sheet = read_sheet(path)
    schema = find_schema(path, sheet)
    name = path.name.split(".")[0]
    written = _architectures(sheet, schema, name)
    table = Table(
        name,
        counted(sheet, written.space, written.points),
        written.points,
        [_fidelity(sheet, length) for length in schema.lengths],
        _test(sheet, schema),
        " and ".join(schema.test) or "test",
        100.0 if schema.percent else 1.0,
        schema.maximise,
        schema.dataset,
        schema.features,
        schema.continues,
    )
    return _covered(table, schema)


def read_cost(path: Path, word: str, table: Table) -> Numbers:
    """The (rows,) costs of the networks of `table`, which was read from `path`: a column of it, or, as `FILE:COLUMN`,
    of another file that has the same networks in the same notation.

    Raises:
        BenchmarkError: there is no such file or column, a network is missing, or a cost is not above zero.
    """
    file, _, column = word.rpartition(":")
    schema, sheet = find_schema(path, read_sheet(path)), read_sheet(Path(file) if file else path)
    written, costs = _architectures(sheet, schema, table.name), sheet.numbers(column)
    if schema.distinct:
        of = {_key(written.space, point): cost for point, cost in zip(written.points, costs, strict=True)}
        found = np.array([of.get(_key(written.space, point), np.nan) for point in table.points])
    else:
        said = dict(zip(written.points, costs, strict=True))
        found = np.array([said.get(point, np.nan) for point in table.points])
    for row in np.flatnonzero(~(found > 0))[:1]:
        raise BenchmarkError(f"{sheet.name}: {table.show(int(row))} has no {column} above zero")
    return found


def _architectures(sheet: Sheet, schema: Schema, name: str) -> Written:
    if schema.architecture is None:
        return notation.columns(sheet, schema.choices, name)
    if schema.notation == "nb201":
        return notation.nb201(sheet, schema.architecture)
    if schema.notation == "digits-cells":
        return notation.digits_cells(sheet, schema.architecture)
    if schema.notation == "separated":
        return notation.separated(sheet, schema.architecture, schema.separator, name)
    return notation.digits(sheet, schema.architecture, schema.options, name)


def _fidelity(sheet: Sheet, length: Length) -> Fidelity:
    columns = length.validation or (str(length.mean),)
    scores = np.stack([sheet.numbers(column) for column in columns], 1)
    if length.seeds is not None:
        said, found = sheet.numbers(length.seeds), (~np.isnan(scores)).sum(1)
        for row in np.flatnonzero(said != found)[:1]:
            raise BenchmarkError(
                f"{sheet.name}: {length.seeds} in row {row + 1} is {said[row]:g}, and {found[row]} of"
                f" {', '.join(columns)} have a value"
            )
    for row in np.flatnonzero(np.isnan(scores).all(1))[:1]:
        raise BenchmarkError(f"{sheet.name}: row {row + 1} has no value in {', '.join(columns)}")
    seconds = None if length.seconds is None else sheet.numbers(length.seconds) * length.share
    return Fidelity(length.epochs, scores, tuple(columns), bool(length.validation), seconds)


def _test(sheet: Sheet, schema: Schema) -> Numbers | None:
    if not schema.test:
        return None
    scores = np.stack([sheet.numbers(column) for column in schema.test], 1)
    return masked_mean(scores, ~np.isnan(scores))


def _covered(table: Table, schema: Schema) -> Table:
    """A search may ask for any point of the space: all must be there, or the space be kept to those that are."""
    if schema.distinct:
        _check_distinct(table)
    size = table.space.size()
    if size == len(table):
        return table
    if schema.distinct:
        return _spread(table, schema.partial)
    if not schema.partial:
        missing = "" if size is None or size > 1_000_000 else _first_missing(table)
        points = "endless" if size is None else f"{size:,}"
        raise BenchmarkError(
            f"{table.name}: has {len(table):,} rows, and its space {points} points{missing}; say partial = true in"
            f" {table.name}.toml where that is meant"
        )
    return table.within(Listed(table))


def _spread(table: Table, partial: bool) -> Table:
    """Each point of the space with the row of its network; where networks may be missing, those of the others."""
    of, space = {table.architecture(row).key: row for row in range(len(table))}, table.space
    found = [each for each in space if each.key in of or not partial]
    rows = [of.get(each.key, -1) for each in found]
    if -1 in rows:
        missing = ", ".join(map(str, found[rows.index(-1)].values()))
        raise BenchmarkError(f"{table.name}: has {len(of):,} networks, and not that of {missing}")
    spread = table.taking(rows, [tuple(each.get(name) for name in space.choices) for each in found])
    return spread.within(Listed(spread)) if partial else spread


def _check_distinct(table: Table) -> None:
    first: dict[str, int] = {}
    for row in range(len(table)):
        if (other := first.setdefault(table.architecture(row).key, row)) != row:
            raise BenchmarkError(
                f"{table.name}: {table.show(other)} and {table.show(row)} are one network, and distinct = true says"
                " that there is one row for each"
            )


def _key(space: Space, point: Decisions) -> str:
    return space.architecture(**dict(zip(space.choices, point, strict=True))).key


def _first_missing(table: Table) -> str:
    missing = next((each for each in table.space if table.row(each) is None), None)
    return "" if missing is None else f" (the first that is missing: {', '.join(map(str, missing.values()))})"
