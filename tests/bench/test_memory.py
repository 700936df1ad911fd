"""What a search on a table may remember."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from azora.bench import Fidelity, Table
from azora.bench.memory import record_of, remembered
from azora.errors import KnowledgeError
from azora.meta import write_records
from azora.space import Categorical, Space


def table(name: str, scores: Sequence[float]) -> Table:
    space = Space("three", [Categorical("kind", ("a", "b", "c"))])
    level = Fidelity(9.0, np.array([[each] for each in scores]), ("v",), False, None)
    return Table(name, space, [("a",), ("b",), ("c",)], [level])


def memory_of(folder: Path, *tables: Table) -> str:
    file = folder / "memory.json"
    file.write_text(write_records([record_of(each) for each in tables]), encoding="utf-8")
    return str(file)


def test_a_table_is_not_told_its_own_answers(tmp_path: Path) -> None:
    searched, other = table("searched", (1.0, 2.0, 3.0)), table("other", (3.0, 2.0, 1.0))
    found = remembered(memory_of(tmp_path, searched, other), searched, None, 0)
    assert [each.task for each in found] == ["other"]
    assert found[0].best(1)[0]["kind"] == "a"


def test_a_memory_of_the_table_alone_is_refused(tmp_path: Path) -> None:
    searched = table("searched", (1.0, 2.0, 3.0))
    with pytest.raises(KnowledgeError, match="tells of searched alone, the table that is searched"):
        remembered(memory_of(tmp_path, searched), searched, None, 0)


def test_a_table_of_the_same_space_is_told_of_the_other(tmp_path: Path) -> None:
    first, second = table("cells_c10", (1.0, 2.0, 3.0)), table("cells_c100", (1.0, 3.0, 2.0))
    for number, each in enumerate((second, first)):
        folder = tmp_path / str(number)
        folder.mkdir()
        other = (first, second)[number]
        assert [found.task for found in remembered(memory_of(folder, other), each, 2, 0)] == [other.name]
