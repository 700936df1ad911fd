"""What docs/benchmarks.md shows is so."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tests.bench.made import write

from azora.bench import Table, read_table
from azora.cli.main import main
from azora.testing import BenchmarkContract

PAGE = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def block(language: str, place: int = 0) -> str:
    found: str = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)[place]
    return found


class TestTheTableOfTheDocs(BenchmarkContract):
    @pytest.fixture
    def table(self) -> Table:
        names: dict[str, Any] = {}
        exec(block("python"), names)
        made: Table = names["my_table"]()
        return made


def test_the_declaration_of_the_docs(tmp_path: Path) -> None:
    (tmp_path / "widths.toml").write_text(block("toml"), encoding="utf-8")
    header = ["kernel", "width", "test_s0", "test_s1", "val_s0", "val_s1", "val10", "train_seconds"]
    rows = [[str(kernel), str(width), "91", "93", "90", "", "80", "50"] for kernel, width in product((3, 5), (8, 16))]
    table = read_table(write(tmp_path / "widths.csv", header, rows))
    assert table.test is not None and table.test.tolist() == [92] * 4
    assert [level.epochs for level in table.fidelities] == [10, 100]
    assert [level.seconds is not None and level.seconds[0] for level in table.fidelities] == [5, 50]


def test_the_options_of_the_docs_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--help"]) == 0
    known = capsys.readouterr().out
    said = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE))
    assert said >= {"--queries", "--seconds", "--fidelity", "--noise", "--set", "--out", "--json"}
    assert not {option for option in said if option not in known}
