"""What every executor holds to."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from azora.executors import Executor
from azora.space import Space
from azora.trial import Proposal

Start = Callable[[str], Executor]
BEGUN, ENDED = 3.0, 10.0  # seconds until a worker has surely begun, and in which a shutdown must have ended all


class ExecutorContract:
    """Subclass, and return from the `start` fixture a function that starts an executor with one of four evaluators:
    "well" gives the accuracy 0.5, "raises" raises ValueError("no such luck"), "nan" gives a NaN, and "sleeps" takes an
    hour (a moment, where `submit` itself judges). `space` is the space whose architectures it can judge."""

    def test_judges(self, start: Start, space: Space) -> None:
        executor = start("well")
        try:
            reports = [executor.submit(_proposal(space, seed)).result(timeout=60) for seed in range(3)]
        finally:
            executor.shutdown()
        assert all(report.ok and report.metrics["accuracy"] == 0.5 for report in reports)
        assert all(report.seconds >= 0 for report in reports)

    def test_a_failure_is_a_report_and_the_next_goes_on(self, start: Start, space: Space) -> None:
        executor = start("raises")
        try:
            reports = [executor.submit(_proposal(space, seed)).result(timeout=60) for seed in range(2)]
        finally:
            executor.shutdown()
        assert [report.error for report in reports] == ["ValueError: no such luck"] * 2

    def test_what_is_no_number_is_a_failure(self, start: Start, space: Space) -> None:
        executor = start("nan")
        try:
            report = executor.submit(_proposal(space, 0)).result(timeout=60)
        finally:
            executor.shutdown()
        assert not report.ok
        assert report.error is not None
        assert "not a finite number" in report.error

    def test_stops_twice(self, start: Start) -> None:
        executor = start("well")
        assert executor.workers >= 1
        executor.shutdown()
        executor.shutdown()

    def test_stops_what_is_being_judged_and_what_waits(self, start: Start, space: Space) -> None:
        executor = start("sleeps")
        futures = [executor.submit(_proposal(space, seed)) for seed in range(executor.workers + 1)]
        time.sleep(BEGUN)
        latest = time.monotonic() + ENDED
        executor.shutdown()
        while not all(future.done() for future in futures) and time.monotonic() < latest:
            time.sleep(0.05)
        assert all(future.done() for future in futures), f"after shutdown, futures are open for {ENDED:g} s"
        assert time.monotonic() < latest + 1, f"shutdown takes longer than {ENDED:g} s"


def _proposal(space: Space, seed: int) -> Proposal:
    return Proposal(space.sample(random.Random(seed)), 1.0)
