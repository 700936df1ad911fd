"""Time of one answer, on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median_ms(call: Callable[[], object], *, runs: int = 40, seconds: float = 1.0) -> float:
    """Median milliseconds of `call`, after five calls to warm up: `runs` of them, or as many as fit into `seconds`."""
    for _ in range(5):
        call()
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < runs and (len(times) < 5 or time.perf_counter() - begun < seconds):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)
