"""Other studies shown beside one."""

from __future__ import annotations

from pathlib import Path

import pytest

from azora.automl.beside import bands, read_progress
from azora.errors import ConfigError, StudyError
from azora.study import SqlJournal, Study
from azora.testing.strategy_contract import tiny_space
from azora.trial import Objective, Proposal, Report

ACCURACY = Objective("accuracy")


def study(folder: Path, scores: list[float | None], strategy: str = "random", task: str = "d") -> Path:
    import random

    folder.mkdir()
    space, rng = tiny_space(), random.Random(0)
    made = Study(SqlJournal(folder / "study.db"), space)
    made.create({"strategy": strategy, "task": task})
    for score in scores:
        number = made.asked(Proposal(space.sample(rng), 1.0))
        made.told(number, Report(error="no") if score is None else Report({"accuracy": score}))
    made.close()
    return folder


def test_what_rose_is_kept_in_either_direction(tmp_path: Path) -> None:
    out = study(tmp_path / "a", [0.5, None, 0.4, 0.7, 0.7, 0.6])
    assert [score for _, score in read_progress(out, ACCURACY).points] == [0.5, 0.7]
    assert [score for _, score in read_progress(out, Objective("accuracy", maximise=False)).points] == [0.5, 0.4]


def test_studies_of_one_strategy_are_one_band(tmp_path: Path) -> None:
    outs = [study(tmp_path / str(number), [0.1 * number, 0.2 * number]) for number in (1, 2, 3)]
    outs.append(study(tmp_path / "other", [0.9], "evolution"))
    first, second = bands(outs, ACCURACY, "d")
    assert (first["name"], second["name"]) == ("random, 3 studies", "evolution, 1 study")
    assert (first["low"][-1], first["middle"][-1], first["high"][-1]) == pytest.approx((0.2, 0.4, 0.6))
    assert first["at"] == sorted(first["at"])
    assert second["middle"] == [0.9]


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"holds no study: there is no study\.db in it"):
        bands([tmp_path], ACCURACY, "d")
    with pytest.raises(ConfigError, match="holds a study of d; only those of e can be shown"):
        bands([study(tmp_path / "a", [0.5])], ACCURACY, "e")
    with pytest.raises(StudyError, match="has no network that was judged by accuracy"):
        bands([study(tmp_path / "b", [None])], ACCURACY, "d")
