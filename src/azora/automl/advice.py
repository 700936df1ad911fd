"""Which strategy for this task and budget: stated rules, each with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

from azora.clock import show_seconds
from azora.tasks import Signature

SHARED_FROM, SHARED_TO = 10_000.0, 60_000.0
"""Input values of search-train for each second of a core: from here on too few networks can be trained one by one, and
beyond there shared weights cannot be trained either. What this
rests on is in docs/hardware.md."""


@final
@dataclass(frozen=True)
class Advice:
    """A strategy, and the sentence that says why."""

    strategy: str
    why: str


def advise(signature: Signature, rows: int, seconds: float | None, workers: int) -> Advice:
    """By what is to be learned from, and the time that there is.

    Args:
        rows: of search-train.
        seconds: of the whole budget; None where judgements are counted.
        workers: processes that train.
    """
    if not signature.pictures:
        return Advice("halving", f"{rows:,} rows of a table: networks train in seconds, so many are trained")
    if seconds is None:
        return Advice("halving", "judgements are counted and not time, so each is worth a training of its own")
    load = rows * prod(signature.shape) / (seconds * workers)
    told = f"{rows:,} pictures of {' × '.join(map(str, signature.shape))} in {show_seconds(seconds)}"
    if load < SHARED_FROM:
        return Advice("halving", f"{told} leave time to train many networks by themselves, most of them briefly")
    if load < SHARED_TO:
        return Advice("spos", f"{told} leave time for few trainings, so weights that all networks share judge first")
    return Advice("halving", f"{told} are too short for shared weights; the quickest networks are trained")
