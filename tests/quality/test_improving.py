"""The benchmark of improving keeps what it measured, takes errors for outcomes, and injects its regressions."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.quality.scripts import script

from azora.errors import BudgetError
from azora.export.bundle import WEIGHTS
from azora.tasks import Task

improving = script("improving")


def asked(out: Path, **words: Any) -> argparse.Namespace:
    usual = {"what": "drift", "seeds": 2, "networks": 4, "look": 8.0, "space": "auto", "data": None, "trials": 3}
    return argparse.Namespace(**{**usual, "out": out, **words})


def test_a_seed_is_kept_at_once_and_not_measured_again(tmp_path: Path) -> None:
    seen = list[int]()

    def one(words: argparse.Namespace, seed: int, scratch: Path) -> dict[str, Any]:
        seen.append(seed)
        if seed == 1 and len(seen) == 2:
            raise MemoryError
        return {"accuracy": seed}

    with pytest.raises(MemoryError):
        improving._seeds(asked(tmp_path), one)
    found = improving._seeds(asked(tmp_path), one)
    assert seen == [0, 1, 1] and found["seeds"]["0"]["found"] == {"accuracy": 0}
    assert json.loads((tmp_path / "drift-seed1.json").read_text())["found"] == {"accuracy": 1}
    with pytest.raises(SystemExit, match=r"drift-seed0\.json was made with other look; name another"):
        improving._seeds(asked(tmp_path, look=9.0), one)


def test_an_error_of_azoras_is_an_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any, **words: Any) -> None:
        raise BudgetError("too little")

    monkeypatch.setattr(improving, "improve", refuse)
    monkeypatch.setattr(improving.cycle, "LEAST_SECONDS", 1.0)
    monkeypatch.setattr(improving, "_deployed", lambda folder, task, epochs: folder)
    told = improving.coins(asked(tmp_path))
    assert told["outcomes"] == {"error": 3} and told["promoted"]["promoted"] == 0
    assert json.loads((tmp_path / "coins.json").read_text()) == {"0": "error", "1": "error", "2": "error"}


@pytest.mark.parametrize(("regression", "lied"), [("labels", True), ("weights", False), (None, False)])
def test_regressions_are_injected_where_something_is_promoted(
    regression: str | None, lied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"before")
    tasks, spoiled = list[Task](), list[Path]()

    def promote(model: Path, task: Task, seconds: float, seed: int, promoted: Any) -> Any:
        tasks.append(task)
        promoted(model)
        return SimpleNamespace(what="rolled back", facts={}, analysis=SimpleNamespace(drift=None))

    monkeypatch.setattr(improving, "improve", promote)
    monkeypatch.setattr(improving, "_spoil", spoiled.append)
    monkeypatch.setattr(improving, "_answers", lambda model, x: np.full(len(x), "7"))
    x, y = np.random.default_rng(0).random((200, 8, 8)).astype(np.float32), np.arange(200) % 10
    found = improving._injected(tmp_path, x, y, regression, 8.0, 0)
    assert found["injected"] is (regression is not None) and bool(spoiled) is (regression == "weights")
    assert found["put_back_whole"] is (None if regression is None else True)
    held = tasks[0].read_test().y
    assert np.array_equal(held[::2], y[160::2])
    assert np.array_equal(held[1::2], np.full(20, 7) if lied else y[161::2])


def test_cycles_without_a_regression_end_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, none = {"injected": True, "rolled_back": True}, {"injected": False, "rolled_back": False}
    for labels, code in ((good, 0), (none, 1), ({"injected": True, "rolled_back": False}, 1)):
        found = {"seeds": {"0": {"found": {"weights": good, "labels": labels}}}}
        monkeypatch.setitem(improving.PARTS, "cycles", lambda words, found=found: found)
        monkeypatch.setattr(sys, "argv", ["improving.py", "cycles", "--out", str(tmp_path)])
        monkeypatch.setattr(improving, "cycle", SimpleNamespace())
        monkeypatch.setattr(improving, "fit", SimpleNamespace())
        assert improving.main() == code
    err = capsys.readouterr().err
    assert "seed 0: labels met no promotion" in err and "seed 0: labels was not rolled back" in err


def test_classes_are_reweighted_and_no_picture_is_in_two_looks() -> None:
    y = np.random.default_rng(0).permutation(np.arange(4_000) % 10)
    x = np.arange(4_000)
    parts = [improving._part((x, y), place, half) for place, half in ((0, 0), (1, 0), (2, 1))]
    assert len(set(np.concatenate([each for each, _ in parts]))) == sum(len(each) for each, _ in parts)
    shares = [float((labels < 5).mean()) for _, labels in parts]
    assert shares == pytest.approx([0.9, 0.9, 0.1], abs=0.01)
