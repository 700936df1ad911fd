"""A former version is put back: by itself, by a person, and after whatever cut a promotion short."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.improving.made import BRIEF, NAMES, blobs, deployed, weights

from azora.cli.main import main
from azora.errors import BudgetError, BundleError
from azora.export.bundle import ABOUT, WEIGHTS, read_bundle, write_bundle
from azora.improving import Versions, improve
from azora.improving.cycle import _tries
from azora.tasks import from_arrays
from azora.training import outputs


def test_a_regression_after_the_promotion_rolls_back_by_itself(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(900, 0), epochs=1, rows=40)
    before = weights(model)

    def break_it(folder: Path) -> None:
        bundle = read_bundle(folder)
        with torch.no_grad():
            for parameter in bundle.network.parameters():
                parameter.zero_()
        about = bundle.about
        write_bundle(
            folder, bundle.network, bundle.signature, bundle.scaling, space=about["space"],
            architecture=about["architecture"], facts={}, onnx=None, card="",
        )  # fmt: skip

    outcome = improve(model, blobs(3000, 1), BRIEF, promoted=break_it)
    assert outcome.what == "rolled back" and "answers otherwise than what was tested" in outcome.facts["why"]
    assert weights(model) == before

    def damage_it(folder: Path) -> None:
        (folder / WEIGHTS).write_bytes(b"")

    damaged = improve(model, blobs(3000, 2), BRIEF, promoted=damage_it)
    assert damaged.what == "rolled back" and "cannot be read" in damaged.facts["why"]
    assert weights(model) == before


def test_what_is_worse_on_fresh_rows_rolls_back(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(900, 0), epochs=1, rows=40)
    bundle, more, held = read_bundle(model), blobs(3000, 1), blobs(600, 2).everything()
    # Every other row, the second half of the test, is as the deployed model says.
    said = outputs(bundle.network, held.x, bundle.signature, bundle.scaling).argmax(1)
    y = np.where(np.arange(len(held)) % 2 == 0, held.y, said)
    rows = more.everything()
    task = from_arrays(rows.x, NAMES[rows.y], x_test=held.x, y_test=NAMES[y], name="turned")
    before = weights(model)
    outcome = improve(model, task, BRIEF)
    assert outcome.what == "rolled back" and "on fresh rows it is worse" in outcome.facts["why"]
    assert weights(model) == before


def test_a_promotion_that_was_killed_before_the_second_look_is_put_back(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(900, 0), epochs=1, rows=40)
    before = weights(model)

    def kill(folder: Path) -> None:
        raise KeyboardInterrupt

    for again in (lambda: improve(model, blobs(40, 2), BRIEF), lambda: main(["rollback", str(model)])):
        with pytest.raises(KeyboardInterrupt):
            improve(model, blobs(3000, 1), BRIEF, promoted=kill)
        assert weights(model) != before
        with contextlib.suppress(BudgetError):  # so few rows are looked at in vain
            again()
        assert weights(model) == before
    told = [each["what"] for each in Versions(model).history()]
    assert told == ["promoted", "rolled back"] * 2
    assert Versions(model).settle() is None


def test_after_a_rollback_what_was_put_back_is_not_deployed_again(tmp_path: Path) -> None:
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    first = versions.keep()
    with versions.promoting():
        deployed(tmp_path, blobs(300, 0), epochs=2)
        versions.note("promoted", {"from": first, "to": versions.keep()})
    assert versions.roll_back() == first
    with pytest.raises(BundleError, match="has no version before the present one"):
        versions.roll_back()
    assert versions.keep() == first
    versions.roll_back("0002")
    assert versions.roll_back() == first


def test_a_rollback_that_was_cut_short_is_noted_by_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = deployed(tmp_path, blobs(900, 0), epochs=1, rows=40)
    before, note = weights(model), Versions.note

    def killed(self: Versions, what: str, facts: Mapping[str, Any]) -> None:
        if what == "rolled back":
            raise KeyboardInterrupt
        note(self, what, facts)

    def damage_it(folder: Path) -> None:
        (folder / WEIGHTS).write_bytes(b"")

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Versions, "note", killed)
        improve(model, blobs(3000, 1), BRIEF, promoted=damage_it)
    versions = Versions(model)
    assert weights(model) == before and versions.settle() is None
    assert [each["what"] for each in versions.history()] == ["promoted", "rolled back"]
    assert _tries(versions) == 1 and versions.settle() is None


def test_a_line_of_the_history_that_was_cut_does_not_take_the_next_with_it(tmp_path: Path) -> None:
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    versions.note("kept", {})
    with (versions.folder / "history.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"when": "20')
    versions.note("promoted", {})
    assert [each["what"] for each in versions.history()] == ["kept", "promoted"]


def test_tests_are_counted_of_the_model_that_is_deployed(tmp_path: Path) -> None:
    """Whatever was promoted and put back since, and however often."""
    versions, first, marks = Versions(deployed(tmp_path, blobs(300, 0), epochs=1)), "", list[str | None]()
    for epochs in (1, 2, 3):
        deployed(tmp_path, blobs(300, 0), epochs=epochs)
        first, marks = first or versions.keep(), [*marks, versions.mark]
        versions.keep()
    for what, place in (("kept", 0), ("promoted", 0), ("kept", 1), ("kept", 1), ("promoted", 1), ("rolled back", None)):
        versions.note(what, {} if place is None else {"p": 0.5, "model": marks[place]})
    versions.note("kept", {"why": "nothing was tested"})
    counts = []
    for number in versions.numbers():
        versions.deploy(number)
        counts.append(_tries(versions))
    assert counts == [2, 3, 0]
    deployed(tmp_path, blobs(300, 0), epochs=4)  # a search has put another one there
    assert _tries(versions) == 0


def test_a_model_that_cannot_be_read_is_had_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    model, first = versions.model, versions.keep()
    one = weights(model)
    deployed(tmp_path, blobs(300, 0), epochs=2)
    versions.note("promoted", {"from": first, "to": versions.keep()})
    two = weights(model)
    (model / ABOUT).write_text("{", encoding="utf-8")
    assert main(["rollback", str(tmp_path)]) == 0 and weights(model) == two
    assert versions.history()[-1] | {"when": ""} == {
        "when": "", "what": "rolled back", "from": "damaged-0001", "to": "0002", "why": "it could not be read",
    }  # fmt: skip
    assert (versions.folder / "damaged-0001" / ABOUT).read_text(encoding="utf-8") == "{"
    (model / ABOUT).unlink()
    assert main(["rollback", str(model), "--to", "0001"]) == 0 and weights(model) == one
    # Of the versions that are kept one may be damaged as well; it is no reason to keep none.
    (versions.folder / "0002" / ABOUT).write_text("[]", encoding="utf-8")
    assert versions.keep() == "0001"
    (model / ABOUT).write_text("", encoding="utf-8")
    assert versions.roll_back() == "0001" and weights(model) == one
    (versions.folder / "0001" / WEIGHTS).write_bytes(b"")
    (model / ABOUT).write_text("", encoding="utf-8")
    capsys.readouterr()
    assert main(["rollback", str(model)]) == 2
    assert "no version of it is kept that can" in capsys.readouterr().err and (model / ABOUT).is_file()


def test_a_search_after_an_interrupted_promotion_keeps_its_model(tmp_path: Path) -> None:
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    with contextlib.suppress(KeyboardInterrupt), versions.promoting() as before:
        deployed(tmp_path, blobs(300, 0), epochs=2, improved={"change": "trained on"})
        raise KeyboardInterrupt
    replaced = weights(versions.folder / before)
    deployed(tmp_path, blobs(300, 0), epochs=3)
    new = weights(versions.model)
    assert versions.settle() is None and weights(versions.model) == new != replaced and versions.history() == []
    assert versions.settle() is None and versions.roll_back("0001") == "0001"


def test_a_folder_may_be_named_from_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    (model / "inner").mkdir()
    for inside, word in ((model, "."), (model / "inner", ".."), (tmp_path, "."), (model, "..")):
        monkeypatch.chdir(inside)
        assert Versions(Path(word)).folder == tmp_path / "model.versions"
        assert main(["history", word]) == 0 and "0 versions kept" in capsys.readouterr().out
