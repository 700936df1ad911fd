"""Networks measured in turns beside a reference, on a machine whose speed comes and goes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from azora.errors import TargetError
from azora.hardware import Deployable, Measured
from azora.hardware.build import Measuring, facts_of
from azora.hardware.choosing import draw_distinct
from azora.hardware.measurement import measure_calls
from azora.hardware.steady import FEWER, ROUNDS, Steady
from azora.hardware.target import Loaded, TimedTarget
from azora.networks.complexity import parameters
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.space import Space
from azora.tasks import Signature

ROWS = Signature("classification", (6,), 3, ("a", "b", "c"))


class Clock:
    """Time that passes when something works; every half second the machine is half as quick for as long."""

    def __init__(self) -> None:
        self.now, self.paces = 0.0, (1.0, 2.0)

    def work(self, seconds: float) -> None:
        self.now += seconds * self.paces[int(self.now / 0.5) % 2]


class Uneven(TimedTarget):
    """A microsecond for every parameter, on such a clock; networks of more than `most` do not run."""

    name = "uneven"

    def __init__(self, clock: Clock, most: int = 10**9) -> None:
        self.clock, self.most, self.open = clock, most, 0

    @contextmanager
    def load(self, deployable: Deployable) -> Iterator[Loaded]:
        count = parameters(deployable.network)
        if count > self.most:
            raise TargetError(f"{count} parameters are too many")
        self.open += 1
        yield Loaded(lambda: self.clock.work(1e-6 * count), 4 * count)
        self.open -= 1

    def versions(self) -> Mapping[str, str]:
        return {self.name: "1"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in ("steady", "measurement"):
        monkeypatch.setattr(f"azora.hardware.{module}.time.perf_counter", lambda: made.now)
    return made


@pytest.fixture
def space() -> Space:
    return make_space("mlp", ROWS)


def count(space: Space, row: tuple[object, Measured]) -> float:
    return row[1].bytes / 4e3  # milliseconds on the quick machine


def test_shares_hold_though_the_machine_does_not(clock: Clock, space: Space) -> None:
    target = Uneven(clock)
    measuring = Measuring(target, space)
    drawn = draw_distinct(space, 20, random.Random(0))
    rows, again = measuring(drawn, "measuring"), measuring(drawn, "again")
    slow = [row[1].latency.median / count(space, row) for row in (*rows, *again)]
    assert max(slow) / min(slow) < 1.1  # all are as far from the quick machine as the usual one is
    assert min(slow) > 0.99 and max(slow) < 2.01
    alone = [measure_calls(lambda each=each: clock.work(1e-3 * count(space, each)), seconds=0.02) for each in rows]
    apart = [one.median / count(space, row) for one, row in zip(alone, rows, strict=True)]
    assert max(apart) / min(apart) > 1.5  # what a median of one after the other is worth here
    assert target.open == 1
    measuring.close()
    assert target.open == 0


def test_what_cannot_run_is_told_and_the_others_go_on(clock: Clock, space: Space) -> None:
    drawn = sorted(draw_distinct(space, 9, random.Random(1)), key=lambda each: -parameters(space.build(As(each))))
    most = parameters(space.build(As(drawn[2])))
    measuring = Measuring(Uneven(clock, most), space)
    rows = measuring(drawn, "measuring")
    assert [dict(architecture) for architecture, _ in rows] == [dict(each) for each in drawn[2:]]
    assert len(measuring.failures) == 2 and "too many" in measuring.failures[0]


def test_one_measuring_goes_on_with_the_reference_of_another(clock: Clock, space: Space) -> None:
    target, drawn = Uneven(clock), draw_distinct(space, 8, random.Random(2))
    first = Measuring(target, space)
    one = first(drawn, "measuring")
    second = Measuring(target, space, beside=first)
    other = second(drawn, "again")
    assert target.open == 1
    for (_, before), (_, after) in zip(one, other, strict=True):
        assert after.latency.median == pytest.approx(before.latency.median, rel=0.1)
        assert after.latency.runs + after.latency.outliers >= ROUNDS and after.bytes == before.bytes


def test_what_is_measured_beside_another_is_told_in_its_unit_though_the_machine_became_slower(
    clock: Clock, space: Space
) -> None:
    target, drawn = Uneven(clock), draw_distinct(space, 8, random.Random(2))
    first = Measuring(target, space)
    clock.paces = (1.0, 1.0)
    rows = first(drawn, "measuring")
    second, clock.paces = Measuring(target, space, beside=first), (3.0, 3.0)
    for _ in range(3):
        again = second(drawn, "again")
    for (_, before), (_, after) in zip(rows, again, strict=True):
        assert after.latency.median == pytest.approx(before.latency.median, rel=0.01)


def test_a_reference_that_does_not_run_is_refused(clock: Clock, space: Space) -> None:
    network = space.build(As(space.sample(random.Random(0))))
    with pytest.raises(TargetError, match="too many"):
        Steady(Uneven(clock, 0), Deployable.bare(network, ROWS))


def test_turns_that_vary_or_drift_are_had_again_and_outliers_are_told(
    clock: Clock, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Deployable.bare(space.build(As(space.sample(random.Random(0)))), ROWS)
    steady, asked = Steady(Uneven(clock), made), list[set[int]]()
    rounds = iter(
        [
            {0: [1.0] * 9 + [4.0], 1: [1.0] * 5 + [1.5] * 5, 2: [1.0, 1.3] * 5},
            {1: [1.5] * 10, 2: [1.3] * 10},
        ]
    )

    def turns(loaded: Mapping[int, Loaded], seconds: float) -> dict[int, list[float]]:
        asked.append(set(loaded))
        return next(rounds)

    monkeypatch.setattr(steady, "_turns", turns)
    disturbed, grown, varied = (each.latency for each in steady.shares([made] * 3, 0.3) if isinstance(each, Measured))
    assert asked == [{0, 1, 2}, {1, 2}]
    assert (disturbed.median, disturbed.runs, disturbed.outliers, disturbed.repeated) == (1.0, 9, 1, False)
    assert (grown.median, grown.repeated) == (1.5, True)
    assert (varied.median, varied.repeated) == (1.3, True)


def test_more_time_gives_more_turns(clock: Clock, space: Space) -> None:
    made = Deployable.bare(space.build(As(space.sample(random.Random(0)))), ROWS)
    steady = Steady(Uneven(clock), made)
    for seconds, most in ((0.1, FEWER), (0.3, ROUNDS), (0.9, 3 * ROUNDS)):
        (found,) = steady.shares([made], seconds)
        assert isinstance(found, Measured)
        assert found.latency.runs + found.latency.outliers == most * (1 + found.latency.repeated)


def test_networks_that_were_measured_again_are_counted(
    clock: Clock, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azora.hardware.steady._uneven", lambda shares: True)
    measuring = Measuring(Uneven(clock), space)
    measuring(draw_distinct(space, 3, random.Random(0)), "measuring")
    assert facts_of(measuring) == {"repeated": 3}
