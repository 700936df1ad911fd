"""Searches for networks that hold their limits on a device."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.automl.made import LIMIT, WIDTHS, WORDS, false_file, search, widths

import devices
from azora.automl.forms import form_of
from azora.automl.pricing import FILE
from azora.automl.setting import Setting
from azora.cli.main import main
from azora.errors import AzoraError, ConfigError, SpaceError, StudyError, TargetError
from azora.hardware import Measured, TargetFile
from azora.job import Job
from azora.networks.nb201 import NB201
from azora.study import StudyFolder
from azora.tasks import Task


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZORA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(devices.Fickle, "seen", set())


def test_the_winner_holds_its_limit_and_the_search_goes_on_with_its_predictor(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    result = search(stripes, out, limits=[LIMIT, "size=5kB", "memory=8kB"])
    measured = 0.1 + result.parameters / 1000
    assert measured <= 2.0
    target = result.target
    assert (target["spec"], target["device"]) == ("devices:Counted", {"device": "counted"})
    assert target["latency_ms"] == pytest.approx(measured, abs=1e-3)
    assert target["predicted_latency_ms"] == pytest.approx(measured, rel=0.05)
    assert target["bytes"] == 500 + 4 * result.parameters <= 5000
    assert result.limits == {"latency": 2.0, "size": 5000.0, "memory": 8000.0}
    assert set(widths(out)) <= {4, 8, 16}, "what is beyond is not even trained"
    assert "ms on devices:Counted" in result.summary()
    assert "On the target" in (out / "report.html").read_text(encoding="utf-8")

    def again(*words: Any, **more: Any) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("azora.automl.pricing.build_predictor", again)
    resumed = Setting.of(Job.parse(task=stripes, out=out, limits=[LIMIT], resume=True, **WORDS))
    kept = TargetFile.load(out / FILE)
    assert resumed.pricing is not None
    assert resumed.pricing.predictor.rows == kept.predictor.rows
    assert len(kept.predictor.rows) == 30
    with pytest.raises(StudyError, match="out holds a study"):
        search(stripes, out, limits=[LIMIT], resume=True, seed=4)


def test_a_best_that_does_not_hold_where_it_runs_gives_place_to_the_next(
    brief: None, stripes: Task, tmp_path: Path
) -> None:
    file = false_file(stripes, tmp_path / "false.target.json", devices.Counted())
    out = tmp_path / "out"
    result = search(stripes, out, target=str(file), limits=[LIMIT])
    assert 0.1 + result.parameters / 1000 <= 2.0
    assert max(widths(out)) > 16
    assert result.architecture["width_0"] == max(width for width in widths(out) if width <= 16)
    assert result.target["predicted_latency_ms"] < 0.1 < result.target["latency_ms"]


def test_where_nothing_holds_the_least_is_named(brief: None, stripes: Task, tmp_path: Path) -> None:
    file = false_file(stripes, tmp_path / "false.target.json", devices.Counted())
    with pytest.raises(TargetError) as told:
        search(stripes, tmp_path / "out", target=str(file), limits=["latency=300us", "size=1MB"], trials=4)
    least = 0.1 + 69 * min(widths(tmp_path / "out")) / 1000
    assert "no network that was judged holds latency ≤ 0.3 ms and size ≤ 1,000,000 on devices:Counted;" in str(
        told.value
    )
    named = float(str(told.value).partition("the nearest measured there has latency ")[2].split(" ms")[0])
    assert named == pytest.approx(least, rel=0.4)
    assert ", size " in str(told.value)


def test_what_is_beyond_only_when_it_is_trained_gives_place_too(brief: None, stripes: Task, tmp_path: Path) -> None:
    file = false_file(stripes, tmp_path / "f.target.json", devices.Fickle(many=800), factor=1.0)
    result = search(stripes, tmp_path / "out", target=str(file), limits=[LIMIT], trials=5)
    assert result.architecture["width_0"] == 8
    assert 16 in widths(tmp_path / "out")


def test_when_all_are_beyond_once_they_are_trained_the_least_is_named(
    brief: None, stripes: Task, tmp_path: Path
) -> None:
    file = false_file(stripes, tmp_path / "f.target.json", devices.Fickle(), factor=1.0)
    with pytest.raises(TargetError) as told:
        search(stripes, tmp_path / "out", target=str(file), limits=[LIMIT], trials=2)
    said = r"no network that was judged holds latency ≤ 2 ms on .*; the smallest measured there has latency [\d.]+ ms"
    assert re.fullmatch(said, str(told.value))


def test_where_no_network_is_predicted_to_hold_nothing_is_trained(brief: None, stripes: Task, tmp_path: Path) -> None:
    with pytest.raises(
        SpaceError, match=r"no network within latency ≤ 0.2 ms was found in mlp; .* has latency 0\.\d+ ms"
    ):
        search(stripes, tmp_path / "out", limits=["latency=0.2ms"])
    assert not (tmp_path / "out").exists()


def test_latency_beside_accuracy_makes_a_front(brief: None, stripes: Task, tmp_path: Path) -> None:
    result = search(stripes, tmp_path / "out", strategy="pareto", objective=["accuracy", "latency:min"], trials=16)
    assert result.objectives == ["accuracy", "latency"]
    assert len(result.front) >= 2
    latencies = [each["latency"] for each in result.front]
    assert latencies == sorted(latencies, reverse=True), "the better is the slower"
    assert all(0.2 < each < 6 for each in latencies)
    assert "latency_ms" in result.target


def test_a_device_that_is_elsewhere_is_believed_by_its_predictor(
    brief: None, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TargetFile.load(false_file(stripes, tmp_path / "f.target.json", devices.Counted(), factor=1.0))
    away = replace(file, fingerprint={"device": "in another town"}).save(tmp_path / "away.target.json")
    monkeypatch.setattr(devices.Counted, "measure", lambda *words: pytest.fail("nothing can be measured here"))
    result = search(stripes, tmp_path / "out", target=str(away), limits=[LIMIT], trials=4)
    assert "latency_ms" not in result.target
    assert result.target["predicted_latency_ms"] <= 2.0
    assert "predicted" in result.summary()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"target": None, "limits": [LIMIT]}, "limit latency ≤ 2 ms is of a device: say which, such as --target"),
        ({"target": None, "limits": ["size=2kB"]}, "limit size ≤ 2,000 is of a device"),
        ({"target": None, "objective": ["accuracy", "latency:min"]}, "objective latency is of a device"),
        ({"target": None, "limits": [LIMIT], "reward": "soft"}, "is of a device"),
        ({"target": "onnxruntme"}, "did you mean 'onnxruntime'"),
        ({"target": "nosuch.target.json"}, "there is no predictor nosuch.target.json"),
        ({"target": "devices:Picky:every=0"}, "no memory for"),
        ({"limits": [LIMIT], "reward": "sofft"}, "there is no reward 'sofft'; did you mean 'soft'"),
        ({"reward": "soft"}, "--reward soft aims at one limit, and there are 0"),
        ({"limits": [LIMIT, "macs=3k"], "reward": "soft"}, "and there are 2"),
        (
            {"limits": [LIMIT], "reward": "soft", "objective": "loss:min"},
            "is made of accuracy or the like and one cost",
        ),
        ({"limits": [LIMIT], "reward": "hard", "strategy": "spos", "evaluator": "trained"}, "takes no reward"),
        ({"target": "FALSE", "space_settings": {**WIDTHS, "widths": [4]}}, r"is for the space mlp \("),
        ({"target": "FALSE", "space": "cells", "space_settings": {}}, "this search is in cells"),
    ],
)
def test_what_cannot_be_searched_for_is_said_before_anything_is_written(
    words: dict[str, Any], said: str, brief: None, stripes: Task, tmp_path: Path
) -> None:
    if words.get("target") == "FALSE":
        file = false_file(stripes, tmp_path / "false.target.json", devices.Counted())
        words = {**words, "target": str(file)}
    with pytest.raises(AzoraError, match=said) as told:
        search(stripes, tmp_path / "out", **words)
    assert isinstance(told.value, ConfigError | TargetError)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_a_file_that_ships_beyond_its_limit_is_told(
    brief: None, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(network: Any, signature: Any, scaling: Any, file: Path, sample: Any) -> float:
        file.write_bytes(bytes(9000))
        return 0.0

    monkeypatch.setattr("azora.automl.delivery.export_onnx", write)
    monkeypatch.setattr("azora.automl.delivery.OnnxSession", lambda file: SimpleNamespace(run=lambda x: None))
    monkeypatch.setattr("azora.automl.delivery._layers", lambda out: [])
    monkeypatch.setattr("azora.automl.forms.form_of_spec", lambda spec: "onnx")
    result = search(stripes, tmp_path / "out", limits=["size=8kB"])
    said = "the file that ships has 9,000 bytes, 12.5% beyond the limit size ≤ 8,000"
    assert result.beyond_size == said and result.notes[-1] == said and said in result.summary()
    assert "12.5% beyond the limit" in (tmp_path / "out" / "model" / "README.md").read_text(encoding="utf-8")


def test_studies_without_a_target_say_nothing_of_one(stripes: Task, tmp_path: Path) -> None:
    job = Job.parse(task=stripes, out=tmp_path / "out", trials=2, space="mlp")
    assert not {"target", "reward"} & Setting.of(job).about().keys()
    with_target = Setting.of(replace(job, target="devices:Counted"))
    assert json.loads(json.dumps(with_target.about()))["target"] == "devices:Counted"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit", "latency=5ms"], "limit latency ≤ 5 ms is of a device: say which, such as --target onnxruntime"),
        (["--limit", "latency=5MB"], "'5MB' is not an amount of latency such as 5ms or 800us"),
        (["--limit", "memory=5ms"], "'5ms' is not an amount of memory such as 500kB or 2MB"),
        (["--target", "torchcpu"], "did you mean 'torch-cpu'?"),
        (["--target", "cuda:device=99"], "cuda:device=99 is not there"),
        (["--target", "devices:Counted", "--reward", "soft"], "--reward soft aims at one limit, and there are 0"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["search", "digits", *words, "--trials", "2", "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (err.count("\n"), out) == (1, "")
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


@pytest.mark.parametrize("busy", [True, False], ids=["in use", "holds a study"])
def test_a_folder_that_is_taken_is_told_before_anything_is_measured(
    busy: bool, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    folder = StudyFolder(out, resume=False)
    if not busy:
        folder.study(NB201(stripes.signature), {"task": "stripes"}, 0.0).close()
        folder.release()
    monkeypatch.setattr(devices.Counted, "measure", lambda *_: pytest.fail("a network was measured"))
    with pytest.raises(StudyError, match="another search is running" if busy else "go on with --resume"):
        search(stripes, out, limits=[LIMIT])


def test_a_mistake_leaves_no_folder_nor_those_above_it(stripes: Task, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        search(stripes, tmp_path / "runs" / "first", strategy="randm")
    assert not (tmp_path / "runs").exists()


def test_a_size_cannot_be_limited_where_there_are_no_files(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, measured = devices.Fileless.measure, list[int]()

    def counts(self: devices.Fileless, deployable: Any, seconds: float = 0.1) -> Measured:
        measured.append(1)
        return measure(self, deployable, seconds)

    monkeypatch.setattr(devices.Fileless, "measure", counts)
    words: dict[str, Any]
    for words, said in (
        ({"limits": ["size=5kB"]}, "limit size ≤ 5,000"),
        ({"objective": ["accuracy", "size:min"], "strategy": "pareto"}, "objective size"),
    ):
        with pytest.raises(ConfigError, match=f"{said}: devices:Fileless has no files whose size could be"):
            search(stripes, tmp_path / "out", target="devices:Fileless", **words)
    assert not (tmp_path / "out").exists()
    assert len(measured) == 2, "the first of each tells"


def test_a_search_goes_on_with_the_runtime_and_device_that_it_began_with(
    brief: None, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    search(stripes, out, limits=[LIMIT], trials=2)
    job = Job.parse(task=stripes, out=out, limits=[LIMIT], resume=True, **WORDS)
    with monkeypatch.context() as patched:
        patched.setattr(devices.Counted, "versions", lambda self: {"counted": "2"})
        with pytest.raises(TargetError, match="with counted 1, here is counted 2; go on with that version, or begin"):
            Setting.of(job)
    monkeypatch.setattr(devices.Counted, "fingerprint", lambda self: {"device": "another"})
    with pytest.raises(TargetError, match=r"has measured devices:Counted on another device.*; go on there, or begin"):
        Setting.of(job)
    # Who began with a file from elsewhere goes on with predictions.
    away = TargetFile.load(out / FILE).save(tmp_path / "away.target.json")
    pricing = Setting.of(replace(job, target=str(away))).pricing
    assert pricing is not None and not pricing.here


@pytest.mark.parametrize("spec", ["command:python m.py {model} cfg.json", "command:timeout=3:a {pte} b.json"])
def test_a_program_whose_last_word_is_a_json_file_is_no_predictor(
    spec: str, stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(TargetError, match="there is no program"):
        search(stripes, tmp_path / "out", target=spec, limits=[LIMIT])
    assert form_of(spec) == ("executorch" if "pte" in spec else "onnx")
