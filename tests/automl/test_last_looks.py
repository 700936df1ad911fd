"""What ships is looked at once more where it will run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.automl.made import LIMIT, false_file, search

import azora.automl.last_training
import devices
from azora.errors import TargetError, UnsteadyError
from azora.hardware import Measured, Measurement
from azora.space import Architecture
from azora.tasks import Task


def test_a_device_that_goes_away_after_the_last_training_costs_no_network(
    stripes: Task, tmp_path: Path, brief: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = azora.automl.last_training.train_winner
    gone = list[bool]()

    def and_then_it_goes(*words: Any, **more: Any) -> Any:
        gone.append(True)
        return train(*words, **more)

    measure = devices.Counted.measure

    def lost(self: devices.Counted, deployable: Any, seconds: float = 0.1) -> Measured:
        if gone:
            raise TargetError("no device is connected")
        return measure(self, deployable, seconds)

    monkeypatch.setattr("azora.automl.last_training.train_winner", and_then_it_goes)
    monkeypatch.setattr(devices.Counted, "measure", lost)
    result = search(stripes, tmp_path / "out", limits=[LIMIT])
    assert "latency_ms" not in result.target
    assert (tmp_path / "out" / "model").is_dir()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], list[Architecture]]:
    """What `devices.Counted` says of the first network that is trained, one look after another: milliseconds, or an
    error. Of others, and when all of it is said, it says what it always does. And what is trained."""
    said, trained = list[Any](), list[Architecture]()
    train, measure = azora.automl.last_training.train_winner, devices.Counted.measure

    def trains(setting: Any, architecture: Architecture, *words: Any, **more: Any) -> Any:
        trained.append(architecture)
        return train(setting, architecture, *words, **more)

    def measures(self: devices.Counted, deployable: Any, seconds: float = 0.1) -> Measured:
        found = measure(self, deployable, seconds)
        if len(trained) != 1 or not said:
            return found
        look = said.pop(0)
        if isinstance(look, TargetError):
            raise look
        return replace(found, latency=Measurement(look))

    monkeypatch.setattr("azora.automl.last_training.train_winner", trains)
    monkeypatch.setattr(devices.Counted, "measure", measures)
    return said, trained


UNSTEADY, GONE = UnsteadyError("it varies by 40%"), TargetError("no device is connected")


@pytest.mark.parametrize(
    "found", [[3.0, UNSTEADY, UNSTEADY], [UNSTEADY, 3.0, UNSTEADY], [UNSTEADY, UNSTEADY, UNSTEADY], [3.0, GONE]]
)
def test_what_is_known_to_be_beyond_or_has_no_steady_time_does_not_ship(
    found: list[Any], looks: tuple[list[Any], list[Architecture]], brief: None, stripes: Task, tmp_path: Path
) -> None:
    file, (said, trained) = false_file(stripes, tmp_path / "f.target.json", devices.Counted(), factor=1.0), looks
    said.extend(found)
    result = search(stripes, tmp_path / "out", target=str(file), limits=[LIMIT], trials=4)
    assert not said, "it was looked at as often as that"
    assert result.target["latency_ms"] <= 2.0
    assert result.key == trained[1].key != trained[0].key


def test_a_look_that_was_not_steady_is_no_look(
    looks: tuple[list[Any], list[Architecture]], brief: None, stripes: Task, tmp_path: Path
) -> None:
    file, (said, trained) = false_file(stripes, tmp_path / "f.target.json", devices.Counted(), factor=1.0), looks
    said.extend([UNSTEADY, 1.9])
    result = search(stripes, tmp_path / "out", target=str(file), limits=[LIMIT], trials=4)
    assert (result.target["latency_ms"], [each.key for each in trained]) == (1.9, [result.key])
