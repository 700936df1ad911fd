"""Networks are chosen, measured until the time is over, fitted, and checked on others."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import devices
from azora.cli.main import main
from azora.errors import TargetError
from azora.hardware import (
    Deployable,
    Measured,
    Measurement,
    Measuring,
    Predictor,
    Target,
    build_predictor,
    find_target,
    validate,
)
from azora.hardware.build import FIRST, LONGEST, MOST_FAILURES, STEPS, _doubtful, agreement
from azora.hardware.choosing import draw_distinct
from azora.hardware.making import CHECKING, make_target_file, transfer_target_file
from azora.hardware.measurement import SECONDS
from azora.hardware.predictor import FEWEST, QUICK, REGRESSORS, Regressor
from azora.networks.complexity import cost
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.space import Architecture, Space
from azora.tasks import Signature, from_arrays
from azora.tasks.tables import Column, Table


class Clock:
    """Time that passes when a network is measured."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Slow(devices.Counted):
    """Every network takes a second of a clock, and is never the same twice."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.rng = clock, random.Random(0)

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        self.clock.now += 1.0
        found = super().measure(deployable)
        return Measured(Measurement(found.latency.median * self.rng.uniform(0.9, 1.1)), found.bytes)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("azora.hardware.build.time", made)
    monkeypatch.setattr("azora.hardware.making.time", made)
    return made


class Constant(devices.Counted):
    """A program that prints the same whatever it is given."""

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        return Measured(Measurement(2.0))


def parameters_of(space: Space, architecture: Architecture) -> int:
    return cost(space, architecture)["params"]


def drawn(space: Space, count: int, seed: int = 0) -> list[Architecture]:
    return draw_distinct(space, count, random.Random(seed))


def test_without_an_end_all_are_measured(space: Space) -> None:
    seen: list[tuple[str, int, int]] = []
    measuring = Measuring(devices.Counted(), space)
    rows = measuring(drawn(space, 9), "measuring", lambda *told: seen.append(told))
    assert [architecture for architecture, _ in rows] == drawn(space, 9)
    assert rows == measuring.rows
    assert seen == [("measuring", done, 9) for done in range(1, 10)]
    assert not measuring.over and not measuring.failures


def test_when_the_time_is_over_the_fewest_are_measured_all_the_same(space: Space) -> None:
    measuring = Measuring(devices.Counted(), space, seconds=0.0)
    assert len(measuring(drawn(space, 30), "measuring")) == FEWEST
    assert measuring.over
    assert not measuring(drawn(space, 30, 1), "measuring")


def test_measuring_stops_in_time(space: Space, clock: Clock) -> None:
    measuring = Measuring(Slow(clock), space, seconds=20.0)
    assert len(measuring(drawn(space, 40), "measuring", share=0.5)) == 10
    assert not measuring.over
    assert len(measuring(drawn(space, 40, 1), "measuring")) == 10
    assert measuring.over


def test_a_predictor_is_built_of_what_the_time_allows(space: Space, clock: Clock) -> None:
    measuring = Measuring(Slow(clock), space, seconds=14.0)
    assert len(build_predictor(measuring, 20, brief=True).rows) == 14
    assert len(build_predictor(Measuring(Slow(clock), space, seconds=2.0), 20, brief=True).rows) == FEWEST


def test_a_network_that_cannot_be_run_is_left_out_and_told(space: Space) -> None:
    target = devices.Picky()
    measuring = Measuring(target, space)
    found = measuring(drawn(space, 20), "measuring")
    assert 0 < len(found) < 20
    assert len(found) + len(measuring.failures) == 20
    assert all("no memory for" in each for each in measuring.failures)


def test_a_target_that_runs_none_is_told_at_once(space: Space) -> None:
    target = devices.Picky(every=0)
    with pytest.raises(TargetError, match="no memory for"):
        Measuring(target, space)(drawn(space, 30), "measuring")
    assert len(target.given) == MOST_FAILURES


def test_what_cannot_be_run_is_not_tried_again_and_others_take_its_place(space: Space) -> None:
    measuring = Measuring(devices.Picky(), space)
    predictor = build_predictor(measuring, 30, brief=True)
    assert measuring.tried == 30
    assert FEWEST <= len(predictor.rows) < 30
    keys = [tuple(architecture.items()) for architecture, _ in predictor.rows]
    assert len(set(keys)) == len(keys)


def test_too_few_that_can_be_run_are_told_with_the_reason(space: Space) -> None:
    with pytest.raises(TargetError, match=rf"Picky.*: \d networks could be measured, {FEWEST} at least .*no memory"):
        build_predictor(Measuring(devices.Picky(every=1000), space), 10, brief=True)


class Leaving(Slow):
    """Runs so many networks, and then each takes a second to fail: without `stays` those that were run as well."""

    def __init__(self, clock: Clock, networks: int, *, stays: bool) -> None:
        super().__init__(clock)
        self.networks, self.stays, self.given, self.ran = networks, stays, 0, set[Architecture | None]()

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        self.given += 1
        found = super().measure(deployable)
        if self.given > self.networks and not (self.stays and deployable.architecture in self.ran):
            raise TargetError("no device is connected")
        self.ran.add(deployable.architecture)
        return found


def test_a_target_that_goes_away_is_given_up(space: Space, clock: Clock) -> None:
    target = Leaving(clock, 3, stays=False)
    with pytest.raises(TargetError, match=r"^no device is connected"):
        build_predictor(Measuring(target, space), 60, brief=True)
    assert target.given == 3 + MOST_FAILURES + 1


@pytest.mark.parametrize("networks", [FEWEST, 11])
def test_what_a_target_measured_before_it_went_away_is_fitted_to(networks: int, space: Space, clock: Clock) -> None:
    measuring = Measuring(Leaving(clock, networks, stays=False), space)
    predictor = build_predictor(measuring, 60, brief=True)
    assert len(predictor.rows) == networks and measuring.ended == "no device is connected"


def test_the_time_ends_the_measuring_where_others_fail(space: Space, clock: Clock) -> None:
    target = Leaving(clock, 3, stays=True)
    with pytest.raises(TargetError, match=rf"3 networks could be measured, {FEWEST} at least .*no device is connected"):
        build_predictor(Measuring(target, space, seconds=2.0), 60, brief=True)
    assert target.given == 3 + MOST_FAILURES + 1


def test_more_is_measured_where_too_few_of_the_first_could_be_run(space: Space) -> None:
    measuring = Measuring(devices.Picky(every=4), space)
    predictor = build_predictor(measuring, 60, brief=True)
    assert len(predictor.rows) >= FEWEST
    assert measuring.tried <= 60


def test_weights_do_not_hang_on_what_was_measured_before_and_no_draw_of_the_searchs_is_taken(space: Space) -> None:
    sums: list[float] = []

    class Noting(devices.Counted):
        def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
            sums.append(sum(float(each.detach().sum()) for each in deployable.network.parameters()))
            return super().measure(deployable)

    state = torch.get_rng_state()
    measuring, (one, *_, other) = Measuring(Noting(), space), sorted(drawn(space, 9), key=partial(parameters_of, space))
    measuring([one, other, one], "measuring")
    assert sums[0] == sums[2] != sums[1]
    assert torch.get_rng_state().equal(state)


def test_the_doubtful_are_chosen(space: Space) -> None:
    pool = drawn(space, 20)

    class Unsure:
        def predict(self, architectures: Sequence[Architecture]) -> tuple[np.ndarray, np.ndarray]:
            doubts = np.array([pool.index(each) % 10 for each in architectures], dtype=float)
            return np.ones(len(doubts)), doubts

    measuring = Measuring(devices.Counted(), space)
    measuring([pool[9], pool[18]], "measuring")
    left = measuring.untried(pool)
    assert [pool.index(each) for each in _doubtful(Unsure(), left)][:4] == [19, 8, 7, 17]  # type: ignore[arg-type]
    assert _doubtful(Unsure(), []) == []  # type: ignore[arg-type]


def test_after_the_first_networks_come_those_about_which_most_is_in_doubt(space: Space) -> None:
    predictor = build_predictor(Measuring(devices.Roofline(), space), 20, brief=True)
    given = [architecture for architecture, _ in predictor.rows]
    assert len(given) == 20
    first, step = round(FIRST * 20), (20 - round(FIRST * 20)) // STEPS
    unsure = Predictor(space, predictor.rows[:first], QUICK)
    chosen, usual = (unsure.predict(each)[1] for each in (given[first : first + step], drawn(space, 40, 7)))
    assert chosen.min() > np.median(usual)


def test_a_perfect_device_agrees_with_itself_and_its_predictor(space: Space) -> None:
    measuring = Measuring(devices.Roofline(), space)
    predictor = build_predictor(measuring, 30, brief=True)
    seen: list[str] = []
    found = validate(measuring, predictor, 12, seen=lambda step, done, of: seen.append(step))
    assert found is not None
    assert found.networks == 12
    assert (found.again_spearman, found.again_within, found.again_error) == pytest.approx((1.0, 1.0, 0.0))
    assert found.spearman > 0.95 and found.within > 0.8 and 0 < found.error < 0.1
    assert seen == 12 * ["validating"] + 12 * ["measuring again"]
    assert found.to_json().keys() == {
        "networks", "spearman", "within", "error", "again_spearman", "again_within", "again_error",
    }  # fmt: skip


def test_networks_that_were_fitted_to_do_not_validate(space: Space) -> None:
    measuring = Measuring(devices.Counted(), space)
    predictor = build_predictor(measuring, 10, brief=True)
    fitted = {tuple(architecture.items()) for architecture, _ in predictor.rows}
    validate(measuring, predictor, 20)
    checked = {tuple(architecture.items()) for architecture, _ in measuring.rows[10:]}
    assert len(checked) == 20 and not checked & fitted


def test_a_device_that_is_not_sure_of_itself_is_told(space: Space, clock: Clock) -> None:
    measuring = Measuring(Slow(clock), space)
    found = validate(measuring, build_predictor(measuring, 20, brief=True), 12)
    assert found is not None
    assert 0.01 < found.again_error < 0.2
    assert found.again_spearman < 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_networks_say_nothing(count: int, space: Space) -> None:
    measuring = Measuring(devices.Counted(), space)
    assert validate(measuring, build_predictor(measuring, 8, brief=True), count) is None


def test_in_little_time_fewer_are_validated_but_each_twice(space: Space, clock: Clock) -> None:
    predictor = build_predictor(Measuring(devices.Counted(), space), 8, brief=True)
    found = validate(Measuring(Slow(clock), space, seconds=12.0, fewest=0), predictor, 50)
    assert found is not None
    assert found.networks == 6


class Keeping(Slow):
    """A second for a new network; a tenth of it for one whose file is there."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.kept = set[Architecture | None]()

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        begun, known = self.clock.now, deployable.architecture in self.kept
        found = super().measure(deployable)
        self.kept.add(deployable.architecture)
        self.clock.now = begun + (0.1 if known else 1.0)
        return found


