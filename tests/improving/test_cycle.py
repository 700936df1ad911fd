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
from torch import nn

from azora.automl.shipping import ship
from azora.cli.main import main
from azora.errors import BudgetError, BundleError, TaskError
from azora.export.bundle import ABOUT, WEIGHTS, Bundle, read_bundle, write_bundle
from azora.improving import Versions, analyse, improve
from azora.improving.challengers import Challenger, Challengers
from azora.improving.cycle import _tries
from azora.improving.versions import LOOP
from azora.meta.carried import Carried
from azora.meta.policy import Policy
from azora.networks.morphism import NoMorphism
from azora.tasks import Reading, Split, Task, from_arrays, load_task
from azora.training import outputs

BRIEF, LONG = 2.0, 4.0  # seconds of a cycle, and of one whose challengers are to have learned much


def test_a_weak_model_is_replaced_and_can_be_had_back(
    exports: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert figures["onnx_bytes"] == (model / "model.onnx").stat().st_size and "final_epochs" not in figures
    card = (model / "README.md").read_text(encoding="utf-8")
    assert f"{figures['test_accuracy']:.4f}" in card and f"(bootstrap over {outcome.facts['rows']} rows)" in card
    assert f"{figures['onnx_bytes']:,} bytes" in card and "trained this one" not in card
    assert f"that was deployed before: {outcome.facts['change']}" in card.replace("\\_", "_")
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
    outcome = improve(model, blobs(1200, 1), LONG)
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
    outcome = improve(model, blobs(3000, 1, classes=4), LONG)
    assert outcome.what == "promoted" and outcome.analysis.fresh == ["elm"]
    assert read_bundle(model).signature.classes == (*NAMES[:3], "elm")
    fresh = blobs(1500, 7, classes=4)
    scratch = deployed(tmp_path / "scratch", blobs(3000, 1, classes=4))
    assert accuracy(model, fresh) > 0.95 * accuracy(scratch, fresh)


def test_what_was_known_is_taught_and_tested_where_classes_come_or_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = deployed(tmp_path, blobs(2000, 0))
    bundle, rows = read_bundle(model), blobs(1000, 1, classes=4).everything()
    for fresh, missing, taught in (((), False, False), (("elm",), False, True), ((), True, True)):
        (made,) = Challengers(bundle, fresh, Policy.of({"kinds": "train"}), 0, missing=missing).some(1)
        assert (made.teacher is bundle.network) == taught
    lacking = from_arrays(rows.x[rows.y > 0], NAMES[rows.y[rows.y > 0]])
    found = analyse(bundle, lacking)
    assert found.missing == ["ash"] and found.fresh == ["elm"] and found.limits != "unknown"
    assert "the data lack ash: whether these are still known is not tested" in found.lines()
    alone = from_arrays(rows.x[:400], np.array(["elm", "oak"])[np.arange(400) % 2])
    with pytest.raises(TaskError, match=r"none of the model's classes .*; give rows of them beside the new ones"):
        analyse(bundle, alone)

    def forget(self: Challenger, bundle: Bundle, rows: Split, seconds: float, seed: int) -> nn.Module:
        """Elms alone are still known."""

        class Elms(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                said = bundle.network(x)
                near = x[:, :2].norm(dim=1, keepdim=True) < 0.7
                return torch.cat([said.roll(1, dims=1), torch.where(near, 99.0, -99.0)], dim=1)

        return Elms().eval()

    monkeypatch.setattr(Challenger, "train", forget)
    elms = blobs(12000, 2, classes=4).everything()
    parts = [(each.x[which], each.y[which]) for each, which in ((rows, rows.y < 3), (elms, elms.y == 3))]
    x, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    more = from_arrays(x, NAMES[y])
    outcome = improve(model, more, LONG)
    assert outcome.what == "kept" and outcome.facts["p"] < outcome.facts["level"]
    assert "it tells apart worse what was known before" in Versions(model).history()[-1]["why"]


def test_a_head_that_cannot_grow_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)

    def refuse(*given: Any) -> nn.Module:
        raise NoMorphism("what it gives differs by 3")

    monkeypatch.setattr("azora.improving.challengers.grow", refuse)
    with pytest.raises(BundleError, match=r"cannot be given 4 outputs \(what it gives differs by 3\); azora search on"):
        improve(model, blobs(900, 1, classes=4), BRIEF)


def test_answers_that_are_no_numbers_are_no_challengers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, said = deployed(tmp_path, blobs(300, 0), epochs=1), list[str]()
    monkeypatch.setattr("azora.improving.cycle._Cycle._mean_loss", lambda *given: float("inf"))
    with pytest.raises(BundleError, match="every challenger became no number"):
        improve(model, blobs(900, 1), BRIEF, say=said.append)
    assert "trained on: its answers became no numbers" in said


def test_pictures_of_another_range_are_judged_and_promoted_in_the_models(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(1200) % 3
    x = np.clip(rng.normal(60, 40, (1200, 3, 3)) + 60 * y[:, None, None], 0, 255).astype(np.uint8)
    task = from_arrays(x, NAMES[y], name="greys")
    bundle = read_bundle(deployed(tmp_path, task, values=task.train.values))
    floats = from_arrays((x / 255).astype(np.float32), NAMES[y], name="floats")
    assert analyse(bundle, floats).score == pytest.approx(analyse(bundle, task).score, abs=0.01)
    said = list[str]()
    improve(bundle.folder, floats, BRIEF, dry=True, say=said.append)
    assert "values from 0 to 1 are brought to 0 to 255" in said
    odd = from_arrays(x.astype(np.float32) / 100 - 1, NAMES[y], name="odd")
    with pytest.raises(TaskError, match="odd has pictures of values from -1 to"):
        improve(bundle.folder, odd, BRIEF)


def test_a_second_look_that_could_show_nothing_is_refused(tmp_path: Path) -> None:
    kept = Carried({}, False, {}, Policy.of({"held_out": 0.99})).to_text()
    model = deployed(tmp_path, blobs(300, 0), epochs=1, carried=kept)
    with pytest.raises(BudgetError, match=r"has 1 rows for the second look, which can show nothing; .* below 0\.99"):
        improve(model, blobs(900, 1), BRIEF)


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
        (None, "capacity", f"score {score:.4f} on new rows: capacity limits"),  # by its learning curve
        (score + 0.01, "capacity", f"{score + 0.01:.4f} on rows that it was trained on: capacity limits"),
        (score + 0.09, "data", f"{score + 0.09:.4f} on rows that it was trained on: data limits"),
    ):
        found = analyse(read_bundle(deployed(tmp_path, task, trained_score=own)), fresh)
        assert (found.trained_score, found.limits) == (own, limits) and said in found.lines()[0]
    assert analyse(read_bundle(model), task).limits == "unknown"  # its own rows say nothing of others


def test_what_limits_says_which_kind_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, fresh = blobs(2000, 0), blobs(900, 3)
    bundle = read_bundle(deployed(tmp_path, task))
    score = analyse(bundle, fresh).score
    made = Challengers(bundle, (), Policy.of({}), 0)
    changes = [made.some(1, first=first)[0].change for first in (None, "recipe", "grow")]
    assert changes[0] == "trained on" and changes[1].startswith("trained on, learning rate ×")
    assert not changes[2].startswith("trained on")
    limited = Challengers(bundle, (), Policy.of({"kinds": "train", "limits": {"latency": 1.0}}), 0)
    assert limited.some(1, first="grow")[0].change == "trained on", "only what the policy allows"
    asked: list[str | None] = []

    def some(self: Challengers, count: int, *, smaller: bool, first: str | None) -> list[Challenger]:
        asked.append(first)
        return []

    monkeypatch.setattr(Challengers, "some", some)
    for own, data in (
        (score + 0.01, fresh), (score + 0.09, fresh),
        (score + 0.09, blobs(900, 3, turned=1.0)), (score + 0.09, blobs(900, 3, classes=4)),
    ):  # fmt: skip
        improve(deployed(tmp_path, task, trained_score=own), data, BRIEF)
    assert asked == ["grow", "recipe", None, None]


def test_a_shift_is_recovered_from(tmp_path: Path) -> None:
    model = deployed(tmp_path, blobs(2000, 0))
    before, shifted = accuracy(model, blobs(1500, 8)), blobs(1500, 8, turned=1.0)
    assert accuracy(model, shifted) < before - 0.2
    assert improve(model, blobs(3000, 6, turned=1.0), LONG).what == "promoted"
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
    outcome = improve(model, from_arrays(x, y.astype(np.float32), name="more"), LONG)
    assert outcome.what == "promoted" and outcome.facts["test_loss"] < outcome.facts["deployed_test_loss"]


@pytest.mark.parametrize(
    ("task", "seconds", "error", "said"),
    [
        (blobs(900, 1), 0.5, BudgetError, "give 15s at least"),
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
    assert main(["improve", str(model), "--data", str(new), "--budget", "2s", "--quiet", "--json"]) == 0
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
    # An hour later it looks at once, finds that the data are of another shape, and waits for those of another day.
    line = json.dumps({"when": "2026-01-01T00:00:00+00:00", "what": "kept"})
    (versions.folder / "history.jsonl").write_text(f'{line}\n{{"when": "20', encoding="utf-8")
    slept.clear()
    assert main(words) == 130
    told = capsys.readouterr().err
    assert "the model takes 8" in told and "the next look" in told and slept == [5.0, 5.0, 5.0]
    assert versions.history()[-1]["what"] == "failed"
    # Without any look before it, whoever asked is told, and nothing is noted.
    (versions.folder / "history.jsonl").unlink()
    assert main(words) == 2 and versions.history() == []


def test_a_model_has_one_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = deployed(tmp_path, blobs(300, 0), epochs=1)
    with Versions(model).locked(LOOP):
        assert main(["improve", str(model), "--data", "digits", "--every", "1h"]) == 2
        assert "again and again by another process" in capsys.readouterr().err
        with Versions(model).locked():
            pass  # single looks go on


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
    assert main(["improve", str(model), "--data", str(file), "--budget", "4s", "--every", "1h", "--quiet"]) == 130
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
