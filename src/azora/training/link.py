"""Several processes on one training: each takes a part of every batch, and their gradients are added."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class LinkLost(RuntimeError):
    """Another process of the training is gone, or too slow to wait for."""


class Link(Protocol):
    """What a training needs to know of the others. Rank 0 leads: it says at which rate the next step is made."""

    rank: int
    count: int

    def tell(self, rate: float) -> None:
        """Of the leader: the others are to make a step at this rate. Raises LinkLost."""
        ...

    def hear(self) -> float | None:
        """Of the others: the rate of the next step, or None when there is none."""
        ...

    def add(self, parts: list[Tensor]) -> None:
        """Put the sum over all processes into `parts`, tensors of one shape everywhere. Raises LinkLost."""
        ...