def test_what_kept_files_leave_of_the_time_goes_to_more_networks(space: Space, clock: Clock) -> None:
    predictor = build_predictor(Measuring(devices.Counted(), space), 8, brief=True)
    begun = clock.now
    found = validate(Measuring(Keeping(clock), space, seconds=22.0, fewest=0, each=0.1), predictor, 50)
    assert found is not None
    assert 17 <= found.networks <= 20  # eleven in half of the time, and then in half of what is left, and so on
    assert clock.now - begun <= 22.0


class LeavingLater(Leaving):
    """Does so with files that are kept: another answer of a network takes a tenth of a second."""

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        begun, known = self.clock.now, deployable.architecture in self.ran
        try:
            return super().measure(deployable)
        finally:
            self.clock.now = begun + (0.1 if known else 1.0)


@pytest.mark.parametrize(("calls", "twice"), [(11 + 2, 0), (11 + 3, 3), (11 + 11, 11)])
def test_what_was_measured_twice_before_the_device_went_away_validates(
    calls: int, twice: int, space: Space, clock: Clock
) -> None:
    """Eleven networks in half of the time, then these again, then others."""
    predictor = build_predictor(Measuring(devices.Counted(), space), 8, brief=True)
    measuring = Measuring(LeavingLater(clock, calls, stays=False), space, seconds=22.0, fewest=0, each=0.1)
    if not twice:
        with pytest.raises(TargetError, match="no device is connected"):
            validate(measuring, predictor, 50)
        return
    found = validate(measuring, predictor, 50)
    assert found is not None and found.networks == twice
    assert measuring.ended == "no device is connected"


