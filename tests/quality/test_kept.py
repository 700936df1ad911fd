"""What benchmarks of tables and tasks keep, refuse and tell."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.quality.scripts import script

tasks, misleading_memory, boosting = (script(name) for name in ("tasks", "misleading_memory", "boosting"))


def test_a_table_is_not_packed_before_all_networks_are_trained(tmp_path: Path) -> None:
    codes = tasks.codes()[:3]
    for name in tasks.TASKS[1:]:
        lines = [json.dumps({"code": code}) for code in codes]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines[: 2 if name == tasks.TASKS[1] else 3]))
    with pytest.raises(SystemExit, match=f"of 3 networks {tasks.TASKS[0]} has 0, {tasks.TASKS[1]} has 2: train"):
        tasks.pack(tmp_path, tmp_path, tmp_path / "results", 3)
    assert not (tmp_path / "results").exists()


def regrets(cold: float | None, warm: float | None) -> dict[str, Any]:
    figures = {"bayesian": cold, "transfer": warm, "portfolio": warm, "random": cold}
    return {name: {"10": {"seen": figure, "held out": figure}} for name, figure in figures.items()}


def test_a_missing_figure_is_none_and_means_have_intervals() -> None:
    found = {"mnist_a": regrets(4.0, 1.0), "mnist_b": regrets(2.0, 1.0), "bhmsds_a": regrets(2.0, 2.0)}
    told = tasks.means(found, 300)["transfer"]["10"]["seen"]
    assert told == {
        "mean": pytest.approx(4 / 3, abs=1e-3), "mean interval": [1.0, 2.0],
        "of cold": 0.5, "of cold interval": [pytest.approx(1 / 3, abs=1e-3), 1.0],
    }  # fmt: skip
    lacking = tasks.means({**found, "bhmsds_b": regrets(2.0, None)}, 50)
    assert lacking["transfer"]["10"]["seen"] == {"mean": None, "of cold": None}
    assert lacking["bayesian"]["10"]["seen"]["of cold"] == 1.0


def test_a_missing_regret_of_a_memory_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {
        "transfer": {
            10.0: SimpleNamespace(regret=None, seen_regret=0.0),
            25.0: SimpleNamespace(regret=1.0, seen_regret=2.0),
        }
    }
    monkeypatch.setattr(misleading_memory, "compare", lambda *given, **words: SimpleNamespace(figures=figures))
    told = misleading_memory.regrets(None, 1, "transfer")
    assert told == {"10": {"held out": None, "seen": 0.0}, "25": {"held out": 1.0, "seen": 2.0}}


def test_runs_beside_boosting_are_kept_those_that_failed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = list[int]()

    def measured(file: Path, words: argparse.Namespace, seed: int, task: Any, x: Any) -> dict[str, Any]:
        seeds.append(seed)
        if seed == 1:
            return {"error": "RuntimeError: lost"}
        sure = np.eye(3)[np.zeros(len(x), int)]
        return {"run": {"judged": 3}, "answers": {"azora": sure.tolist(), "boosting": sure.tolist()}}

    monkeypatch.setattr(boosting, "measured", measured)
    words = argparse.Namespace(seeds=2, budget=1.0, no_boosting=False, work=tmp_path / "work")
    told = boosting.compared("iris", words, tmp_path)
    assert told == boosting.compared("iris", words, tmp_path) and seeds == [0, 1]
    assert told["gain"] == 0.0 and told["failed"] == ["RuntimeError: lost"] and told["at_or_above"] is False
    words.seeds = 1
    assert boosting.compared("iris", words, tmp_path)["at_or_above"] is True
    with pytest.raises(SystemExit, match=r"iris-seed0\.json was made with other budget"):
        boosting.compared("iris", argparse.Namespace(**{**vars(words), "budget": 2.0}), tmp_path)


def test_a_discovery_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lost = SimpleNamespace(returncode=2, stdout="", stderr="first\nazora: there is no time")
    monkeypatch.setattr(boosting.subprocess, "run", lambda *given, **words: lost)
    words = argparse.Namespace(budget=1.0, no_boosting=True)
    task = SimpleNamespace(signature=SimpleNamespace(kind="classification"))
    assert boosting.measured(tmp_path, words, 0, task, None)["error"] == "RuntimeError: azora: there is no time"
