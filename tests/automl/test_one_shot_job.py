"""Whole searches by shared weights, as a user runs them."""

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
from safetensors import safe_open

from azora.automl.reading import read_events
from azora.cli.main import main

PROCESSES = True  # what a search by workers leaves, with their log, and what it says meanwhile
SMALL = ["space.nodes=2", "space.widths=[4,8]", "space.depths=[1]", "judged=12", "size=4", "population=4", "epochs=2"]
OWN = '''"""Spaces whose networks have nothing in common."""

from torch import nn

from azora.space import Categorical, Space


class Packed(Space):
    """A recurrent layer, whose packed gates are no slices."""

    def __init__(self, signature):
        self.signature = signature
        super().__init__("packed", [Categorical("width", (4, 8))])

    def build(self, decide):
        width = decide.number("width")
        return nn.Sequential(nn.Flatten(2), Last(self.signature.shape[-1] ** 2, width), nn.Linear(width, 2))


class Last(nn.Module):
    def __init__(self, values, width):
        super().__init__()
        self.gru = nn.GRU(values, width, batch_first=True)

    def forward(self, x):
        return self.gru(x)[0][:, -1]
'''


def sets(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--set", text)]


def write_stripes(folder: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = rng.integers(0, 120, (160, 8, 8))
    x[y == 0, ::2, :] += 100
    x[y == 1, :, ::2] += 100
    parts = {"x_train": x[:120], "x_test": x[120:]}
    np.savez(
        folder / "stripes.npz",
        **{name: part.astype(np.uint8) for name, part in parts.items()},
        y_train=y[:120],
        y_test=y[120:],
        classes=np.array(["across", "down"]),
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_stripes(folder)
    (folder / "packed_space.py").write_text(OWN)
    return folder


# Spos, beside random search ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(home: Path) -> str:
    """What a search said while it ran; it is in `home / "spos"`."""
    words = ["--strategy", "spos", "--trials", "8", "--workers", "1", "--seed", "1", "--precision", "float32"]
    words += ["--baseline", "random", "--limit", "params=30k", "--json", *sets(*SMALL)]
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = main(["search", str(home / "stripes.npz"), *words, "--out", str(home / "spos")])
    assert code == 0, said.getvalue()
    return said.getvalue()


@pytest.fixture(scope="module")
def figures(home: Path, told: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "spos" / "result.json").read_text())
    return found


def test_the_figures_tell_how_far_the_shared_weights_can_be_trusted(figures: dict[str, Any]) -> None:
    seen = figures["one_shot"]
    assert seen["epochs"] == 2.0 and seen["judged"] == 12 and seen["failed"] == 0
    assert 0 <= seen["spread"]["least"] <= seen["spread"]["median"] <= seen["spread"]["most"] <= 1
    assert seen["trained"] == 4  # of the four judgements of its own, all were of the shortlist
    assert seen["kendall"] is None or -1 <= seen["kendall"] <= 1
    assert set(seen["seconds"]) == {"sharing", "inheriting"} and min(seen["seconds"].values()) > 0
    assert 0 < seen["share"] < 1 and "pairs" not in seen
    assert figures["strategy"] == "spos" and figures["space"] == "cells × recipe"
    assert figures["trials"] == 4 and figures["parameters"] <= 30_000
    assert figures["test_accuracy"] > 0.8


def test_random_search_beside_it_had_as_many_judgements(figures: dict[str, Any]) -> None:
    beside = figures["baseline"]
    assert (beside["strategy"], beside["as"], beside["trials"], beside["cost"]) == ("random", "halving", 4, 4.0)


def test_of_the_shared_weights_nothing_is_left_but_what_they_said(home: Path, figures: dict[str, Any]) -> None:
    assert [path.name for path in (home / "spos" / "one_shot").iterdir()] == ["study.db"]
    assert sorted(path.name for path in (home / "spos").iterdir()) == [
        "baseline", "model", "one_shot", "report.html", "result.json", "study.db", "study.lock", "workers.log",
    ]  # fmt: skip
    assert "training shared weights" in (home / "spos" / "report.html").read_text()


def test_a_phase_is_told_once_and_not_with_every_loss(told: str) -> None:
    assert told.count("judging by shared weights") == 1
    assert told.count("training shared weights") <= 1 and "loss nan" not in told


def test_its_phases_are_in_the_journal_in_order(home: Path, figures: dict[str, Any]) -> None:
    names = [event["name"] for event in read_events(home / "spos") if event["kind"] == "phase"]
    assert names == ["search:sharing", "search:inheriting", "search", "baseline", "final"]


# What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strategy", "spsos"], "there is no strategy 'spsos'; did you mean 'spos'?"),
        (["--strategy", "spos", "--set", "judgd=9"], "Spos has no setting 'judgd'; did you mean 'judged'?"),
        (["--strategy", "spos", "--set", "size=1"], "size=1 must be a whole number, at least 2"),
        (["--strategy", "smash", "--set", "paths=unifrom"], "did you mean 'uniform'"),
        (["--strategy", "ofa", "--objective", "accuracy", "--objective", "macs:min"], "ofa is for one objective"),
        (["--strategy", "spos", "--evaluator", "zero-cost"], "spos brings its own evaluator"),
        (["--strategy", "spos", "--limit", "params=10"], "no network within params ≤ 10 was found"),
        (["--strategy", "spos", "--budget", "2s"], "a budget of 2s is too short for the phases of spos"),
    ],
)
def test_a_mistake_is_one_line_exit_code_2_and_nothing_written(
    home: Path,
    words: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused(home, words, tmp_path, monkeypatch)
    out, err = capsys.readouterr()
    assert said in err and not out
    assert err.count("\n") == 1 and "Traceback" not in err
    if "2s" in words:
        assert "the least is about" in err


def test_a_space_whose_networks_cannot_share_is_refused_with_the_strategies_that_can(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(home))
    refused(home, ["--strategy", "spos", "--space", "packed_space:Packed"], tmp_path, monkeypatch)
    err = capsys.readouterr().err
    assert err.startswith("azora: spos cannot search this space: ") and err.count("\n") == 1
    assert "gru" in err.lower()
    assert "strategies that can: random, evolution" in err


def refused(home: Path, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("azora.executors.processes.spawn", "azora.automl.run.spawn"):
        monkeypatch.setattr(place, lambda *_: [])  # nobody is to work: the start would be for nothing
    code = main(["search", str(home / "stripes.npz"), *words, "--quiet", "--out", str(tmp_path / "out")])
    assert code == 2
    assert not (tmp_path / "out").exists()


def test_methods_are_among_the_strategies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strategies"]) == 0
    told = capsys.readouterr().out
    for name in ("spos", "smash", "ofa"):
        assert f"\n{name} (one-shot)\n" in told


def test_an_end_before_the_first_weights_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("azora.methods.phases.start_sharing", interrupted)
    for place in ("azora.executors.processes.spawn", "azora.automl.run.spawn"):
        monkeypatch.setattr(place, lambda *_: [])
    words = ["--strategy", "ofa", "--trials", "3", "--precision", "float32", "--quiet"]
    assert main(["search", str(home / "stripes.npz"), *words, "--out", str(tmp_path / "out")]) == 130
    assert not (tmp_path / "out").exists()


# A kill while shared weights are trained --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_search_goes_on_with_the_weights_that_it_had(home: Path) -> None:
    out = home / "killed"
    words = ["--strategy", "spos", "--trials", "3", "--workers", "1", "--precision", "float32", "--json", "--quiet"]
    words += sets(*SMALL[:-1], "epochs=400")
    process = start(home, out, *words)
    assert wait_for(lambda: steps(out) > 0, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = steps(out)
    process = start(home, out, *words, "--resume")
    assert wait_for(lambda: steps(out) != before, process), process.communicate()
    assert before < steps(out) < before + 400
    process.send_signal(signal.SIGINT)
    printed, err = process.communicate(timeout=110)
    assert process.returncode == 130, err
    assert "finishing with the best so far" in err
    figures = json.loads(printed)
    assert figures["trials"] == 1 and figures["judged"] == 0  # the best by weights that were not finished
    assert steps(out) > before  # and these are kept, for who wants to go on
    kinds = [event["kind"] for event in read_events(out)]
    assert kinds.count("opened") == 2 and kinds[-1] == "finished"


def start(home: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "azora", "search", "stripes.npz", "--out", str(out), *words],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def steps(out: Path) -> int:
    """How far the shared weights in `out` have been trained; 0 where there are none."""
    try:
        with safe_open(out / "one_shot" / "shared.safetensors", "pt") as file:
            return int(file.get_tensor("step"))
    except OSError:
        return 0


def wait_for(there: Any, process: subprocess.Popen[str], seconds: float = 60.0) -> bool:
    latest = time.monotonic() + seconds
    while not there():
        if time.monotonic() > latest or process.poll() is not None:
            return False
        time.sleep(0.02)
    return True
