"""The benchmark of improving keeps what it measured, takes errors for outcomes, and injects its regressions."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.quality.scripts import script

from azora.errors import BudgetError
from azora.export.bundle import WEIGHTS
from azora.tasks import Task

improving, luck = script("improving"), script("false_promotions")


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
    monkeypatch.setattr(luck, "_deployed", lambda folder, task, epochs: folder)
    told = luck.coins(asked(tmp_path))
    assert told["outcomes"] == {"error": 3} and told["errors"] == 3
    assert told["promoted"] == {"promoted": 0, "trials": 0, "share": None, "upper": 1.0}


def test_trials_are_counted_without_errors_and_only_those_of_one_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = list[int]()

    def coin(trial: int) -> str:
        tried.append(trial)
        return ["tested and kept", "tested and promoted", "kept", "error"][trial] if trial >= 0 else ""

    monkeypatch.setattr(luck, "_coin", coin)
    monkeypatch.setattr(luck, "cycle", SimpleNamespace())
    monkeypatch.setattr(luck, "by_the_processor", lambda: None)
    monkeypatch.setattr(luck, "provenance", lambda: {"commit": "then", "processor": "one"})
    found = luck.coins(asked(tmp_path, trials=4))
    assert (found["errors"], found["promoted"]["trials"], found["promoted_of_tested"]["trials"]) == (1, 3, 2)
    assert found["promoted"]["share"] == pytest.approx(1 / 3) and found["promoted_of_tested"]["share"] == 0.5
    assert found["on"]["commit"] == "then"
    for trials, code in (("3", 0), ("4", 1)):
        monkeypatch.setattr(sys, "argv", ["script", "coins", "--trials", trials, "--out", str(tmp_path)])
        assert luck.main() == code
    assert [each for each in tried if each >= 0] == [0, 1, 2, 3], "none is tried again"
    monkeypatch.setattr(luck, "provenance", lambda: {"commit": "now", "processor": "one"})
    with pytest.raises(SystemExit, match=r"coins\.json was made with other commit; name another folder"):
        luck.coins(asked(tmp_path))


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
    assert float((parts[0][1][-100:] < 5).mean()) == pytest.approx(0.9, abs=0.08), "all along the rows"


@pytest.fixture
def stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Searches that find the weights `first`, and looks that promote others; a file of pictures."""

    def searched(x: Any, y: Any, out: Path, *rest: Any) -> Path:
        (out / "out" / "model").mkdir(parents=True)
        (out / "out" / "model" / WEIGHTS).write_bytes(b"first")
        return out / "out" / "model"

    def promote(model: Path, task: Task, seconds: float, seed: int, promoted: Any = None) -> Any:
        if promoted is not None:  # and put back, as is promised
            promoted(model)
            return SimpleNamespace(what="rolled back", facts={"p": 0.01}, analysis=SimpleNamespace(drift=None))
        (model / WEIGHTS).write_bytes(b"other")
        return SimpleNamespace(what="promoted", facts={"p": 0.01}, analysis=SimpleNamespace(drift=None))

    class Back:
        def __init__(self, model: Path) -> None:
            self.model = model

        def locked(self) -> Any:
            return nullcontext()

        def roll_back(self, to: None) -> None:
            (self.model / WEIGHTS).write_bytes(b"first")

    stubs = {"_searched": searched, "improve": promote, "Versions": Back, "_spoil": lambda folder: None}
    for name, stub in stubs.items():
        monkeypatch.setattr(improving, name, stub)
    monkeypatch.setattr(improving, "_accuracy", lambda model, x, y: 0.5)
    monkeypatch.setattr(improving, "_answers", lambda model, x: np.full(len(x), "7"))
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (8_000, 6, 6, 1), dtype=np.uint8), rng.integers(0, 10, 8_000)
    np.savez(tmp_path / "pictures.npz", x_train=x, y_train=y, x_test=x[:300], y_test=y[:300])
    return tmp_path / "pictures.npz"


def test_streams_and_cycles_go_through(stubbed: Path, tmp_path: Path) -> None:
    found = improving.reweighted(asked(tmp_path / "out", what="reweighted", seeds=1, data=stubbed))
    told = found["seeds"]["0"]["found"]
    assert [each["half"] for each in told["shift"]["looks"]] == [0, 0, 1, 1]
    assert [told[stream]["promoted_without_a_shift"] for stream in ("shift", "none")] == [2, 4]
    assert told["none"]["of_these_no_better"] == 4
    found = improving.fashion(asked(tmp_path / "out", what="fashion", seeds=1, data=stubbed, budget="60s"))
    told = found["seeds"]["0"]["found"]
    assert [each["step"] for each in told["steps"]] == ["search", "look", "rollback", "look"]
    assert told["promoted"] == [True, True] and told["steps"][2]["as_it_was"] is True
    assert [set(each["seconds"]) for each in told["steps"] if each["step"] != "rollback"] == [{"processor", "wall"}] * 3
    found = improving.cycles(asked(tmp_path / "out", what="cycles", seeds=1))
    told = found["seeds"]["0"]["found"]
    assert improving.missing(found) == []
    for regression in ("weights", "labels"):
        assert [each["injected"] for each in told[regression]["looks"]] == [False, True, False, False, False]


def test_new_classes_have_shares_where_the_look_came_to_something(
    stubbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any, **words: Any) -> None:
        raise BudgetError("too little")

    found = improving.classes(asked(tmp_path / "some", what="classes", seeds=1))
    assert found["seeds"]["0"]["found"]["share_of_accuracy"] == 1.0
    monkeypatch.setattr(improving, "improve", refuse)
    found = improving.classes(asked(tmp_path / "none", what="classes", seeds=1))
    told = found["seeds"]["0"]["found"]
    assert (told["what"], told["why"], told["improved"]) == ("error", "too little", 0.5)
    assert not {"share_of_accuracy", "share_of_cost"} & told.keys()
