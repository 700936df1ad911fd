"""Which columns of a table mean what: recognised by their names, or declared in a TOML file beside the table."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, final

from azora.bench.sheet import Sheet
from azora.errors import BenchmarkError
from azora.settings import closest

T = TypeVar("T", "Length", "Schema")
NOTATIONS = ("nb201", "digits-cells", "digits", "separated")


@final
@dataclass(frozen=True)
class Length:
    """Trainings of one length.

    Args:
        validation: columns of validation scores, one for each seed.
        mean: the column of their mean; needed only where there is no column by seed.
        epochs: the length.
        seconds: the column of what one training took.
        share: what the seconds of that column are multiplied with (a table may state those of the longest training).
        seeds: the column that says how many seeds a row has; it is checked.
    """

    validation: tuple[str, ...] = ()
    mean: str | None = None
    epochs: float | None = None
    seconds: str | None = None
    share: float = 1.0
    seeds: str | None = None


@final
@dataclass(frozen=True)
class Schema:
    """How a table is read.

    Args:
        lengths: the fidelities, the shortest first.
        architecture: the column that holds the architecture, in `notation`.
        notation: `nb201`; `digits-cells`; `digits`: one digit a choice, a place among `options`; `separated`: values
            with `separator` between them.
        choices: instead of these, one column for each choice.
        test: columns of scores that no search may see; several are averaged.
        percent: whether scores are from 0 to 100.
        maximise: whether more is better.
        partial: whether points of the space may be missing; a search is then kept to those that are there.
        distinct: whether there is one row for each distinct network; it answers for all points that are this network.
        dataset: the prefix of the columns that says what was learned.
        features: of the task, as searches remember them: a memory of other tasks is heard by how alike they are.
        continues: whether a longer training goes on from a shorter one (points of one curve), so that what was paid for
            the shorter is not paid again. Where each had its own schedule, as in NAS-Bench-201, it does not.
    """

    lengths: tuple[Length, ...]
    architecture: str | None = None
    notation: str = "nb201"
    options: tuple[Any, ...] = ()
    separator: str = ":"
    choices: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    percent: bool = False
    maximise: bool = True
    partial: bool = False
    distinct: bool = False
    dataset: str = ""
    features: Mapping[str, float] = field(default_factory=dict)
    continues: bool = False


def find_schema(path: Path, sheet: Sheet) -> Schema:
    """The schema declared in `NAME.toml` beside `NAME.csv` or `NAME.csv.gz`, else the one that the columns fit.

    Raises:
        BenchmarkError: neither; what is missing is named.
    """
    beside = path.with_name(path.name.split(".")[0] + ".toml")
    if beside.is_file():
        return declared(beside)
    if any(re.fullmatch(r"\w+_val\d+(_s\d+)?", column) for column in sheet.header):
        return _nb201(sheet)
    if seeds := _seeds(sheet, "acc_s"):
        _need(sheet, "arch", "NAS-Bench-Macro")
        from azora.bench.notation import MACRO

        return Schema((Length(seeds),), "arch", "digits", MACRO, percent=True)
    raise BenchmarkError(
        f"{sheet.name} is of no known schema: it has neither validation columns of NAS-Bench-201 (c10_val200, "
        f"c10_val200_s0 …) nor of NAS-Bench-Macro (acc_s0 …); declare its columns in {beside.name} beside it"
    )


def _nb201(sheet: Sheet) -> Schema:
    """`SET_valEPOCHS_sSEED` or `SET_valEPOCHS` for each length, `SET_testEPOCHS` and `SET_train_sEPOCHS`."""
    _need(sheet, "arch", "NAS-Bench-201")
    found = [re.fullmatch(r"(\w+?)_val(\d+)(?:_s\d+)?", column) for column in sheet.header]
    sets = {each[1] for each in found if each}
    if len(sets) > 1:
        raise BenchmarkError(
            f"{sheet.name}: holds {', '.join(sorted(sets))}; declare the columns of one in a TOML file"
        )
    (prefix,) = sets
    epochs = sorted({int(each[2]) for each in found if each})
    tests, trains = (_numbers(sheet, rf"{prefix}_{kind}(\d+)") for kind in ("test", "train_s"))
    longest = max(epochs + tests + trains)
    wanted = f"{prefix}_test{longest}"
    for column, there in ((f"{prefix}_val{longest}", epochs[-1] == longest), (wanted, not tests or longest in tests)):
        if not there:
            raise BenchmarkError(f"{sheet.name}: there is no column {column!r}, though others are of {longest} epochs")
    seconds = f"{prefix}_train_s{longest}"
    lengths = []
    for length in epochs:
        by_seed, mean = _seeds(sheet, f"{prefix}_val{length}_s"), f"{prefix}_val{length}"
        lengths.append(
            Length(
                by_seed,
                mean if mean in sheet.header else None,
                float(length),
                seconds if seconds in sheet.header else None,
                length / longest,
                f"{prefix}_nseeds" if f"{prefix}_nseeds" in sheet.header and by_seed else None,
            )
        )
    return Schema(tuple(lengths), "arch", test=(wanted,) if tests else (), percent=True, dataset=prefix)


def declared(path: Path) -> Schema:
    """The schema that a TOML file says; its keys are the arguments of `Schema`, with a `[[fidelity]]` of those of
    `Length` for each length.

    Raises:
        BenchmarkError: it cannot be read, or says what nothing answers to.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} cannot be read: {error}") from error
    lengths = said.pop("fidelity", [])
    if not isinstance(lengths, list) or not lengths or not all(isinstance(each, dict) for each in lengths):
        raise BenchmarkError(
            f"{path.name}: needs a [[fidelity]] with the validation columns of each length of training"
        )
    made = [_made(path.name, Length, each) for each in lengths]
    if len(made) > 1 and any(each.epochs is None for each in made):
        raise BenchmarkError(f"{path.name}: of several lengths of training, each needs its epochs")
    ordered = sorted(made, key=lambda each: each.epochs or 0.0)
    schema = replace(_made(path.name, Schema, {**said, "lengths": []}), lengths=tuple(ordered))
    _check(path.name, schema)
    return schema


