"""What a table says of costs is what its space says."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench.made import MACRO_HEADER, macro_rows, write

from azora.bench import Protocol, Setup, Table, read_table
from azora.networks.nb201 import NB201
from azora.strategies import WarmStart


def table(folder: Path, params: str = "1{}", flops: str = "2{}") -> Table:
    header = [*MACRO_HEADER[:-1], "params", "flops"]
    rows = [[*row[:-1], params.format(row[0]), flops.format(row[0])] for row in macro_rows()]
    return read_table(write(folder / "some_macro.csv", header, rows))


def test_costs_are_those_of_the_row(tmp_path: Path) -> None:
    made = table(tmp_path)
    asked = made.space.architecture(
        block_0="identity", block_1="inverted_3x3_t3", block_2="inverted_5x5_t6", block_3="identity"
    )
    assert made.space.cost(asked) == {"params": 10120, "macs": 20120}


@pytest.mark.parametrize(("params", "flops"), [("", "1"), ("few", "1"), ("0", "1")])
def test_columns_that_are_no_costs_are_no_costs(params: str, flops: str, tmp_path: Path) -> None:
    made = table(tmp_path, params, flops)
    assert made.space.cost(made.architecture(0)) is None


def test_cells_count_themselves(nb201: Table) -> None:
    assert isinstance(nb201.space, NB201)


def test_a_warm_start_begins_with_what_costs_most(tmp_path: Path) -> None:
    table(tmp_path)
    setup = Setup(str(tmp_path / "some_macro.csv"), {"evolution": {"warm": True}}, queries=20)
    strategy = setup.strategy("evolution", protocol := setup.protocol(), 0)
    assert isinstance(strategy, WarmStart)
    assert isinstance(protocol, Protocol)
    first = strategy.ask()
    assert first is not None and first.origin == "large"
    assert set(first.architecture.values()) == {"inverted_5x5_t6"}
