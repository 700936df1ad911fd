"""Gradient boosting beside the networks of a table, through the whole job."""

from __future__ import annotations

import csv
import json
import random
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import azora
from azora.automl import boosting
from azora.automl.answering import of_network
from azora.automl.boosting import GROWTHS, SHARE, figures, forgo, preferred, stand
from azora.automl.discover import discover
from azora.automl.reading import read_events
from azora.automl.setting import Setting
from azora.automl.shipping import ship
from azora.automl.watching import Watcher
from azora.cli.main import main
from azora.errors import BundleError
from azora.evaluation.checkpoints import Checkpoints
from azora.evaluation.trained import Trained
from azora.export.bundle import read_bundle
from azora.improving.challengers import Challengers
from azora.job import Job
from azora.meta.policy import Policy
from azora.model import Model
from azora.study import MemoryJournal, Study
from azora.tasks import METRICS, Task, from_arrays, load_task
from azora.tasks.reading import Reading
from azora.testing import tiny_space
from azora.training.boosting import Growth
from azora.trial import Objective, Proposal, Report, Trial

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
    told = json.loads((out / "result.json").read_text())["boosting"]
    assert told["shipped"] and told["candidate"] and told["share"] == SHARE
    assert told["metrics"]["accuracy"] == result.figures["validation_accuracy"] > told["network"]["accuracy"]
    assert len(told["tried"]) >= len(GROWTHS)
    assert result.figures["architecture"] == told["growth"]
    assert f"the best network {told['network']['accuracy']:.4f}: the trees ship" in result.summary()
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
    stood = next(event["facts"] for event in read_events(out) if event["kind"] == "boosted")
    assert stood["candidate"] and stood["metrics"]["r2"] > 0.5
    again = azora.search(rows, out=out, resume=True, **{**QUICK, "trials": 3})
    assert {event["facts"]["seconds"] for event in read_events(out) if event["kind"] == "boosted"} == {stood["seconds"]}
    assert again.figures["boosting"]["growth"] == stood["growth"] and again.figures["judged"] == 3
    without = azora.search(rows, out=out, resume=True, boosting=False, **{**QUICK, "trials": 3}).figures
    assert without["boosting"]["says"] == "no candidate: it was not wanted" and not without["boosting"]["shipped"]
    assert without["final_epochs"] > 0


def test_who_wants_trees_no_longer_has_none_and_who_wants_them_again_has_them(slopes: Task, tmp_path: Path) -> None:
    wanted = Setting.of(Job.parse(task=slopes, out=tmp_path / "out", **QUICK))
    unwanted = replace(wanted, job=replace(wanted.job, boosting=False))
    study = Study(MemoryJournal(), wanted.space)
    stand(unwanted, study, threading.Event(), Notes())
    stand(wanted, study, threading.Event(), Notes())
    grown = study.boosted
    assert grown is not None and grown["candidate"] and grown["metrics"]["r2"] > 0
    stand(wanted, study, threading.Event(), Notes())
    assert study.boosted is grown, "they stand already"
    for forgoes in (lambda: stand(unwanted, study, threading.Event(), Notes()), lambda: forgo(unwanted, study)):
        study.boost(grown)
        forgoes()
        assert study.boosted == {"candidate": False, "why": "it was not wanted"}


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


def test_pictures_know_nothing_of_it(stripes: Task, tmp_path: Path) -> None:
    setting = Setting.of(Job.parse(task=stripes, out=tmp_path / "out", **QUICK))
    study = Study(MemoryJournal(), setting.space)
    stand(setting, study, threading.Event(), Notes())
    forgo(replace(setting, job=replace(setting.job, boosting=False)), study)
    best = study.told(study.asked(Proposal(setting.space.sample(random.Random(0)))), Report({"accuracy": 0.9}))
    assert study.boosted is None and figures(setting, study, best) == {}
    assert preferred(setting, study, best, tmp_path) is False


ROWS = 50


def answering(wrong: Sequence[int]) -> Any:
    """Answers for rows that are all of the first class."""
    return np.eye(2)[[int(row in wrong) for row in range(ROWS)]]


TREES_WRONG = range(5)


@pytest.mark.parametrize(
    ("wrong", "trees", "said"),
    [
        # The network has three rows that the trees have wrong, and two the other way round.
        (range(3, 7), True, "0.9200, ahead by 0.0200 a row with a standard error of 0.0451: the trees ship"),
        (range(3, 5), False, "0.9600, ahead by 0.0600 a row with a standard error of 0.0339: the network ships"),
        (range(5, 10), True, "0.9000: the trees ship"),
        (range(20), True, "0.6000: the trees ship"),
    ],
    ids=["luckier", "better", "equal", "worse"],
)
def test_a_network_ships_where_it_is_shown_to_be_better(
    wrong: Sequence[int], trees: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of a hundred networks is often ahead by some rows of fifty, and worse on others."""
    rows = SimpleNamespace(y=np.zeros(ROWS, int))
    data = SimpleNamespace(validation=rows, scaling=SimpleNamespace(target_spread=()))
    setting: Any = SimpleNamespace(objective=Objective(), data=data)
    monkeypatch.setattr(boosting, "of_network", lambda *words: answering(wrong))
    monkeypatch.setattr(boosting, "of_trees", lambda *words: answering(TREES_WRONG))
    study = Study(MemoryJournal(), tiny_space())
    report = Report({"accuracy": 1 - len(wrong) / ROWS})
    best = study.told(study.asked(Proposal(tiny_space().sample(random.Random(0)))), report)
    stood = {"candidate": True, "metrics": {"accuracy": 0.9}, "growth": Growth().to_json(), "seconds": 1.0}
    study.boost({**stood, "lead": {"of": 7, "gain": 9.0, "error": 0.0}})  # of an earlier session, with another best
    assert preferred(setting, study, best, tmp_path) is trees
    told = figures(setting, study, replace(best, number=-1) if trees else best)["boosting"]
    assert told["says"].endswith(f"validation (100 iterations, 31 leaves, rate 0.1), the best network {said}")
    assert ("lead" in told) is ("ahead" in said)
    # Of a network that is kept no longer it is known what it was found to be, or else nothing but its score.
    monkeypatch.setattr(boosting, "of_network", lambda *words: None)
    assert preferred(setting, study, best, tmp_path) is trees
    study.boost(stood)
    assert preferred(setting, study, best, tmp_path) is (report.metrics["accuracy"] <= 0.9)
    assert study.boosted == stood


def test_a_kept_network_answers_as_it_was_judged(slopes: Task, tmp_path: Path) -> None:
    setting = Setting.of(Job.parse(task=slopes, out=tmp_path / "out", **QUICK))
    first, second = (Proposal(setting.space.sample(random.Random(seed)), 2.0) for seed in range(2))
    metrics = Trained(setting.space, setting.data, tmp_path, precision="float32", metric="r2")(first)
    kept, trial = Checkpoints(tmp_path), Trial(0, first, Report(metrics), 1.0)
    answers = of_network(setting, kept, trial)
    assert answers is not None
    assert METRICS["r2"].measure(setting.data.validation.y, answers) == pytest.approx(metrics["r2"], rel=1e-4)
    assert of_network(setting, kept, replace(trial, proposal=second)) is None
    shorter = replace(first, budget=1.0)  # what is kept is of a longer training: it would be judged untrained
    assert of_network(setting, kept, replace(trial, proposal=shorter)) is None


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
