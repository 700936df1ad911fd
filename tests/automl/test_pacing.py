"""What a later session makes of the speed that the first one measured."""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path

import pytest

from azora.automl.pace import Pace, sampled_epochs
from azora.automl.pacing import Pacing
from azora.automl.setting import Setting
from azora.job import Job
from azora.loop import MEASURED
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
    study = Study(MemoryJournal(), setting.space, started=time.monotonic() - 40.0)  # of 60 s before the last training
    pace = {"layer": 0.0, "mac": 1e-9, "value": 0.0}
    phases = {"sharing": 27.0, "inheriting": 9.0}
    study.measured({"precision": "float32", "pace": pace, "ceiling": 1.0, "first": 1.0, "phases": phases})
    pacing = Pacing(setting, study, setting.space)
    pacing.measure("float32")
    assert pacing.phases == pytest.approx(
        {"sharing": 9.0, "inheriting": 3.0}, abs=0.2
    )  # and 8 s to train what they chose