def test_without_time_nothing_is_measured_to_validate(space: Space) -> None:
    predictor = build_predictor(Measuring(devices.Counted(), space), 8, brief=True)
    target = devices.Picky(every=1)
    assert validate(Measuring(target, space, seconds=-1.0, fewest=0), predictor, 20) is None
    assert not target.given


def test_a_device_that_always_says_the_same_is_no_fault_of_ours(space: Space) -> None:
    measuring = Measuring(Constant(), space)
    found = validate(measuring, build_predictor(measuring, 10, brief=True), 5)
    assert found is not None
    assert all(np.isfinite(list(found.to_json().values())))
    assert (found.spearman, found.within, found.again_error) == (0.0, 1.0, 0.0)


def test_a_network_that_cannot_be_measured_again_is_not_taken_for_another(space: Space) -> None:
    class Once(devices.Roofline):
        """Has no answer for the third network of the second round."""

        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
            self.calls += 1
            if self.calls == 6 + 3:
                raise TargetError("lost")
            return super().measure(deployable)

    predictor = build_predictor(Measuring(devices.Roofline(), space), 12, brief=True)
    found = validate(Measuring(Once(), space), predictor, 6)
    assert found is not None
    assert (found.networks, found.again_error) == (5, 0.0)


def test_agreement_is_rank_share_and_error() -> None:
    spearman, within, error = agreement(np.array([1.0, 2.1, 4.0]), np.array([1.0, 2.0, 3.0]))
    assert spearman == pytest.approx(1.0)
    assert within == pytest.approx(2 / 3)
    assert error == pytest.approx((0.0 + 0.05 + 1 / 3) / 3)


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


