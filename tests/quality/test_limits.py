"""The scripts that search within limits: nothing is lost when one search fails or is interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tests.quality.scripts import script
from torch import nn

import devices
from azora.hardware import Deployable, find_target
from azora.tasks import Signature

ON = {"processor": "EPYC", "commit": "then"}
LIMITS = [1.0, 2.0, 4.0]
FIGURES = {"limits": {"latency": 1.0}, "target": {"spec": "onnxruntime:threads=1,precision=fp32"}, "macs": 1}


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    module = script("limits")
    monkeypatch.setattr(script("keeping"), "LOCK", tmp_path / "lock")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    for name in ("space_of", "predictor_of"):
        monkeypatch.setattr(module, name, lambda *given: ("cells", {}))
    monkeypatch.setattr(module, "limits_of", lambda file, shares: LIMITS)
    monkeypatch.setattr(module, "provenance", lambda: ON)  # it asks git
    monkeypatch.setattr(module, "model_in", lambda out: out)
    return module


@pytest.fixture
def gain(limits: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    module = script("gain")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(module, "provenance", lambda: ON)
    for name in ("space_of", "predictor_of"):
        monkeypatch.setattr(module, name, lambda *given: ("cells", {}))
    monkeypatch.setattr(module, "by_hand", lambda words: Path("resnet"))
    monkeypatch.setattr(module, "model_in", lambda out: out)
    monkeypatch.setattr(module, "resnet_runs", lambda words: [{"test_accuracy": 0.9, "on": ON}] * words.seeds)
    return module


class Azora:
    """The command line, as `subprocess.run`: each search has an exit code, and ships where that is 0.

    Args:
        codes: of one search after the other.
    """

    def __init__(self, codes: Sequence[int]) -> None:
        self.codes, self.asked = list(codes), list[list[str]]()

    def __call__(self, command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
        code = self.codes[len(self.asked)]
        self.asked.append(command)
        out = Path(command[command.index("--out") + 1])
        (out / "model").mkdir(parents=True, exist_ok=True)
        if code:
            (out / "study.db").touch()
            return subprocess.CompletedProcess(command, code, "", "azora: noted\nazora: nothing holds the limits\n")
        (out / "model" / "model.onnx").touch()
        figures = {**FIGURES, "test_accuracy": 0.9 + 0.01 * len(self.asked)}
        return subprocess.CompletedProcess(command, 0, json.dumps(figures), "")


def call(
    module: ModuleType, words: Sequence[str], azora: Azora, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> tuple[int, dict[str, Any]]:
    """The script's exit code and what it prints."""
    monkeypatch.setattr(subprocess, "run", azora)
    monkeypatch.setattr(sys, "argv", ["script", "data.npz", "--keep", str(tmp_path / "keep"), *words])
    code = module.main()
    return code, json.loads(capsys.readouterr().out)


def times(found: Mapping[str, float]) -> Any:
    """In place of `timed`: milliseconds by the end of a folder's name."""
    return lambda target, models: [next(ms for end, ms in found.items() if each.name.endswith(end)) for each in models]


def test_one_failed_search_is_recorded_and_the_others_go_on(
    limits: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "timed", times({"0.5-0": 2.09, "0.75-0": 3.0}))
    azora = Azora([2, 0, 0])
    code, told = call(limits, ["--methods", "evolution"], azora, monkeypatch, capsys, tmp_path)
    assert code == 1 and len(azora.asked) == 3
    failed, *others = told["runs"]
    assert failed["error"] == "exit code 2: azora: nothing holds the limits" and "within" not in failed
    assert [(each["again_ms"], each["within"]) for each in others] == [(2.09, True), (3.0, True)]
    assert told["verdict"] == {
        "failed": 1, "measured_again": 2, "within": 2,
        "accuracy_by_limit": {"evolution": {"accuracies": [0.92, 0.93], "rises": True}},
    }  # fmt: skip
    kept = [json.loads(file.read_text()) for file in sorted((tmp_path / "results").iterdir())]
    assert [each.get("within") for each in kept] == [None, True, True]
    call(limits, ["--methods", "evolution"], azora, monkeypatch, capsys, tmp_path)
    assert len(azora.asked) == 3, "what has its file is not run again"


