"""The night of equal times: nothing is lost when one system fails, and nothing of another machine is among its runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.quality.scripts import script

ON = {"processor": "EPYC", "commit": "now"}


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    module = script("equal_time")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(script("keeping"), "LOCK", tmp_path / "lock")
    for asking in (module, script("limits")):
        monkeypatch.setattr(asking, "provenance", lambda: ON)
    monkeypatch.setattr(sys, "argv", ["script", "data.npz", "--budget", "9", "--seeds", "2"])
    return module


def test_a_system_that_fails_is_told_and_the_others_go_on(
    night: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ran = list[str]()

    def run(command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
        ran.append("random" if "random" in command else "azora")
        if command[command.index("--seed") + 1] == "1":
            return subprocess.CompletedProcess(command, 2, "", "azora: there is no time\n")
        return subprocess.CompletedProcess(command, 0, json.dumps({"test_accuracy": 0.9, "seconds": 9.0}), "")

    def lost(data: Path, seconds: float, seed: int) -> dict[str, Any]:
        ran.append("resnet")
        raise MemoryError("too large")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(night, "run_resnet", lost)
    assert night.main() == 1
    told = json.loads(capsys.readouterr().out)
    assert ran == ["azora", "azora", "random", "random", "resnet", "resnet"]
    assert told["systems"]["azora"] == {
        "mean": 0.9, "std": 0.0, "scores": [0.9], "seconds": [9.0],
        "failed": {"1": "exit code 2: azora: there is no time"},
    }  # fmt: skip
    assert told["systems"]["resnet"]["mean"] is None
    assert told["systems"]["resnet"]["failed"] == dict.fromkeys("01", "MemoryError: too large")
    assert night.main() == 1 and len(ran) == 6, "what has its file is not run again"


@pytest.mark.parametrize(
    ("on", "said"),
    [({"processor": "Xeon"}, "was made on Xeon, and this is EPYC"), (None, "does not tell its processor")],
)
def test_what_was_made_elsewhere_is_refused_before_anything_runs(
    on: dict[str, str] | None,
    said: str,
    night: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    run = {"test_accuracy": 0.9, "seconds": 9.0}
    file = tmp_path / "results" / "data-9s-resnet-1.json"
    file.parent.mkdir()
    for system in night.SYSTEMS:
        monkeypatch.setitem(night.SYSTEMS, system, lambda *given: run)
    file.write_text(json.dumps({**run, "system": "resnet", "seed": 1} | ({"on": on} if on else {})))
    with pytest.raises(SystemExit, match=rf"resnet-1\.json {said}.*move it aside"):
        night.main()
    assert list(file.parent.iterdir()) == [file]
    file.write_text(json.dumps({**run, "system": "resnet", "seed": 1, "on": {**ON, "commit": "then"}}))
    assert night.main() == 0
    told = json.loads(capsys.readouterr().out)
    assert told["runs on"] == {"commits": ["now", "then"], "processors": ["EPYC"]}
