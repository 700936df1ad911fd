"""What a later session makes of the speed that the first one measured."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azora.automl.pace import Pace, sampled_epochs
from azora.automl.pacing import Pacing
from azora.automl.setting import Setting
from azora.errors import BudgetError
from azora.job import Job
from azora.loop import MEASURED
from azora.methods.phases import of_networks
from azora.study import MemoryJournal, Study
from azora.tasks import Task
from azora.trial import Proposal, Report


@pytest.fixture
def setting(stripes: Task, tmp_path: Path) -> Setting:
    return Setting.of(Job.parse(task=stripes, budget="60s", out=tmp_path / "out"))


def test_what_was_chosen_before_trainings_were_seen_is_in_the_space_of_a_later_session(setting: Setting) -> None:
    rng = random.Random(0)
    journal = MemoryJournal()
    first = Study(journal, setting.space)
    # The median network's epoch takes as long as it may, as predicted; trainings will take three times as long.
    pace = {"layer": 0.0, "mac": 1e-9, "value": 0.0}
    median = statistics.median(sampled_epochs(setting.space, Pace.from_json(pace), setting.data))
    first.measured({"precision": "float32", "pace": pace, "ceiling": median, "first": 1.0})
    pacing = Pacing(setting, first, setting.space)
    pacing.measure("float32")
    space = pacing.space()
    chosen = max((space.sample(rng) for _ in range(20)), key=pacing.rule.predicted)  # type: ignore[union-attr]
    for _ in range(MEASURED):
        architecture = space.sample(rng)
        report = Report({"accuracy": 0.5, "epoch_seconds": 3 * pacing.rule.predicted(architecture)})  # type: ignore[union-attr]
        first.told(first.asked(Proposal(architecture, 1.0)), report)
    pacing.correct()
    assert space.valid(dict(chosen)) is None

    later = Pacing(setting, Study(journal, setting.space), setting.space)
    later.measure("float32")
    again = later.space()
    assert again.parse(chosen.to_json()) == chosen
    later.correct()
    assert again.valid(dict(chosen)) is None


def test_the_start_of_a_later_session_is_taken_from_all_that_is_left_of_a_method(stripes: Task, tmp_path: Path) -> None:
    setting = Setting.of(Job.parse(task=stripes, budget="100s", strategy="spos", out=tmp_path / "out"))
    setting = replace(setting, writing=0.0)  # whatever other tests took
    study = Study(MemoryJournal(), setting.space, started=time.monotonic() - 40.0)  # of 60 s before the last training
    pace = {"layer": 0.0, "mac": 1e-9, "value": 0.0}
    phases = {"sharing": 27.0, "inheriting": 9.0}
    study.measured({"precision": "float32", "pace": pace, "ceiling": 1.0, "first": 1.0, "phases": phases})
    pacing = Pacing(setting, study, setting.space)
    pacing.measure("float32")
    assert pacing.phases == pytest.approx(
        {"sharing": 9.0, "inheriting": 3.0}, abs=0.2
    )  # and 8 s to train what they chose


def test_however_slow_the_machine_networks_by_the_usual_recipe_are_left_to_a_method(tmp_path: Path) -> None:
    """Steps alone take time here: only other recipes, of larger batches, are among the quickest of all."""
    few: dict[str, Any] = {"nodes": 2, "widths": [8, 16]}
    words: dict[str, Any] = {"task": "digits", "strategy": "spos", "space_settings": few}
    setting = Setting.of(Job.parse(budget="100s", out=tmp_path / "out", **words))
    study = Study(MemoryJournal(), setting.space)
    pace = {"layer": 1e-3, "mac": 0.0, "value": 0.0}
    study.measured({"precision": "float32", "pace": pace, "ceiling": 1e-6, "first": 1.0, "phases": {}})
    pacing = Pacing(setting, study, setting.space)
    pacing.measure("float32")
    networks = of_networks(pacing.space())
    assert all(networks.sample(random.Random(seed)) for seed in range(20))


@pytest.mark.parametrize(
    ("words", "cores", "networks", "parts", "trees"),
    [
        ({}, 1, 1, 1.0, 3.0),  # and the trees that stand are grown to be weighed
        ({"workers": 4}, 4, 1, 2.4, 3.0),  # four processes are not four times as fast
        ({"reference": True}, 1, 2, 1.0, 3.0),
        ({"ensemble": 3}, 1, 3, 1.0, 10.0),  # and trees are grown twice
    ],
)
def test_the_reserve_is_what_all_last_trainings_are_of_use_for(
    words: dict[str, Any], cores: int, networks: int, parts: float, trees: float, slopes: Task, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("azora.automl.winner.usable_cores", lambda: cores)
    setting = Setting.of(Job.parse(task=slopes, budget="1h", out=tmp_path / "out", **{"workers": 1, **words}))
    study = Study(MemoryJournal(), setting.space)
    pacing = Pacing(setting, study, setting.space)
    assert setting.until is not None and pacing.reserve() == 0.4 * setting.until
    tried = [{"growth": {"leaves": leaves}, "seconds": seconds} for leaves, seconds in ((31, 2.0), (8, 3.0))]
    study.boost({"candidate": True, "seconds": 5.0, "growth": {"leaves": 8}, "tried": tried})
    large = next(
        each for each in map(setting.space.sample, map(random.Random, range(99))) if each["recipe.batch_size"] >= 64
    )
    study.told(study.asked(Proposal(large, 1.0)), Report({"r2": 0.5, "epoch_seconds": 0.3}))
    rows = 1 + len(setting.data.validation) / len(setting.data.train)
    assert pacing.reserve() == pytest.approx(networks * 200 * rows * 0.3 / parts + trees)


def test_a_method_that_began_without_a_clock_has_phases_once_there_is_one(stripes: Task, tmp_path: Path) -> None:
    setting = Setting.of(Job.parse(task=stripes, budget="100s", strategy="spos", out=tmp_path / "out"))
    setting = replace(setting, writing=0.0)
    study = Study(MemoryJournal(), setting.space)
    study.measured({"precision": "float32", "pace": None, "ceiling": None, "first": 1.0})  # with `trials` alone
    pacing = Pacing(setting, study, setting.space)
    pacing.measure("float32")
    assert setting.method is not None
    shares = setting.method.shares()
    assert pacing.phases == pytest.approx({name: 60.0 * share for name, share in shares.items()}, abs=0.5)
    assert study.measures["phases"].keys() == shares.keys() and study.measures["first"] == 1.0


def test_what_is_refused_for_its_budget_leaves_no_measures(stripes: Task, tmp_path: Path) -> None:
    """Or a later session with a longer one would keep the ceiling of this."""
    setting = Setting.of(Job.parse(task=stripes, budget="1s", out=tmp_path / "out"))
    study = Study(MemoryJournal(), setting.space, started=time.monotonic() - 60.0)
    with pytest.raises(BudgetError, match="too short for one training"):
        Pacing(setting, study, setting.space).measure("float32")
    assert not study.measures
