"""Whatever is in a table or beside it, the answer is a table or one line that says what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.bench.made import MACRO_HEADER, macro_rows, write

from azora.bench import Protocol, Table, read_table
from azora.errors import AzoraError

FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=not os.environ.get("FUZZ_ANEW"),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CELL = st.one_of(
    st.sampled_from(["", " ", "nan", "-inf", "1e999", "0,1", '"', "00", "0x", "é", "\0"]), st.text(max_size=5)
)
VALUE = st.one_of(
    st.sampled_from(["arch", "acc_s0", "acc_s1", "params", "mean_acc", "nothing", "", "digits", "separated", "1", ":"]),
    st.integers(-2, 12),
    st.floats(),
    st.booleans(),
    st.lists(st.sampled_from(["arch", "acc_s0", "acc_s1", "mean_acc", "0", "1", "2"]), max_size=4),
)
KEYS = st.sampled_from(
    ["architecture", "notation", "options", "separator", "choices", "test", "percent", "maximise", "partial", "other"]
)
LENGTH = st.sampled_from(["validation", "mean", "epochs", "seconds", "share", "seeds", "other"])


def read_or_refuse(path: Path) -> Table | None:
    try:
        table = read_table(path)
        Protocol(table, queries=1)
        return table
    except AzoraError as error:
        assert "\n" not in str(error)
        return None


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5), CELL), max_size=3))
def test_cells_of_anything(tmp_path: Path, changes: list[tuple[int, int, str]]) -> None:
    rows = macro_rows(2)
    for row, column, cell in changes:
        rows[row][column] = cell
    table = read_or_refuse(write(tmp_path / "small.csv", MACRO_HEADER, rows))
    assert table is None or len(table) == 9


@FUZZ
@given(st.binary(max_size=60), st.integers(0, 400))
def test_bytes_of_anything(tmp_path: Path, raw: bytes, place: int) -> None:
    good = write(tmp_path / "small.csv.gz", MACRO_HEADER, macro_rows(2)).read_bytes()
    place %= len(good)
    (tmp_path / "small.csv.gz").write_bytes(good[:place] + raw + good[place + len(raw) :])
    table = read_or_refuse(tmp_path / "small.csv.gz")
    assert table is None or len(table) == 9


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else repr(value)


@FUZZ
@given(st.dictionaries(KEYS, VALUE, max_size=4), st.lists(st.dictionaries(LENGTH, VALUE, max_size=3), max_size=2))
def test_declarations_of_anything(tmp_path: Path, said: dict[str, object], lengths: list[dict[str, object]]) -> None:
    lines = [f"{key} = {toml(value)}" for key, value in said.items()]
    for length in lengths:
        lines += ["[[fidelity]]", *(f"{key} = {toml(value)}" for key, value in length.items())]
    (tmp_path / "small.toml").write_text("\n".join(lines), encoding="utf-8")
    table = read_or_refuse(write(tmp_path / "small.csv", MACRO_HEADER, macro_rows(2)))
    assert table is None or len(table) == 9


@pytest.mark.parametrize("extra", ["", 'test = "params"\n', "partial = true\n"])
def test_a_good_declaration_is_among_them(tmp_path: Path, extra: str) -> None:
    text = f'{extra}architecture = "arch"\nnotation = "digits"\noptions = [0, 1, 2]\n[[fidelity]]\n'
    text += 'validation = ["acc_s0", "acc_s1"]\n'
    (tmp_path / "small.toml").write_text(text, encoding="utf-8")
    assert read_or_refuse(write(tmp_path / "small.csv", MACRO_HEADER, macro_rows(2))) is not None
