"""What every executor holds to."""

from __future__ import annotations

import random
from collections.abc import Callable

from azora.executors import Executor
from azora.space import Space
from azora.trial import Proposal

Start = Callable[[str], Executor]


class ExecutorContract:
    """Subclass, and return from the `start` fixture a function that starts an executor with one of three evaluators:
    "well" gives the accuracy 0.5, "raises" raises ValueError("no such luck"), "nan" gives a NaN. `space` is the space
    whose architectures it can judge."""

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


def _proposal(space: Space, seed: int) -> Proposal:
    return Proposal(space.sample(random.Random(seed)), 1.0)
