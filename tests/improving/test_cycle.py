"""A deployed model is made better, or left as it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.improving.made import BRIEF, LONG, NAMES, accuracy, blobs, deployed, weights
from torch import nn

from azora.automl.shipping import ship
from azora.cli.main import main
from azora.errors import BudgetError, BundleError, TaskError
from azora.export.bundle import ABOUT, Bundle, read_bundle
from azora.improving import Versions, analyse, improve
from azora.improving.challengers import Challenger, Challengers
from azora.meta.carried import Carried
from azora.meta.policy import Policy
from azora.networks.morphism import NoMorphism
from azora.tasks import Reading, Split, Task, from_arrays, load_task


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
