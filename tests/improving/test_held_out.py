"""Rows held out: divided and compared by groups where they hang together, and by what was there before small losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.improving.made import BRIEF, NAMES, blobs, deployed, weights
from torch import nn

from azora.errors import BudgetError, BundleError
from azora.export.bundle import read_bundle
from azora.improving import Versions, improve, paired_test
from azora.improving.challengers import Challenger
from azora.improving.held_out import Held, first_half, least
from azora.tasks import Split, Task, from_arrays


def test_halves_are_even_and_keep_groups_whole() -> None:
    assert first_half(6, 0.5).tolist() == [True, False] * 3
    groups = np.repeat([3, 1, 2, 0], [5, 1, 7, 2])
    first = first_half(15, 0.5, groups)
    assert set(groups[first]) == {0, 2} and set(groups[~first]) == {1, 3}


def test_groups_are_compared_and_not_their_rows() -> None:
    """Five groups of which all rows go one way, by chance three against two: rows alone would call that an
    improvement."""
    groups = np.repeat(np.arange(8), 40)
    old, new = np.isin(groups, (0, 1, 2)).astype(float), np.isin(groups, (3, 4)).astype(float)
    rows = Split(np.zeros((320, 1)), np.zeros(320, int))
    assert Held(rows).p("classification", old, new) == paired_test("classification", old, new) < 0.01
    assert Held(rows, groups).p("classification", old, new) > 0.2
    better = Held(rows, groups).p("classification", np.ones(320), np.where(groups == 0, 1.0, 0.0))
    assert better < 0.01
    part = Held(rows, groups).part(groups > 5)
    assert len(part.rows) == 80 and part.groups is not None and set(part.groups) == {6, 7}


def test_a_margin_is_of_rows_where_groups_are_of_different_sizes() -> None:
    groups = np.repeat(np.arange(30), np.arange(1, 31))
    rows = Split(np.zeros((len(groups), 1)), np.zeros(len(groups), int))
    old, new = np.zeros(len(groups)), np.full(len(groups), 0.02)
    assert Held(rows, groups).p("regression", old, new, margin=0.03) < 0.01
    assert Held(rows, groups).p("regression", old, new, margin=0.01) > 0.5


def test_few_groups_can_show_nothing_however_many_rows() -> None:
    groups = np.repeat(np.arange(4), 100)
    assert least("classification", np.ones(400, bool), groups) == 1.0
    assert least("classification", np.ones(400, bool), None) < 1e-9


def grouped(rows: int, seed: int, groups: int) -> Task:
    """Blobs in groups."""
    x, y = blobs(rows, seed).everything().x, blobs(rows, seed).everything().y
    return from_arrays(x, NAMES[y], name="blobs", seed=seed, groups=np.arange(len(y)) % groups)


def test_groups_of_the_data_are_those_of_the_test(tmp_path: Path) -> None:
    task = grouped(1500, 1, 60)
    assert task.test_groups is not None and len(task.test_groups) == task.test_rows
    assert len(np.unique(task.test_groups)) == 12
    assert blobs(300, 0).test_groups is None
    with pytest.raises(BudgetError, match=r"has 2 groups of rows for the test, which can show nothing"):
        improve(deployed(tmp_path, blobs(300, 0), epochs=1), grouped(1500, 1, 20), 10.0)


def noted(model: Path, *lines: dict[str, object]) -> Versions:
    versions = Versions(model)
    for line in lines:
        versions.note(str(line["what"]), line)
    return versions


def test_the_standard_is_what_was_there_before_smaller_ones(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1, wide=True)
    assert Versions(model).standard() == model
    Versions(model).keep()
    deployed(tmp_path, blobs(300, 1), epochs=1)
    second = Versions(model).keep()
    move = {"what": "promoted", "from": "0001", "to": second}
    assert noted(model, move).standard() == model  # by no margin
    assert noted(model, {**move, "margin": 0.01}).standard() == Versions(model).folder / "0001"
    deployed(tmp_path, blobs(300, 2), epochs=1)
    third = Versions(model).keep()
    versions = noted(model, {"what": "promoted", "from": second, "to": third, "margin": 0.01})
    assert versions.standard() == versions.folder / "0001"
    assert read_bundle(versions.standard()).about["architecture"] != read_bundle(model).about["architecture"]


def test_a_model_that_came_during_the_look_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = deployed(tmp_path, blobs(900, 0), epochs=1, rows=40)
    train = Challenger.train

    def meanwhile(self: Challenger, bundle: object, rows: Split, seconds: float, seed: int) -> nn.Module:
        found = train(self, bundle, rows, seconds, seed)  # type: ignore[arg-type]
        deployed(tmp_path, blobs(900, 5), epochs=2, rows=40)
        return found

    monkeypatch.setattr(Challenger, "train", meanwhile)
    with pytest.raises(BundleError, match="became another model during this look, and is left; look again"):
        improve(model, blobs(3000, 1), 6.0)
    versions = Versions(model)
    assert versions.settle() is None and not any(each["what"] == "promoted" for each in versions.history())


def test_a_model_that_came_while_the_next_one_was_written_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, came = deployed(tmp_path, blobs(900, 0), epochs=1, rows=40), list[bytes]()

    def meanwhile(*words: object) -> float:
        came.append(weights(deployed(tmp_path, blobs(900, 5), epochs=2, rows=40)))
        raise BundleError("no operator for it")

    monkeypatch.setattr("azora.improving.promotion.export_onnx", meanwhile)
    with pytest.raises(BundleError, match="became another model during this look, and is left; look again"):
        improve(model, blobs(3000, 1), BRIEF)
    versions = Versions(model)
    assert [weights(model)] == came and versions.unsettled
    assert versions.settle() is None and not versions.unsettled
    assert [weights(model)] == came and versions.history() == []
