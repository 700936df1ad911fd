"""A deployed model is made better, left as it is, or put back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.improving.made import NAMES, accuracy, blobs, deployed, weights

from azora.automl.shipping import ship
from azora.cli.main import main
from azora.errors import BudgetError, BundleError, TaskError
from azora.export.bundle import ABOUT, WEIGHTS, read_bundle, write_bundle
from azora.improving import Versions, analyse, improve
from azora.improving.cycle import _tries
from azora.tasks import Reading, Task, from_arrays, load_task
from azora.training import outputs

BRIEF = 4.0  # seconds of a cycle


def test_a_weak_model_is_replaced_and_can_be_had_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = deployed(tmp_path, blobs(900, 0), epochs=1, rows=40)
    before, fresh = weights(model), blobs(1500, 7)
    was = accuracy(model, fresh)
    outcome = improve(model, blobs(3000, 1), BRIEF)
    assert outcome.what == "promoted" and outcome.facts["p"] < outcome.facts["level"]
    assert accuracy(model, fresh) > was + 0.05
    about = read_bundle(model).about
    assert about["improved"]["change"] == outcome.facts["change"] and about["task"]["name"] == "blobs"
    assert 0.5 < about["trained_score"] <= 1.0
    figures = about["figures"]  # of this network, none of the one that it replaces
    assert figures["test_accuracy"] == pytest.approx(1 - outcome.facts["test_loss"])
    assert figures["test_interval"]["low"] <= figures["test_accuracy"] <= figures["test_interval"]["high"]
    assert not [name for name in figures if name.startswith(("validation_", "latency_"))]
    assert f"{figures['test_accuracy']:.4f}" in (model / "README.md").read_text(encoding="utf-8")
    assert len(analyse(read_bundle(model), blobs(3000, 1)).lines()) and analyse(read_bundle(model), blobs(3000, 1)).same
    assert main(["rollback", str(tmp_path)]) == 0
    assert weights(model) == before
    capsys.readouterr()
    assert main(["history", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["what"] for each in told["history"]] == ["promoted", "rolled back"]
    assert told["versions"] == ["0001", "0002"]
    assert main(["rollback", str(tmp_path), "--to", "0002"]) == 0
    assert accuracy(model, fresh) > was + 0.05


def test_a_good_model_stays(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(4000, 0), epochs=15)
    before = weights(model)
    outcome = improve(model, blobs(1200, 1), BRIEF)
    assert outcome.what == "kept" and weights(model) == before
    assert Versions(model).numbers() == []
    assert [each["what"] for each in Versions(model).history()] == ["kept"]


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


def test_new_classes_grow_the_head(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(2000, 0))
    outcome = improve(model, blobs(3000, 1, classes=4), BRIEF)
    assert outcome.what == "promoted" and outcome.analysis.fresh == ["elm"]
    assert read_bundle(model).signature.classes == (*NAMES[:3], "elm")
    fresh = blobs(1500, 7, classes=4)
    scratch = deployed(tmp_path / "scratch", blobs(3000, 1, classes=4))
    assert accuracy(model, fresh) > 0.95 * accuracy(scratch, fresh)


def test_drift_is_told_and_its_absence_too(tmp_path: Path) -> None:
    bundle = read_bundle(deployed(tmp_path, blobs(2000, 0)))
    still, turned = analyse(bundle, blobs(900, 3)), analyse(bundle, blobs(900, 3, turned=1.0))
    assert still.drift is not None and not any(each["drifted"] for each in still.drift)
    assert turned.drift is not None and turned.drift[0]["drifted"]
    assert turned.score < still.score - 0.1
    assert turned.classes and turned.confusions and turned.calibration is not None
    assert turned.calibration > (still.calibration or 0.0)
    assert any("drift: none" in line for line in still.lines())


def test_what_limits_is_told_by_rows_that_the_model_was_trained_on(tmp_path: Path) -> None:
    task, fresh = blobs(2000, 0), blobs(900, 3)
    model = deployed(tmp_path, task)
    score = analyse(read_bundle(model), fresh).score
    for own, limits, said in (
        (None, "unknown", f"score {score:.4f} on new rows: what limits it is not known"),
        (score + 0.01, "capacity", f"{score + 0.01:.4f} on rows that it was trained on: capacity limits"),
        (score + 0.09, "data", f"{score + 0.09:.4f} on rows that it was trained on: data limits"),
    ):
        found = analyse(read_bundle(deployed(tmp_path, task, trained_score=own)), fresh)
        assert (found.trained_score, found.limits) == (own, limits) and said in found.lines()[0]
    assert analyse(read_bundle(model), task).limits == "unknown"  # its own rows say nothing of others


def test_a_shift_is_recovered_from(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(2000, 0))
    before, shifted = accuracy(model, blobs(1500, 8)), blobs(1500, 8, turned=1.0)
    assert accuracy(model, shifted) < before - 0.2
    assert improve(model, blobs(3000, 6, turned=1.0), BRIEF).what == "promoted"
    assert accuracy(model, shifted) > before - 0.05


def test_limits_are_kept(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(900, 0), epochs=1, rows=40, figures={"limits": {"latency": 1.0}})
    outcome = improve(model, blobs(3000, 1), BRIEF)
    # What grows might be beyond a limit that nobody can look at here.
    assert outcome.facts["tried"] and all(change.startswith("trained on") for change in outcome.facts["tried"])


def test_numbers_are_improved_as_well(tmp_path: Path, slopes: Task) -> None:
    model = deployed(tmp_path, slopes, epochs=1)
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2000, 5)).astype(np.float32)
    y = 3 * x[:, 0] - 2 * x[:, 1] + np.abs(x[:, 2]) + 100
    outcome = improve(model, from_arrays(x, y.astype(np.float32), name="more"), BRIEF)
    assert outcome.what == "promoted" and outcome.facts["test_loss"] < outcome.facts["deployed_test_loss"]


@pytest.mark.parametrize(
    ("task", "seconds", "error", "said"),
    [
        (blobs(900, 1), 1.0, BudgetError, "give 15s at least"),
        (blobs(40, 1), 20.0, BudgetError, "rows for the test, which can show nothing"),
        (
            from_arrays(np.ones((60, 3), np.float32), np.arange(60) % 2),
            20.0,
            TaskError,
            "inputs of 3, the model takes 8",
        ),
        (from_arrays(np.ones((60, 8), np.float32), np.arange(60) / 7), 20.0, TaskError, "is a regression"),
    ],
)
def test_mistakes_are_told(task: Task, seconds: float, error: type[Exception], said: str, tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    before = weights(model)
    with pytest.raises(error, match=said) as caught:
        improve(model, task, seconds)
    assert "\n" not in str(caught.value) and weights(model) == before


def test_mistakes_on_the_command_line_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    cases: Sequence[tuple[list[str], str]] = (
        (["improve", str(tmp_path / "no"), "--data", "digits"], "holds no model"),
        (["improve", str(model), "--data", "digits"], "inputs of 1 × 8 × 8, the model takes 8"),
        (["improve", str(model), "--data", "digits", "--every", "1d", "--dry-run"], "say one of the two"),
        (["rollback", str(model)], "has no version before the present one"),
        (["rollback", str(model), "--to", "0009"], "has no version '0009'"),
    )
    for words, said in cases:
        assert main(words) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1
    assert main(["history", str(model)]) == 0


COLOURS = ("blue", "green", "red")


def painted(file: Path, head: Sequence[str], colours: Sequence[str], rows: int = 240) -> Path:
    """Rows of a colour and a number; what is to be told is whether it is green."""
    rng, lines = np.random.default_rng(rows), [",".join(head)]
    for row in range(rows):
        cells = {"colour": colours[row % len(colours)], "size": f"{rng.normal():.3f}", "id": f"row {row}"}
        lines.append(
            ",".join(str({**cells, "y": "yes" if cells["colour"] == "green" else "no"}[name]) for name in head)
        )
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_a_csv_is_read_into_the_columns_of_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = painted(tmp_path / "old.csv", ["colour", "size", "y"], COLOURS, 1500)
    model = deployed(tmp_path, load_task(old, reading=Reading(label="y")), epochs=30)
    new = painted(tmp_path / "new.csv", ["y", "size", "id", "colour"], COLOURS[1:], 180)
    words = ["improve", str(model), "--label", "y", "--dry-run", "--json", "--data"]
    assert main([*words, str(new)]) == 0
    assert json.loads(capsys.readouterr().out)["analysis"]["score"] == 1.0
    assert main([*words, str(painted(tmp_path / "less.csv", ["y", "size"], COLOURS))]) == 2
    assert "lacks the column 'colour' that the model reads" in capsys.readouterr().err


def test_the_rows_of_a_promotion_can_be_had_again_from_their_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = load_task(painted(tmp_path / "old.csv", ["colour", "size", "y"], COLOURS), seed=3, reading=Reading(label="y"))
    model = deployed(tmp_path, old, epochs=1, rows=9, figures={"seed": 3})
    about = json.loads((model / ABOUT).read_text(encoding="utf-8"))
    (model / ABOUT).write_text(json.dumps({**about, "task": old.about()}), encoding="utf-8")
    assert main(["improve", str(model), "--data", str(tmp_path / "old.csv"), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["analysis"]["same"]
    new = painted(tmp_path / "new.csv", ["y", "id", "size", "colour"], COLOURS[1:], 2000)
    assert main(["improve", str(model), "--data", str(new), "--budget", "4s", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["what"] == "promoted"
    shipped = ship(model, "torch", tmp_path / "net.pt2", new)
    assert shipped.figures["validation_rows"] == 320 and shipped.figures["validation_file"] > 0.9


def test_one_process_decides_at_a_time(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    with Versions(model).locked(), pytest.raises(BundleError, match="is being improved by another process"):
        improve(model, blobs(900, 1), BRIEF)


def test_the_loop_waits_for_its_turn_and_survives_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    versions, slept = Versions(model), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 2:
            raise KeyboardInterrupt  # as a person ends it

    monkeypatch.setattr("azora.cli.improving.time.sleep", sleep)
    versions.note("kept", {"why": "of another process"})
    words = ["improve", str(model), "--data", "digits", "--budget", "20s", "--every", "1h"]
    assert main(words) == 130
    assert slept == [5.0, 5.0, 5.0] and "the next look" in capsys.readouterr().err
    # An hour later it looks at once, and finds that the data are of another shape.
    line = json.dumps({"when": "2026-01-01T00:00:00+00:00", "what": "kept"})
    (versions.folder / "history.jsonl").write_text(f'{line}\n{{"when": "20', encoding="utf-8")
    assert main(words) == 2
    assert "the model takes 8" in capsys.readouterr().err


def test_a_look_that_fails_later_on_does_not_end_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    file, looks = tmp_path / "rows.npz", list[int]()
    rows = blobs(900, 1).everything()
    np.savez(file, x_train=rows.x, y_train=NAMES[rows.y])

    def wait(versions: Versions, pause: float) -> None:
        looks.append(len(versions.history()))
        if len(looks) == 2:
            file.unlink()
        if len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("azora.cli.improving._wait", wait)
    assert main(["improve", str(model), "--data", str(file), "--budget", "8s", "--every", "1h", "--quiet"]) == 130
    assert [each["what"] for each in Versions(model).history()][1:] == ["failed", "failed"]
    assert capsys.readouterr().err.count("rows.npz") == 2 and len(looks) == 4


def test_a_model_that_another_process_improves_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    versions, slept, looks = Versions(model), list[float](), list[int]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 2:
            raise KeyboardInterrupt

    def look(self: object, seed: int, dry: bool = False) -> int:
        looks.append(seed)
        if len(looks) > 9:
            raise KeyboardInterrupt
        if len(looks) > 1:
            raise BundleError("is being improved by another process; wait for it")
        return 0

    monkeypatch.setattr("azora.cli.improving.time.sleep", sleep)
    monkeypatch.setattr("azora.cli.improving._Look.once", look)
    with versions.locked():
        assert main(["improve", str(model), "--data", "digits", "--every", "1h"]) == 130
    assert slept == [60.0, 60.0, 60.0] and len(looks) == 4 and versions.history() == []


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


def test_tests_are_counted_since_the_last_promotion_that_stayed(tmp_path: Path) -> None:
    versions = Versions(deployed(tmp_path, blobs(300, 0), epochs=1))
    counts = []
    for what, facts in (
        ("kept", {"p": 0.5}), ("kept", {"why": "nothing was tested"}), ("promoted", {"p": 0.01}), ("kept", {"p": 0.5}),
        ("promoted", {"p": 0.001}), ("rolled back", {}),
    ):  # fmt: skip
        versions.note(what, facts)
        counts.append(_tries(versions))
    assert counts == [1, 1, 0, 1, 0, 2]
