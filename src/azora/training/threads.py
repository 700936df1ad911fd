"""How many threads a training uses, measured again and again while it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import final

import torch

TRIED = 3  # steps of each candidate; the quickest counts
HELD = 40.0  # a choice is kept for this many times as long as choosing took


@final
class Threads:
    """Chooses among `candidates` by the clock, once a step.

    Two threads on a small network can be twice as fast as one, and, when anybody else uses a core, fifty times slower:
    each layer waits for the slower thread. So the choice is made by trying, and made again when steps take twice what
    they took, or after a while.
    """

    def __init__(self, candidates: Sequence[int]) -> None:
        self.candidates = sorted(set(candidates))
        self.chosen = self.candidates[0]
        self._times: dict[int, list[float]] = {}
        self._until = 0.0
        self._expected = float("inf")
        self._slow = 0

    def before_step(self) -> None:
        """Set the number of threads of the next step."""
        if len(self.candidates) > 1:
            torch.set_num_threads(self._next())

    def after_step(self, seconds: float) -> None:
        """Learn what the step took."""
        if len(self.candidates) == 1:
            return
        if self._until > 0.0:
            self._watch(seconds)
            return
        times = self._times.setdefault(torch.get_num_threads(), [])
        times.append(seconds)
        if seconds > 2.0 * min(map(min, self._times.values())):
            times.extend([seconds] * TRIED)  # one such step is enough to know
        if all(len(self._times.get(count, ())) >= TRIED for count in self.candidates):
            spent = sum(map(sum, self._times.values()))
            self.chosen = min(self.candidates, key=lambda count: min(self._times[count]))
            self._expected, self._slow = min(self._times[self.chosen]), 0
            self._until = time.perf_counter() + HELD * spent

    def _next(self) -> int:
        if self._until > 0.0:
            return self.chosen
        return next((count for count in self.candidates if len(self._times.get(count, ())) < TRIED), self.chosen)

    def _watch(self, seconds: float) -> None:
        self._slow = self._slow + 1 if seconds > 2.0 * self._expected else 0
        if self._slow >= 3 or time.perf_counter() > self._until:
            self._times, self._until = {}, 0.0
