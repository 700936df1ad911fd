"""One comparison as a user has it, interrupted and called again, and its scorecard."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azora.automl.comparing.runs import Record
from azora.study.folder import JOURNAL
from azora.tasks import load_task
from azora.training import choose_mode

BUDGET = 90.0  # seconds of a run, of which a busy machine needs half to start
WORDS = ["compare", "stripes.npz", "--budget", f"{BUDGET}s", "--seeds", "1", "--systems", "resnet", "--workers", "1"]


def azora(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "azora", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=800, check=False)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_comparison_is_interrupted_goes_on_and_is_scored(tmp_path: Path) -> None:
    rng, y = np.random.default_rng(0), np.arange(160) % 2
    x = rng.integers(0, 120, (160, 8, 8))
    x[y == 0, ::2, :] += 100
    x[y == 1, :, ::2] += 100
    halves = {"x_train": x[:120].astype(np.uint8), "y_train": y[:120], "x_test": x[120:].astype(np.uint8)}
    np.savez(tmp_path / "stripes.npz", **halves, y_test=y[120:])
    choose_mode("measure", load_task(tmp_path / "stripes.npz").signature)  # kept: no run needs to measure it again
    begun = subprocess.Popen([sys.executable, "-m", "azora", *WORDS, "--out", "out"], cwd=tmp_path)
    second = tmp_path / "out" / "resnet" / "seed-0"
    while not (second / JOURNAL).is_file():
        assert begun.poll() is None
        time.sleep(0.2)
    time.sleep(3.0)
    begun.send_signal(signal.SIGINT)
    assert begun.wait(60) == 130
    first = (tmp_path / "out" / "random" / "seed-0" / "result.json").read_bytes()
    assert not (second / "result.json").exists()

    again = azora(*WORDS, "--out", "out", "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    told: dict[str, Any] = json.loads(again.stdout)
    assert (tmp_path / "out" / "random" / "seed-0" / "result.json").read_bytes() == first
    for system in told["systems"]:
        (run,) = system["runs"]
        assert run["seconds"] <= BUDGET + 1.0 and run["test"] > 0.5, system["system"]
    record = Record.read(tmp_path / "out" / "resnet" / "seed-0.json")
    assert record is not None and len(record.sessions) == 1 and record.sessions[0]["processor"] > 1.0
    by_name = {system["system"]: system for system in told["systems"]}
    assert by_name["resnet"]["runs"][0]["architecture"]["block_0"] == "residual"
    assert by_name["resnet"]["runs"][0]["judged"] == 1

    scored = azora("scorecard", "out", "--json", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    lines = {line["system"]: line for line in json.loads(scored.stdout)["lines"]}
    assert lines.keys() == by_name.keys()
    assert lines["random"]["hand"]["mean"] is not None and lines["random"]["own"] is None
    assert lines["resnet"]["words"] > lines["random"]["words"] and lines["resnet"]["processor"] > 1.0
