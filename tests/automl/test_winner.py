"""The last training: put down and taken up, hurried, and how many take part."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from azora.automl import winner
from azora.automl.setting import Setting
from azora.automl.winner import Winner, train_winner
from azora.evaluation.checkpoints import Checkpoints
from azora.evaluation.trained import Trained
from azora.job import Job
from azora.space import Architecture
from azora.tasks import Task
from azora.training import Training
from azora.trial import Proposal

SPACE: dict[str, Any] = {"space": "cells", "space_settings": {"widths": [8], "depths": [1], "stages": 2}}


class Killed(BaseException):
    """Stands for a process that ends."""


@pytest.fixture
def setting(stripes: Task, tmp_path: Path) -> Setting:
    return Setting.of(Job.parse(task=stripes, trials=1, workers=1, out=tmp_path / "out", recipe=False, **SPACE))


@pytest.fixture
def architecture(setting: Setting) -> Architecture:
    return setting.space.sample(random.Random(3))


def trained(setting: Setting, architecture: Architecture, folder: Path, watch: Any = lambda *seen: True) -> Winner:
    return train_winner(setting, architecture, folder, folder, seconds=None, precision="float32", watch=watch)


def close(one: Winner, other: Winner) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(torch.allclose(mine.float(), its.float(), atol=1e-4) for mine, its in pairs)


def test_what_was_killed_goes_on_and_comes_to_the_same(
    setting: Setting, architecture: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(setting, architecture, tmp_path / "whole")
    monkeypatch.setattr(winner, "EVERY", 0.0)
    seen = list[float]()

    def kills(progress: float, loss: float) -> bool:
        seen.append(progress)
        raise Killed

    with pytest.raises(Killed):
        trained(setting, architecture, tmp_path / "killed", kills)
    assert 0 < seen[0] < 1
    went_on = list[float]()

    def watch(progress: float, loss: float) -> bool:
        went_on.append(progress)
        return True

    again = trained(setting, architecture, tmp_path / "killed", watch)
    assert again.epochs == whole.epochs == 40.0
    assert all(progress > seen[0] for progress in went_on)
    assert close(again, whole)


def test_a_short_training_is_put_down_in_every_tenth_of_its_time(
    setting: Setting, architecture: Architecture, tmp_path: Path
) -> None:
    def kills(progress: float, loss: float) -> bool:
        if progress > 0.5:
            raise Killed
        return True

    words: dict[str, Any] = {"seconds": 3.0, "precision": "float32"}
    with pytest.raises(Killed):
        train_winner(setting, architecture, tmp_path, tmp_path, **words, watch=kills)
    state = Checkpoints(tmp_path / winner.KEPT).load(architecture)
    assert state is not None and 0 < float(state["done"]) < 1


def test_what_was_over_is_not_trained_again(
    setting: Setting, architecture: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trained(setting, architecture, tmp_path)

    def refuse(*some: Any) -> None:
        raise AssertionError("a step")

    monkeypatch.setattr(Training, "_step", refuse)
    assert close(trained(setting, architecture, tmp_path), first)


def test_who_is_in_a_hurry_gets_what_the_search_had_trained(
    setting: Setting, architecture: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = Trained(setting.space, setting.data, tmp_path, setting.job.seed, precision="float32")
    evaluate(Proposal(architecture, 12.0))
    # A rehearsal that found an end begins anew.
    monkeypatch.setattr(winner, "useful_epochs", lambda *words: 6.0)
    slow = Training._step

    def one_step(self: Training, rate: float) -> torch.Tensor:
        time.sleep(0.6)  # longer than a training goes on without being asked
        return slow(self, rate)

    monkeypatch.setattr(Training, "_step", one_step)
    hurried = trained(setting, architecture, tmp_path, lambda *seen: False)
    state = Checkpoints(tmp_path).load(architecture)
    assert state is not None
    for name, value in hurried.network.named_parameters():
        torch.testing.assert_close(value, state[f"average.{name}"])


def test_what_was_cut_short_is_no_whole_training_to_a_later_session(
    setting: Setting, architecture: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends it, and what is written after it is killed."""
    monkeypatch.setattr(winner, "EVERY", 0.0)
    slow = Training._step

    def steps(self: Training, rate: float) -> torch.Tensor:
        time.sleep(0.05)  # so that it is asked before its end
        return slow(self, rate)

    monkeypatch.setattr(Training, "_step", steps)
    cut = trained(setting, architecture, tmp_path, lambda *seen: False)
    assert cut.epochs < 40.0
    monkeypatch.setattr(Training, "_step", slow)
    assert trained(setting, architecture, tmp_path).epochs == 40.0
