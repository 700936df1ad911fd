"""A predictor's file is made within its time, and tells what of it is not checked."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from tests.hardware.made import Clock, Leaving, Slow

import devices
from azora.cli.main import main
from azora.errors import TargetError
from azora.hardware import Deployable, Measured, Measuring
from azora.hardware.build import LONGEST, MOST_FAILURES
from azora.hardware.making import CHECKING, make_target_file, transfer_target_file
from azora.hardware.measurement import SECONDS
from azora.hardware.predictor import QUICK, REGRESSORS, Regressor


def test_a_file_is_made_within_its_time(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("azora.hardware.making.find_target", lambda spec: Slow(clock))
    monkeypatch.setattr("azora.hardware.predictor.REGRESSORS", {"layers": Regressor("layers")})
    _, made = make_target_file(
        "slow", "digits", "nb201", {"width": 4, "depth": 1}, measurements=90, check=90, seconds=60.0,
        out=tmp_path / "a.target.json",
    )  # fmt: skip
    assert len(made.predictor.rows) == (1 - CHECKING) * 60
    assert made.facts["validation"]["networks"] == CHECKING * 60 // 2
    assert made.facts["seconds"] <= 60


class Patient(devices.Counted):
    """Half a second of a clock to make a network, and then as many as its answers are to take."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.asked = clock, list[float]()

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        self.clock.now += 0.5 + seconds
        self.asked.append(seconds)
        return super().measure(deployable)


@pytest.mark.parametrize(("check", "answers"), [(4, LONGEST), (15, 0.76), (40, SECONDS)])
def test_what_is_left_of_the_time_goes_into_longer_measurements_and_is_never_exceeded(
    check: int, answers: float, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = Patient(clock)
    monkeypatch.setattr("azora.hardware.making.find_target", lambda spec: target)
    monkeypatch.setattr("azora.hardware.predictor.REGRESSORS", {QUICK: REGRESSORS[QUICK]})
    _, made = make_target_file(
        "patient", "digits", "nb201", {"width": 4, "depth": 1}, measurements=20, check=check, seconds=100.0,
        out=tmp_path / "a.target.json",
    )  # fmt: skip
    assert target.asked[0] == SECONDS and target.asked[10] == pytest.approx(answers, abs=0.01)
    assert min(target.asked[1:]) >= SECONDS and made.facts["seconds"] <= 100.0
    assert made.facts["validation"]["networks"] == check


def test_what_was_not_checked_says_so_and_what_measured_is_let_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed, close = list[bool](), Measuring.close

    def closes(self: Measuring) -> None:
        closed.append(True)
        close(self)

    monkeypatch.setattr(Measuring, "close", closes)
    monkeypatch.setattr("azora.hardware.predictor.REGRESSORS", {"layers": Regressor("layers")})
    words: tuple[str, str, dict[str, int]] = ("digits", "nb201", {"width": 4, "depth": 1})
    file = tmp_path / "a.target.json"
    _, made = make_target_file("devices:Counted", *words, measurements=8, check=0, out=file)
    assert made.facts["validation"] is None and json.loads(file.read_text())["validation"] is None
    closed.clear()
    with pytest.raises(TargetError, match="no memory for"):
        make_target_file("devices:Picky:every=0", *words, measurements=8, out=file)
    assert closed


class Away(devices.Counted):
    """Cannot measure from one call to another.

    Args:
        first, last: the numbers of these calls.
    """

    def __init__(self, first: int, last: float) -> None:
        self.first, self.last, self.calls = first, last, 0

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        self.calls += 1
        if self.first <= self.calls <= self.last:
            raise TargetError(f"call {self.calls}: no answer")
        return super().measure(deployable)


@pytest.mark.parametrize(
    ("last", "networks", "unchecked"),
    [(11, 3, None), (math.inf, None, "call 11: no answer")],
)
def test_what_was_measured_is_kept_where_networks_not_seen_cannot_be(
    last: float,
    networks: int | None,
    unchecked: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    target = Away(9, last)  # of eight measured networks, each in one call, the next are not seen
    monkeypatch.setattr("azora.hardware.making.find_target", lambda spec: target)
    monkeypatch.setattr("azora.hardware.predictor.REGRESSORS", {"layers": Regressor("layers")})
    file = tmp_path / "a.target.json"
    _, made = make_target_file(
        "leaving", "digits", "nb201", {"width": 4, "depth": 1}, measurements=8, check=6, out=file
    )
    told = json.loads(file.read_text(encoding="utf-8"))
    assert len(told["measured"]) == len(made.predictor.rows) == 8
    assert (told["validation"] and told["validation"]["networks"]) == networks
    assert len(told["skipped"]) == 3 and told.get("unchecked") == unchecked
    assert main(["target", "show", str(file)]) == 0


def test_what_was_measured_before_the_device_went_away_is_written_and_not_checked(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Leaving(clock, 9, stays=False)
    monkeypatch.setattr("azora.hardware.making.find_target", lambda spec: target)
    monkeypatch.setattr("azora.hardware.predictor.REGRESSORS", {"layers": Regressor("layers")})
    file, words = tmp_path / "a.target.json", ("digits", "nb201", {"width": 4, "depth": 1})
    make_target_file("leaving", *words, measurements=20, check=6, out=file)
    told = json.loads(file.read_text(encoding="utf-8"))
    assert len(told["measured"]) == 9 and target.given == 9 + MOST_FAILURES + 1
    assert told["ended"] == told["unchecked"] == "no device is connected"
    target.networks = target.given + 4
    _, made = transfer_target_file([file], "leaving", measurements=9, check=6, out=tmp_path / "b.target.json")
    assert (len(made.predictor.rows), made.facts["ended"]) == (4, "no device is connected")
    capsys.readouterr()
    assert main(["target", "show", str(file)]) == 0
    assert "ended early       no device is connected" in capsys.readouterr().out


class Varied(devices.Counted):
    """Its first runs of every network vary; the networks of these calls it cannot run."""

    def __init__(self, *lost: int) -> None:
        self.lost, self.calls = lost, 0

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        self.calls += 1
        if self.calls in self.lost:
            raise TargetError(f"call {self.calls}: no operator")
        return Measured(replace(super().measure(deployable).latency, repeated=True), 500)


def test_what_was_left_out_and_run_again_is_told_of_the_check_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = Varied(10)  # the second of those that check it
    monkeypatch.setattr("azora.hardware.making.find_target", lambda spec: target)
    monkeypatch.setattr("azora.hardware.predictor.REGRESSORS", {"layers": Regressor("layers")})
    file, words = tmp_path / "a.target.json", ("digits", "nb201", {"width": 4, "depth": 1})
    _, made = make_target_file("varied", *words, measurements=8, check=4, out=file)
    assert (made.facts["skipped"], made.facts["repeated"]) == (["call 10: no operator"], 8 + 3)
    target.lost = (target.calls + 2, target.calls + 8)
    _, made = transfer_target_file([file], "varied", measurements=5, check=4, out=tmp_path / "b.target.json")
    assert (len(made.facts["skipped"]), made.facts["repeated"]) == (2, 4 + 3)
