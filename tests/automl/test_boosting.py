"""Gradient boosting beside the networks of a table, through the whole job."""

from __future__ import annotations

import csv
import json
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import azora
from azora.automl.boosting import GROWTHS, SHARE, figures, preferred, stand
from azora.automl.discover import discover
from azora.automl.reading import read_events
from azora.automl.setting import Setting
from azora.automl.shipping import ship
from azora.automl.watching import Watcher
from azora.cli.main import main
from azora.errors import BundleError
from azora.export.bundle import read_bundle
from azora.improving.challengers import Challengers
from azora.job import Job
from azora.meta.policy import Policy
from azora.model import Model
from azora.study import MemoryJournal, Study
from azora.tasks import Task, from_arrays, load_task
from azora.tasks.reading import Reading
from azora.training.boosting import Growth
from azora.trial import Objective, Proposal, Report

QUICK: dict[str, Any] = {"trials": 2, "workers": 1, "strategy": "random"}


class Notes(Watcher):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, said: str) -> None:
        self.said.append(said)


def steps(file: Path) -> None:
    """A table that suits trees: the answer hangs on what a word and a number are together."""
    rng = np.random.default_rng(0)
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["word", "number", "idle", "target"])
        for _ in range(400):
            word, number = rng.choice(list("abcdef")), rng.integers(0, 8)
            high = (number % 4 < 2) != (word in "ace")
            cells = ["" if rng.random() < 0.05 else number, f"{rng.normal():.4f}"]
            writer.writerow([word, *cells, "high" if high else "low"])


def test_trees_that_are_better_ship_as_a_model_like_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "steps.csv", tmp_path / "out"
    steps(file)
    result = discover(Job.parse(task=str(file), out=out, reading={"label": "target"}, policy={}, **QUICK))
    assert "trees ships, no network: it carries no search, and cannot be improved" in result.summary()
    boosting = json.loads((out / "result.json").read_text())["boosting"]
    assert boosting["shipped"] and boosting["candidate"] and boosting["share"] == SHARE
    assert boosting["metrics"]["accuracy"] == result.figures["validation_accuracy"] > boosting["network"]["accuracy"]
    assert len(boosting["tried"]) >= len(GROWTHS)
    assert result.figures["architecture"] == boosting["growth"]
    assert f"the best network {boosting['network']['accuracy']:.4f}: the trees ship" in result.summary()
    # Beside it stands a usual network, on the same test rows.
    assert result.figures["reference"]["gain"] > 0
    # The folder holds arrays and no pickle, and both runtimes give what was judged.
    assert {path.name for path in (out / "model").iterdir()} == {
        "README.md", "model.json", "model.onnx", "weights.safetensors",
    }  # fmt: skip
    assert "model of gradient-boosted trees" in (out / "model" / "README.md").read_text(encoding="utf-8")
    assert "Gradient-boosted trees, chosen by azora" in (out / "report.html").read_text(encoding="utf-8")
    rows = load_task(file, seed=0, reading=Reading(label="target")).read_test()
    answers = [Model.load(out, runtime=runtime).predict_proba(rows.x) for runtime in ("torch", "onnxruntime")]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)
    assert (answers[0].argmax(axis=1) == rows.y).mean() == pytest.approx(result.figures["test_accuracy"])
    assert Path(result.figures["deployed"]["file"]).is_file() and result.figures["deployed"]["difference"] < 1e-5
    for words in (["predict", str(out), str(file)], ["profile", str(out)], ["show", str(out)]):
        assert main(words) == 0, capsys.readouterr().err
    assert "the trees ship" in capsys.readouterr().out
    with pytest.raises(BundleError, match="but trees, which is not written in eight bits; in float32 it may"):
        ship(out, "onnx-int8", tmp_path / "small.onnx", str(file), Reading(label="target"))
    with pytest.raises(BundleError, match="holds no network but trees; azora discover on the new rows"):
        Challengers(read_bundle(out / "model"), (), Policy(), 0)


def test_a_study_that_goes_on_grows_no_trees_again(brief: None, tmp_path: Path) -> None:
    out, x = tmp_path / "out", np.random.default_rng(0).normal(size=(200, 3))
    rows = x, 100 + 5 * x[:, 0] + np.abs(x[:, 1])
    azora.search(rows, out=out, **QUICK)
    (stood,) = [event["facts"] for event in read_events(out) if event["kind"] == "boosted"]
    assert stood["candidate"] and stood["metrics"]["r2"] > 0.5
    again = azora.search(rows, out=out, resume=True, **{**QUICK, "trials": 3})
    assert [event["kind"] for event in read_events(out)].count("boosted") == 1
    assert again.figures["boosting"]["growth"] == stood["growth"] and again.figures["judged"] == 3


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"boosting": False}, "it was not wanted"),
        ({"space": "mlp"}, "networks of the space mlp were asked for"),
        ({"limits": ["params=20k"]}, "no limit and no target can be kept with it"),
        ({"objective": ["r2", "macs:min"]}, "a front is of networks"),
    ],
)
def test_where_it_may_not_stand_it_is_said(words: dict[str, Any], why: str, slopes: Task, tmp_path: Path) -> None:
    setting = Setting.of(Job.parse(task=slopes, out=tmp_path / "out", **QUICK, **words))
    notes, study = Notes(), Study(MemoryJournal(), setting.space)
    stand(setting, study, threading.Event(), notes)
    assert study.boosted is not None and study.boosted["why"].endswith(why)
    assert notes.said == ([] if "boosting" in words else [f"gradient boosting is no candidate: {study.boosted['why']}"])


def test_of_equals_the_network_ships_and_pictures_know_nothing_of_it(stripes: Task, tmp_path: Path) -> None:
    setting = Setting.of(Job.parse(task=stripes, out=tmp_path / "out", **QUICK))
    study = Study(MemoryJournal(), setting.space)
    stand(setting, study, threading.Event(), Notes())
    best = study.told(study.asked(Proposal(setting.space.sample(random.Random(0)))), Report({"accuracy": 0.9}))
    assert study.boosted is None and figures(setting, study, best) == {}
    for accuracy, wins, said in ((0.91, True, "the trees ship"), (0.9, False, "the network ships")):
        study.boost({"candidate": True, "metrics": {"accuracy": accuracy}, "growth": Growth().to_json()})
        assert preferred(study, best, Objective()) is wins
        chosen = replace(best, number=-1) if wins else best
        told = figures(setting, study, chosen)["boosting"]["says"]
        assert told.startswith(f"{accuracy:.4f} accuracy on validation (100 iterations, 31 leaves, rate 0.1), the best")
        assert told.endswith(f"network 0.9000: {said}")


def test_a_budget_bounds_what_is_tried(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3_000, 20))
    task = from_arrays(x, x[:, 0] * x[:, 1] > 0)
    setting = Setting.of(Job.parse(task=task, out=tmp_path / "out", budget="4s", workers=1))
    study = Study(MemoryJournal(), setting.space)
    stand(setting, study, threading.Event(), Notes())
    assert study.boosted is not None
    assert study.boosted["candidate"] and study.boosted["seconds"] < 4.0
    assert all(each["growth"]["iterations"] < 400 for each in study.boosted["tried"])