@pytest.mark.parametrize(
    ("ms", "code", "rewarded"), [(1.05, 0, False), (1.06, 1, False), (9.0, 0, True)], ids=["within", "beyond", "aimed"]
)
def test_what_is_beyond_its_limit_is_told_by_the_exit_code(
    ms: float,
    code: int,
    rewarded: bool,
    limits: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(limits, "timed", times({"-0": ms}))
    words = ["--methods", "spos", "--shares", "0.25", *(["--words", "--reward soft"] if rewarded else [])]
    monkeypatch.setattr(limits, "limits_of", lambda file, shares: [1.0])
    found, told = call(limits, words, Azora([0]), monkeypatch, capsys, tmp_path)
    assert found == code
    assert told["runs"][0]["within"] is (ms <= 1.05)
    assert told["verdict"]["measured_again"] == (0 if rewarded else 1)


def test_a_limit_beside_that_of_latency_is_kept_exactly(limits: ModuleType) -> None:
    run = {**FIGURES, "limit_ms": 1.0, "memory": 401_000, "limits": {"latency": 1.0, "memory": 400_000.0}}
    assert not limits.is_within(run, 0.5)
    assert limits.is_within({**run, "memory": 400_000}, 0.5)


def test_an_interrupted_search_is_no_failed_one(
    limits: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    azora, words = Azora([130, 0]), ["--methods", "spos", "--shares", "0.25"]
    monkeypatch.setattr(limits, "limits_of", lambda file, shares: [1.0])
    monkeypatch.setattr(limits, "timed", times({"-0": 1.0}))
    with pytest.raises(KeyboardInterrupt):
        call(limits, words, azora, monkeypatch, capsys, tmp_path)
    assert not list((tmp_path / "results").iterdir())
    call(limits, words, azora, monkeypatch, capsys, tmp_path)
    assert "--resume" in azora.asked[1]


@pytest.mark.parametrize("spec", ["torch-cpu", "onnxruntime", "devices:Counted"])
def test_what_ships_is_timed_on_the_target(spec: str, limits: ModuleType, tmp_path: Path) -> None:
    from azora.export import export_onnx

    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    made = Deployable.bare(network, Signature("classification", (1, 8, 8), 10, tuple("0123456789")))
    file = tmp_path / "model.onnx"
    if spec == "onnxruntime":
        export_onnx(network, made.signature, made.scaling, file, torch.rand(2, 1, 8, 8).numpy())
    (ms,) = limits.timed(find_target(spec), [limits.Model(made, file)])
    assert ms > 0
    if spec == "devices:Counted":
        assert ms == devices.Counted().measure(made).latency.median


def test_an_interrupted_run_goes_on_within_the_limit_it_began_with(
    gain: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    azora, words = Azora([130, 0]), ["--seeds", "1", "--faster", "2", "--target", "onnxruntime:precision=int8"]
    resnet = iter([4.2, 8.4, 8.4])  # the machine has other work when it is asked again
    monkeypatch.setattr(
        gain, "timed", lambda target, models: [next(resnet) if each.name == "resnet" else 2.1 for each in models]
    )
    with pytest.raises(KeyboardInterrupt):
        call(gain, words, azora, monkeypatch, capsys, tmp_path)
    code, told = call(gain, words, azora, monkeypatch, capsys, tmp_path)
    limits = [command[command.index("--limit") + 1] for command in azora.asked]
    assert limits == ["latency=2.0ms", "latency=2.0ms"], "measured 5 % beyond it, twice as fast"
    assert code == 0 and told["found"]["2"]["times_quicker"]["values"] == [4.0]
    assert told["runs on"] == {"commits": ["then"], "processors": ["EPYC"]}
    (file,) = (tmp_path / "results").iterdir()
    assert "int8" in file.name and json.loads(file.read_text())["limit_ms"] == 2.0


def test_a_model_that_is_gone_and_a_run_that_failed_are_told(
    gain: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(gain, "timed", lambda target, models: [4.2 for _ in models])
    azora, words = Azora([0, 2]), ["--seeds", "1", "--faster", "2", "3"]
    call(gain, words, azora, monkeypatch, capsys, tmp_path)
    for file in (tmp_path / "keep").rglob("model.onnx"):
        file.unlink()
    monkeypatch.setattr(sys, "argv", ["gain", "data.npz", "--keep", str(tmp_path / "keep"), *words])
    assert gain.main() == 1
    out, err = capsys.readouterr()
    assert "model.onnx is not there" in err
    told = json.loads(out)
    assert told["found"]["2"]["times_quicker"] is None and told["found"]["3"]["points_above_resnet"] is None
    assert list(told["failed"].values()) == ["exit code 2: azora: nothing holds the limits"]


def test_runs_of_another_machine_or_strategy_are_not_taken(
    gain: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(gain, "timed", lambda target, models: [4.2 for _ in models])
    azora, words = Azora([0, 0]), ["--seeds", "1", "--faster", "2", "--name", "night-"]
    call(gain, words, azora, monkeypatch, capsys, tmp_path)
    with pytest.raises(SystemExit, match=r"\.json was made with other words"):
        call(gain, [*words, "--words=--no-recipe"], azora, monkeypatch, capsys, tmp_path)
    monkeypatch.setattr(gain, "provenance", lambda: {"processor": "Xeon"})
    with pytest.raises(SystemExit, match=r"\.json was made on EPYC, and this is Xeon; move it aside"):
        call(gain, words, azora, monkeypatch, capsys, tmp_path)
    assert len(azora.asked) == 1


def test_a_run_of_another_limit_is_not_taken(
    limits: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    azora, words = Azora([0]), ["--methods", "spos", "--shares", "0.25"]
    monkeypatch.setattr(limits, "limits_of", lambda file, shares: [1.0])
    monkeypatch.setattr(limits, "timed", times({"-0": 1.0}))
    call(limits, words, azora, monkeypatch, capsys, tmp_path)
    monkeypatch.setattr(limits, "limits_of", lambda file, shares: [2.0])
    with pytest.raises(SystemExit, match=r"spos-0\.25-0\.json was made with other limit_ms; name another"):
        call(limits, words, azora, monkeypatch, capsys, tmp_path)
    assert len(azora.asked) == 1


def test_a_target_that_cannot_be_measured_for_one_space_ends_no_other_method(
    limits: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def built(words: Any, space: str, settings: Any) -> Path:
        if "spos" in broken:
            broken.remove("spos")
            raise limits.Failed("exit code 2: azora: no network could be measured")
        return tmp_path

    broken = ["spos"]
    monkeypatch.setattr(limits, "predictor_of", built)
    monkeypatch.setattr(limits, "limits_of", lambda file, shares: [1.0])
    monkeypatch.setattr(limits, "timed", lambda target, models: [1.0 for _ in models])
    azora, words = Azora([0, 0]), ["--methods", "spos", "evolution", "--shares", "0.25"]
    code, told = call(limits, words, azora, monkeypatch, capsys, tmp_path)
    assert code == 1 and told["verdict"]["failed"] == 1 and told["verdict"]["within"] == 1
    assert told["runs"][0]["error"] == "exit code 2: azora: no network could be measured"
    code, told = call(limits, words, azora, monkeypatch, capsys, tmp_path)
    assert code == 0 and told["verdict"]["within"] == 2 and len(azora.asked) == 2, "it is searched when it can be"
