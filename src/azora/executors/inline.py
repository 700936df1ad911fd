"""Judging in this very process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import final

from azora.errors import in_a_line
from azora.executors.executor import Executor
from azora.trial import Proposal, Report


def judge(evaluate: Callable[[Proposal], Mapping[str, float]], proposal: Proposal) -> Report:
    """A proposal that cannot be judged is a result, not the end of the search."""
    begun = time.perf_counter()
    try:
        found = {str(name): float(value) for name, value in evaluate(proposal).items()}
    except Exception as error:
        return Report(seconds=time.perf_counter() - begun, error=in_a_line(error))
    lost = sorted(name for name, value in found.items() if not math.isfinite(value))
    kept = {name: value for name, value in found.items() if name not in lost}
    why = None if found else "the evaluator gave no metrics"
    if lost:
        why = f"{', '.join(lost)} is not a finite number"
    return Report(kept, time.perf_counter() - begun, why)


@final
class InlineExecutor(Executor):
    """One judgement after the other, before `submit` returns. What hangs here hangs the search."""

    workers = 1

    def __init__(self, evaluate: Callable[[Proposal], Mapping[str, float]]) -> None:
        self.evaluate = evaluate

    def submit(self, proposal: Proposal) -> Future[Report]:
        future: Future[Report] = Future()
        future.set_result(judge(self.evaluate, proposal))
        return future

    def shutdown(self) -> None:
        """There is nothing to stop."""