def test_too_few_measurements_are_refused_before_anything_is_measured(space: Space) -> None:
    with pytest.raises(TargetError, match="--measurements 7: a predictor needs 8 at least"):
        make_target_file("devices:Counted", "digits", "nb201", {}, measurements=7)


def test_spaces_whose_layers_are_not_known_beforehand_are_measured_too() -> None:
    rows = make_space("mlp", Signature("regression", (7,), 1), depths=[1, 2], widths=[8, 32])
    measuring: Measuring = Measuring(devices.Counted(), rows)
    predictor = build_predictor(measuring, 16, brief=True)
    found = validate(measuring, predictor, 10)
    assert found is not None and found.error < 0.05


@pytest.mark.parametrize("spec", ["torch-cpu", "onnxruntime"])
def test_networks_for_a_table_with_words_and_holes_are_measured_and_what_ships_with_its_preparation(spec: str) -> None:
    table = Table((Column("n", None, True), Column("w", ("a", "b", "c")), Column("m")))
    x = np.array([[row, row % 3, -row] for row in range(30)], np.float32)
    x[4, 0] = np.nan
    task = from_arrays(x, np.arange(30) % 2, table=table)
    assert task.signature.raw_shape != task.signature.shape
    space, target = make_space("mlp", task.signature, depths=[1], widths=[8, 16]), find_target(spec)
    measuring = Measuring(target, space, each=0.01)
    rows = measuring(drawn(space, 4), "measuring")
    measuring.close()
    assert len(rows) == 4 and not measuring.failures
    network = space.build(As(rows[0][0])).eval()
    shipped = target.measure(Deployable(network, task.signature, task.scaling), 0.01)
    assert shipped.latency.median > 0


def test_targets_are_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Target()  # type: ignore[abstract]