def _made(name: str, kind: type[T], said: Mapping[str, Any]) -> T:
    """`kind` from what a file says, its types checked."""
    from pydantic import TypeAdapter, ValidationError  # a tenth of a second that tables of known schemas save

    known = [each.name for each in fields(kind)]
    for key in said:
        if key not in known:
            raise BenchmarkError(f"{name}: nothing answers to {key!r}; {closest(key, known)}")
    try:
        return TypeAdapter(kind).validate_python(_tuples(said))
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchmarkError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _check(name: str, schema: Schema) -> None:
    if (schema.architecture is None) == (not schema.choices):
        raise BenchmarkError(f"{name}: needs either architecture, a column, or choices, a list of columns")
    if schema.notation not in NOTATIONS:
        hint = closest(schema.notation, NOTATIONS)
        raise BenchmarkError(f"{name}: notation {schema.notation!r} is not known; {hint}")
    if schema.architecture is not None and schema.notation == "digits" and not 2 <= len(schema.options) <= 10:
        raise BenchmarkError(f"{name}: needs options, a list of what the digits 0, 1 … stand for")
    if not schema.separator:
        raise BenchmarkError(f"{name}: separator is empty")
    for length in schema.lengths:
        if both := {*length.validation, length.mean} & set(schema.test):
            raise BenchmarkError(f"{name}: {both.pop()} cannot be seen by a search and be its test")
        if not length.validation and length.mean is None:
            raise BenchmarkError(
                f"{name}: a [[fidelity]] has neither validation, a list of columns, nor mean, a column"
            )


def _tuples(said: Mapping[str, Any]) -> dict[str, Any]:
    """Lists become tuples, and a lone column where several may stand becomes one of them."""
    several = ("validation", "test", "choices", "options")
    made = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    return {name: (value,) if name in several and isinstance(value, str) else value for name, value in made.items()}


def _seeds(sheet: Sheet, stem: str) -> tuple[str, ...]:
    """The columns of one score by seed, in order. A seed's column that is gone would not be noticed otherwise."""
    numbers = _numbers(sheet, rf"{stem}(\d+)")
    for place, number in enumerate(numbers):
        if place != number:
            raise BenchmarkError(f"{sheet.name}: there is no column '{stem}{place}', though there is '{stem}{number}'")
    return tuple(f"{stem}{number}" for number in numbers)


def _numbers(sheet: Sheet, pattern: str) -> list[int]:
    """The numbers in the columns' names that fit, in order."""
    return sorted(int(match[1]) for column in sheet.header if (match := re.fullmatch(pattern, column)))


def _need(sheet: Sheet, column: str, schema: str) -> None:
    if column not in sheet.header:
        hint = closest(column, sheet.header)
        raise BenchmarkError(f"{sheet.name}: there is no column {column!r}, which {schema} needs; {hint}")
