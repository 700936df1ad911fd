"""Which strategy for this task, space, limits and budget: stated rules, each with what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import final

from azora.clock import show_seconds
from azora.tasks import Signature

SHARED_FROM, SHARED_TO = 10_000.0, 60_000.0
"""Input values of search-train for each second of a core: from here on too few networks can be trained one by one, and
beyond there shared weights cannot be trained either. They are of the default space's networks; those of another space,
or within limits, count by their multiply-accumulates. What this rests on is in docs/hardware.md."""
ALIKE = 1.5  # times as many multiply-accumulates, or as few, are not worth a word


@final
@dataclass(frozen=True)
class Advice:
    """A strategy, and the sentence that says why."""

    strategy: str
    why: str

    def to_json(self) -> dict[str, str]:
        return {"strategy": self.strategy, "why": self.why}


def advise(
    signature: Signature,
    rows: int,
    seconds: float | None,
    workers: int,
    *,
    objectives: int = 1,
    weight: float = 1.0,
    barred: Callable[[], str] = str,
) -> Advice:
    """By what is to be learned from, what networks there are, and the time for them.

    Args:
        rows: of search-train.
        seconds: for trainings; None where judgements are counted.
        workers: processes that train.
        objectives: how many.
        weight: multiply-accumulates of a network of the space within the limits, as a share of those of a network of
            the task's default space.
        barred: asked where shared weights are wanted: why there can be none, or nothing.
    """
    if objectives > 1:
        return Advice("pareto", f"{objectives} objectives: it keeps the networks that no other beats in all of them")
    if not signature.pictures:
        return Advice("halving", f"{rows:,} rows of a table: networks train in seconds, so many are trained")
    if seconds is None:
        return Advice("halving", "judgements are counted and not time, so each is worth a training of its own")
    load = weight * rows * prod(signature.shape) / (seconds * workers)
    told = f"{rows:,} pictures of {' × '.join(map(str, signature.shape))} in {show_seconds(seconds)}"
    if not 1 / ALIKE < weight < ALIKE:
        told += f", for networks with {weight:.2g} times the usual multiply-accumulates,"
    if load < SHARED_FROM:
        return Advice("halving", f"{told} leave time to train many networks by themselves, most of them briefly")
    if load >= SHARED_TO:
        return Advice("halving", f"{told} are too short for shared weights; the quickest networks are trained")
    if why := barred():
        return Advice("halving", f"{told} leave time for few trainings, and no weights can be shared: {why}")
    return Advice("spos", f"{told} leave time for few trainings, so weights that all networks share judge first")
