"""Answers are timed after a warm-up, what was disturbed is left out, and what drifts is measured again."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator

import pytest

from azora.hardware import Measurement, measure_calls, measurement
from azora.hardware.measurement import FEWEST, ROUNDS, WARM_SECONDS, WARM_UP, summarise, without_outliers


class Clock:
    """Time that passes by what is called, and by nothing else."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, 0

    def perf_counter(self) -> float:
        return self.now

    def call(self, milliseconds: Iterable[float]) -> Callable[[], None]:
        """A call that takes so long, each in its turn."""
        left: Iterator[float] = iter(milliseconds)

        def run() -> None:
            self.now += next(left) / 1e3
            self.calls += 1

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(measurement, "time", made)
    return made


def warm(milliseconds: float = 10.0) -> list[float]:
    return WARM_UP * [milliseconds]


def test_steady_calls_are_their_time(clock: Clock) -> None:
    found = measure_calls(clock.call(itertools.repeat(1.0)), seconds=1.0, runs=50)
    assert found.median == pytest.approx(1.0)
    assert found.runs == 50
    assert (found.spread, found.drift) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert found.outliers == 0


@pytest.mark.parametrize(("each", "runs"), [(10.0, 30), (100.0, FEWEST), (1.0, 200)])
def test_runs_fit_into_the_seconds_but_are_never_too_few_or_too_many(clock: Clock, each: float, runs: int) -> None:
    found = measure_calls(clock.call(itertools.repeat(each)), seconds=0.3)
    assert abs(found.runs - runs) <= 1  # sums of tenths are not exact
    assert found.median == pytest.approx(each)


def test_what_was_disturbed_is_left_out_and_told(clock: Clock) -> None:
    disturbed = [30.0 if place % 10 == 5 else 2.0 + 0.01 * (place % 3) for place in range(100)]
    found = measure_calls(clock.call([*warm(), *disturbed]), seconds=9.0, runs=100)
    assert (found.runs, found.outliers) == (90, 10)
    assert found.median == pytest.approx(2.01, abs=0.01)
    assert found.spread < 0.02


def test_the_first_calls_do_not_count(clock: Clock) -> None:
    found = measure_calls(clock.call([*warm(500.0), *itertools.repeat(1.0, 60)]), seconds=1.0, runs=50)
    assert found.median == pytest.approx(1.0)
    assert found.outliers == 0
    quick = Clock()
    quick.now = clock.now
    calls = clock.calls
    measure_calls(clock.call(itertools.repeat(0.5)), seconds=1.0, runs=50)
    assert clock.calls - calls - 50 == pytest.approx(WARM_SECONDS / 0.5e-3, abs=1), "clocks need time to rise"


def test_drift_is_measured_again_until_it_is_steady(clock: Clock) -> None:
    rising = [1.0 + 0.01 * place for place in range(50)]
    found = measure_calls(clock.call([*warm(), *rising, *itertools.repeat(1.5, 50)]), seconds=9.0, runs=50)
    assert clock.calls == WARM_UP + 2 * 50
    assert found.median == pytest.approx(1.5)
    assert summarise(rising).drift == pytest.approx(0.34 / 1.07, abs=0.03)


def test_what_always_drifts_gives_its_steadiest_round(clock: Clock) -> None:
    rounds = [[1.0 + slope * place for place in range(50)] for slope in (0.05, 0.01, 0.03)]
    found = measure_calls(clock.call([*warm(), *itertools.chain(*rounds)]), seconds=99.0, runs=50)
    assert clock.calls == WARM_UP + ROUNDS * 50
    assert found.median == pytest.approx(summarise(rounds[1]).median)
    assert found.drift == pytest.approx(summarise(rounds[1]).drift)
    assert found.drift > 0.1, "it is told"


def test_getting_quicker_is_drift_too() -> None:
    assert summarise([2.0] * 10 + [1.5] * 10 + [1.0] * 10).drift == pytest.approx(-0.5)


def test_equal_times_make_no_outlier_of_the_next_tick() -> None:
    assert len(without_outliers([1.0] * 20 + [1.05])) == 21
    assert len(without_outliers([1.0] * 20 + [1.5])) == 20


def test_one_number_is_a_measurement_and_all_survive_json() -> None:
    one = summarise([3.0])
    assert (one.median, one.spread, one.runs, one.outliers, one.drift) == (3.0, 0.0, 1, 0, 0.0)
    found = summarise([1.0, 1.1, 1.3, 1.2, 9.0])
    assert Measurement.from_json({**json.loads(json.dumps(found.to_json())), "bytes": 3}) == found
