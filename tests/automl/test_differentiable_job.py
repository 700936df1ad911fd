"""Whole differentiable searches, as a user runs them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from azora.automl.reading import read_events
from azora.cli.main import main
from shortcuts import refuse

SMALL = ["space.nodes=2", "space.widths=[4,8]", "space.depths=[1]", "size=8", "epochs=3"]


def sets(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--set", text)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = rng.integers(0, 120, (160, 8, 8))
    x[y == 0, ::2, :] += 100
    x[y == 1, :, ::2] += 100
    parts = {"x_train": x[:120], "x_test": x[120:]}
    arrays = {name: part.astype(np.uint8) for name, part in parts.items()}
    np.savez(folder / "stripes.npz", **arrays, y_train=y[:120], y_test=y[120:])
    return folder


@pytest.fixture(scope="module")
def figures(home: Path) -> dict[str, Any]:
    words = ["--strategy", "darts-", "--trials", "8", "--workers", "1", "--seed", "1", "--precision", "float32"]
    words += ["--limit", "params=30k", *sets(*SMALL)]
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(io.StringIO()),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("azora.automl.delivery.export_onnx", refuse)
        code = main(["search", str(home / "stripes.npz"), *words, "--out", str(home / "out")])
    assert code == 0
    found: dict[str, Any] = json.loads((home / "out" / "result.json").read_text())
    assert not found["relaxed"]["says"] or found["relaxed"]["says"] in said.getvalue()
    return found


def test_figures_tell_of_every_epoch_and_of_the_gap(figures: dict[str, Any]) -> None:
    seen = figures["relaxed"]
    assert [line["epoch"] for line in seen["history"]] == [1.0, 2.0, 3.0]
    last = seen["history"][-1]
    assert seen["gap"] == last["gap"] == pytest.approx(last["mixture_accuracy"] - last["accuracy"])
    assert seen["epochs"] == 3.0 and seen["seconds"] > 0 and 0 < seen["share"] < 1
    assert seen["derived"] == last["key"] and "shortlist" not in seen
    assert figures["parameters"] <= 30_000 and figures["trials"] == 8
    assert figures["test_accuracy"] > 0.8


def test_what_was_favoured_is_compared_with_random_networks(figures: dict[str, Any]) -> None:
    trained = figures["relaxed"]["trained"]
    assert trained["epochs"] == 1.0
    if "random" in trained:
        assert trained["better"] == (trained["derived"] > trained["random_mean"])
        assert ("is better than the mean of" in figures["relaxed"]["says"]) == trained["better"]


def test_the_report_draws_the_mixture(home: Path, figures: dict[str, Any]) -> None:
    page = (home / "out" / "report.html").read_text()
    assert "What the mixture favoured" in page and "discretisation gap" in page and 'id="relaxed"' in page
    assert "training the mixture" in page
    assert [path.name for path in (home / "out" / "one_shot").iterdir()] == ["study.db"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strategy", "gads"], "there is no strategy 'gads'; did you mean 'gdas'?"),
        (
            ["--strategy", "gdas", "--set", "temperatur=1"],
            "gdas has no setting 'temperatur'; did you mean 'temperature'?",
        ),
        (["--strategy", "darts", "--set", "stop=eigen"], "there is no stop 'eigen'"),
        (["--strategy", "gdas", "--limit", "params=10"], "no network within params ≤ 10 was found"),
        (["--strategy", "gdas", "--evaluator", "zero-cost"], "gdas brings its own evaluator"),
        (["--strategy", "pc-darts", "--space", "stages"], "does not say how many channels its modules have"),
        (["--strategy", "gdas", "--space", "stages", "--set", 'space.blocks=["inverted"]'], "there is nothing to mix"),
        (["--strategy", "gdas", "--budget", "2s"], "a budget of 2s is too short for the phases of gdas"),
    ],
)
def test_a_mistake_is_one_line_exit_code_2_and_nothing_written(
    home: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    budget = [] if "--budget" in words else ["--trials", "4"]
    code = main(["search", str(home / "stripes.npz"), *words, *budget, "--out", str(tmp_path / "out")])
    err = capsys.readouterr().err
    assert code == 2
    assert said in err.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_in_the_middle_it_goes_on_from_the_last_epoch_with_the_same_logits(home: Path) -> None:
    """As `kill -9` leaves it."""
    out = home / "killed"
    words = ["--strategy", "gdas", "--budget", "60s", "--seed", "0", "--json", "--quiet", "--out", str(out)]
    command = [sys.executable, "-m", "azora", "search", "digits", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    weights, latest = out / "one_shot" / "shared.safetensors", time.monotonic() + 60
    while (told(out) < 2 or not weights.is_file()) and time.monotonic() < latest:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before, kept = told(out), load_file(weights)
    assert before >= 2
    process = subprocess.Popen([*command, "--resume"], stdout=subprocess.PIPE, text=True)
    seen = load_file(weights)
    assert (seen["logits"] == kept["logits"]).all() and seen["step"] == kept["step"]
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    figures = json.loads(printed)
    epochs = [line["epoch"] for line in figures["relaxed"]["history"]]
    assert epochs == [float(1 + place) for place in range(len(epochs))] and len(epochs) > before
    assert figures["test_accuracy"] > 0.9 and figures["seconds"] < 66


def told(out: Path) -> int:
    try:
        return sum(event["kind"] == "told" for event in read_events(out / "one_shot"))
    except Exception:  # not there yet
        return 0
