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

    def tell(self, rate: float, note: str = "") -> None:
        """Of the leader: the others are to make a step at this rate, of what `note` says. Raises LinkLost."""
        ...

    def hear(self) -> tuple[float, str] | None:
        """Of the others: the rate of the next step and the note, or None when there is none."""
        ...

    def add(self, parts: list[Tensor]) -> None:
        """Put the sum over all processes into `parts`, tensors of one shape everywhere. Raises LinkLost."""
        ...


class Linked(Protocol):
    """A training that several processes can make together."""

    @property
    def numbers(self) -> int:
        """How many numbers the gradients of a step have, at most."""
        ...

    def state_tensors(self) -> dict[str, Tensor]:
        """All that it needs to go on exactly elsewhere."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on where `state` was taken."""
        ...

    def follow(self, link: Link) -> None:
        """Make the leader's steps with it until it ends. Raises LinkLost."""
        ...
