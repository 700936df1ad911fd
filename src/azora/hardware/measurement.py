"""How long one answer takes: repeated, with what disturbs it taken out or told."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, final

WARM_UP, WARM_SECONDS = 5, 0.02  # calls and seconds before anything counts: caches fill, clocks rise
SECONDS = 0.3  # of repeated answers
FEWEST, ROUNDS = 10, 3
FAR = 6.0  # scaled absolute deviations from the median: what lies beyond was disturbed by something else
NORMAL = 1.4826  # of a normal distribution, the deviation over the median absolute deviation
DRIFT = 0.1  # last third over first: more, and it is measured again


@final
@dataclass(frozen=True)
class Measurement:
    """Milliseconds of one answer.

    Args:
        median: of the runs that nothing disturbed.
        spread: the distance of their quartiles, as a share of the median.
        runs: how many there were; of networks that take turns (`Steady`) these are turns.
        outliers: how many more were left out, far from the median of all.
        drift: how much longer the last third took than the first, as a share: a processor that grows hot, or gets
            company, shows here.
        repeated: whether the first runs varied so much that more were made.
    """

    median: float
    spread: float = 0.0
    runs: int = 1
    outliers: int = 0
    drift: float = 0.0
    repeated: bool = False

    def times(self, factor: float) -> Measurement:
        """So many times as long."""
        return replace(self, median=factor * self.median)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})


def repeats(networks: int) -> str:
    """A line for the reader, of networks whose first runs varied."""
    return f"{networks} networks varied too much in their first runs, and were run again"


def measure_calls(call: Callable[[], object], *, seconds: float = SECONDS, runs: int = 200) -> Measurement:
    """Times `call` after a warm-up: `runs` times, or as often as fits into `seconds`, ten times at least. Where it
    drifted by more than a tenth, again, up to three times; the steadiest is what counts."""
    _warm_up(call)
    rounds: list[Measurement] = []
    for _ in range(ROUNDS):
        rounds.append(summarise(_times(call, seconds, runs)))
        if abs(rounds[-1].drift) <= DRIFT:
            break
    return min(rounds, key=lambda each: abs(each.drift))


def summarise(times: Sequence[float]) -> Measurement:
    """The measurement that these milliseconds, in their order, are."""
    kept = without_outliers(times)
    third = max(1, len(kept) // 3)
    first, last = statistics.median(kept[:third]), statistics.median(kept[-third:])
    median = statistics.median(kept)
    quarters = statistics.quantiles(kept, n=4) if len(kept) > 1 else [median] * 3
    return Measurement(
        median, (quarters[2] - quarters[0]) / median, len(kept), len(times) - len(kept), last / first - 1.0
    )


def without_outliers(times: Sequence[float]) -> list[float]:
    """Without what lies far from the median, in scaled median absolute deviations (Hampel, 1974)."""
    median = statistics.median(times)
    deviation = NORMAL * statistics.median(abs(each - median) for each in times)
    least = 0.01 * median  # clocks are coarse: equal times must not make the next one an outlier
    return [each for each in times if abs(each - median) <= FAR * max(deviation, least)]


def _warm_up(call: Callable[[], object]) -> None:
    begun, calls = time.perf_counter(), 0
    while calls < WARM_UP or time.perf_counter() - begun < WARM_SECONDS:
        call()
        calls += 1


def _times(call: Callable[[], object], seconds: float, runs: int) -> list[float]:
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < FEWEST or (len(times) < runs and time.perf_counter() - begun < seconds):
        start = time.perf_counter()
        call()
        times.append(max(1e3 * (time.perf_counter() - start), math.ulp(1.0)))
    return times
