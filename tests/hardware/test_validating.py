"""A predictor is held to networks that it has not seen, each measured twice."""

from __future__ import annotations

import numpy as np
import pytest
from tests.hardware.made import Clock, Leaving, Slow

import devices
from azora.errors import TargetError
from azora.hardware import Deployable, Measured, Measurement, Measuring, build_predictor, validate
from azora.hardware.build import agreement
from azora.space import Architecture, Space


class Constant(devices.Counted):
    """A program that prints the same whatever it is given."""

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        return Measured(Measurement(2.0))


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
