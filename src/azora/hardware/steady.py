"""Networks measured in turns beside one that is always the same: what slows the machine slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import final

from azora.errors import TargetError
from azora.hardware.measurement import DRIFT, WARM_UP, summarise
from azora.hardware.target import Deployable, Loaded, Measured, TimedTarget

GROUP = 8  # networks that are loaded at once and take turns
ROUNDS, FEWER, BRIEF = 10, 5, 0.2  # turns of each; fewer where a network has less than so many seconds
TURN = 0.03  # seconds of a turn: where there is time for more, turns are more and not longer
OWN = 0.75  # share of a network's seconds that are its own: the others are the reference's
FEWEST = 3  # calls of a turn

Found = Measured | TargetError


@final
class Steady:
    """Measures networks of one target in turns.

    Shared machines are half as fast for seconds at a time: medians of one network, measured twice, differed by a fifth
    in the mean. A turn is a few hundredths of a second; next to each, the reference is timed as well, and a network's
    latency is the median of its shares of the reference's, times what the reference usually takes: these differed by a
    twentieth.

    Args:
        reference: any network of the same kind, quick enough to be timed often.

    Raises:
        TargetError: the reference cannot be run there.
    """

    def __init__(self, target: TimedTarget, reference: Deployable) -> None:
        self.target = target
        self._kept = ExitStack()
        self._reference = self._kept.enter_context(target.load(reference)).call
        _warm(self._reference)
        self._times: list[float] = []

    @property
    def usual(self) -> float:
        """Milliseconds that the reference takes in the median of all turns so far."""
        return statistics.median(self._times)

    def shares(self, deployables: Sequence[Deployable], seconds: float) -> list[Found]:
        """What each of them costs, its latency in units of the reference's; the error where it cannot be run. Where the
        turns of one vary or drift by more than a tenth, it has as many again, and all of them count.

        Args:
            seconds: of answers of each, those of the reference beside it included.
        """
        found: list[Found | None] = [None] * len(deployables)
        self.target.ready(deployables)
        with ExitStack() as stack:
            loaded: dict[int, Loaded] = {}
            for place, each in enumerate(deployables):
                try:
                    one = stack.enter_context(self.target.load(each))
                    _warm(one.call)
                    loaded[place] = one
                except TargetError as error:
                    found[place] = error
            turns = self._turns(loaded, seconds)
            more = self._turns({place: one for place, one in loaded.items() if _uneven(turns[place])}, seconds)
            for place, one in loaded.items():
                latency = summarise([*turns[place], *more.get(place, ())])
                found[place] = Measured(replace(latency, repeated=place in more), one.bytes)
        return [each for each in found if each is not None]

    def _turns(self, loaded: Mapping[int, Loaded], seconds: float) -> dict[int, list[float]]:
        """The shares of each, turn by turn."""
        rounds = FEWER if seconds < BRIEF else max(ROUNDS, round(seconds / TURN))
        found: dict[int, list[float]] = {place: [] for place in loaded}
        for _ in range(rounds):
            for place, one in loaded.items():
                own = statistics.median(_burst(one.call, OWN * seconds / rounds))
                beside = statistics.median(_burst(self._reference, (1.0 - OWN) * seconds / rounds))
                self._times.append(beside)
                found[place].append(own / beside)
        return found

    def close(self) -> None:
        """Let the reference go."""
        self._kept.close()


def _uneven(shares: Sequence[float]) -> bool:
    found = summarise(shares)
    return max(found.spread, abs(found.drift)) > DRIFT


def _burst(call: Callable[[], object], seconds: float) -> list[float]:
    """Milliseconds of calls in a row, after one that does not count."""
    call()
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < FEWEST or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def _warm(call: Callable[[], object]) -> None:
    for _ in range(WARM_UP):
        call()
