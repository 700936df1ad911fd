"""How long a small table can be learned from before it is learned by heart."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from azora.automl import rehearsal
from azora.automl.rehearsal import useful_epochs
from azora.automl.setting import Setting
from azora.job import Job
from azora.space import Architecture
from azora.tasks import Task

LONGEST = 60.0


def table(share_of_noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose label is the sign of two columns' sum, or chance."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 12)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64)
    chance = rng.random(len(y)) < share_of_noise
    y[chance] = rng.integers(0, 2, int(chance.sum()))
    return x, y


def setting_of(task: object, out: Path) -> Setting:
    return Setting.of(Job.parse(task=task, trials=1, out=out))


def wide(setting: Setting) -> Architecture:
    """A network that can learn a few hundred rows by heart, and nothing against that."""
    held = {"recipe.optimiser": "adamw", "recipe.batch_size": 32, "network.dropout": 0.0}
    held = {name: value for name, value in held.items() if name in setting.space.choices}
    part = setting.space.constrain(lambda found: found["recipe.learning_rate_adamw"] > 3e-3, "quick", **held)
    return part.sample(random.Random(0))


def test_where_labels_are_mostly_chance_a_few_epochs_are_enough(tmp_path: Path) -> None:
    noisy, clear = (setting_of(table(share), tmp_path / str(share)) for share in (0.8, 0.0))
    few = useful_epochs(noisy, wide(noisy), "float32", LONGEST, None)
    assert few < LONGEST / 4
    assert few < useful_epochs(clear, wide(clear), "float32", LONGEST, None)


def test_the_unit_of_one_of_several_numbers_has_no_say(tmp_path: Path) -> None:
    """The first can be learned for long, the second is chance and is learned by heart at once."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 12)).astype(np.float32)
    y = np.stack([x[:, 0] + x[:, 1] * x[:, 2], rng.normal(size=300)], axis=1).astype(np.float32)
    lengths = list[float]()
    for first, second in ((1.0, 1.0), (2.0**17, 1.0), (1.0, 2.0**17)):  # powers of two: nothing is rounded otherwise
        setting = setting_of((x, y * np.float32([first, second])), tmp_path / f"{first}-{second}")
        lengths.append(useful_epochs(setting, wide(setting), "float32", LONGEST, None))
    assert len(set(lengths)) == 1


def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    setting = setting_of(table(0.5), tmp_path / "out")
    first, second = (useful_epochs(setting, wide(setting), "float32", LONGEST, None) for _ in range(2))
    assert first == second


def test_a_clock_that_shows_no_end_of_use_sets_none(tmp_path: Path) -> None:
    setting = setting_of(table(0.8), tmp_path / "out")
    assert useful_epochs(setting, wide(setting), "float32", LONGEST, 0.0) == LONGEST


def test_who_is_to_stop_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "LOOK", 0.0)
    setting, asked = setting_of(table(0.8), tmp_path / "out"), list[bool]()

    def goes_on() -> bool:
        asked.append(True)
        return len(asked) < 3

    assert useful_epochs(setting, wide(setting), "float32", LONGEST, None, goes_on) == LONGEST
    assert len(asked) == 3


def test_pictures_are_not_rehearsed(stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azora.automl.rehearsal.start_training", lambda *args: pytest.fail("trained"))
    setting = setting_of(stripes, tmp_path / "out")
    assert useful_epochs(setting, setting.space.sample(random.Random(0)), "float32", LONGEST, 60.0) == LONGEST
