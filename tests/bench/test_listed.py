"""Tables that hold few of a space's very many points."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.bench.made import write

from azora.bench import Setup, compare, read_table
from azora.bench.listed import Listed

COUNT = 28
HEADER = ["a", "b", "c", "s0", "s1", "ms"]
DECLARED = """
choices = ["a", "b", "c"]
partial = true

[[fidelity]]
validation = ["s0", "s1"]
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """28 of 21,952 points, which are too many to be gone through, the best first."""
    folder = tmp_path_factory.mktemp("listed")
    (folder / "few.toml").write_text(DECLARED, encoding="utf-8")
    numbers = [(place, place * 3 % COUNT, place * 5 % COUNT) for place in reversed(range(COUNT))]
    rows = [[str(a), str(b), str(c), str(a), str(a + b / 100), str(1 + c)] for a, b, c in numbers]
    return write(folder / "few.csv", HEADER, rows)


def test_the_points_are_those_of_the_table_in_the_order_of_choices(file: Path) -> None:
    space = read_table(file).space
    assert isinstance(space, Listed) and space.size() == space.bound == COUNT
    assert [each["a"] for each in space] == list(range(COUNT))
    first = next(iter(space))
    assert space.architecture(**first) == first and space.admitted({**first, "a": 1}) is None


def test_every_point_is_drawn_as_often(file: Path) -> None:
    space, rng = read_table(file).space, random.Random(0)
    drawn = Counter(space.sample(rng)["a"] for _ in range(100 * COUNT))
    assert len(drawn) == COUNT and all(50 < times < 150 for times in drawn.values())


@pytest.mark.parametrize("rules", [{}, {"cost": "ms"}, {"cost": "ms", "limit": "50%"}, {"cost": "ms", "limit": "3"}])
def test_it_is_searched_to_its_last_point(file: Path, rules: dict[str, str]) -> None:
    own: dict[str, dict[str, Any]] = {"pareto": {}} if rules == {"cost": "ms"} else {"evolution": {"population": 4}}
    found = compare(Setup(str(file), own, **rules), runs=2)  # type: ignore[arg-type]
    within = {"50%": COUNT // 2, "3": 3}.get(rules.get("limit", ""), COUNT)
    assert found.protocol.queries == len(found.protocol.table) == within
    for runs in found.runs.values():
        for run in runs.values():
            assert sorted(run.rows) == list(range(within)) and not run.ended


def test_a_limit_that_one_network_in_thousands_keeps_is_searched(tmp_path: Path) -> None:
    text = 'architecture = "arch"\nnotation = "digits"\noptions = ["x", "y", "z"]\n'
    text += '[[fidelity]]\nvalidation = ["s0", "s1"]\n'
    (tmp_path / "whole.toml").write_text(text, encoding="utf-8")
    codes = ["".join("012"[place // 3**digit % 3] for digit in range(8)) for place in range(3**8)]
    rows = [[code, str(place), str(place + 1), "1" if place in (5, 4000) else "2"] for place, code in enumerate(codes)]
    file = write(tmp_path / "whole.csv", ["arch", "s0", "s1", "ms"], rows)
    found = compare(Setup(str(file), {"local": {}}, cost="ms", limit="1"), runs=2)
    assert found.protocol.best == 4001.0
    assert all(sorted(run.rows) == [0, 1] for runs in found.runs.values() for run in runs.values())
