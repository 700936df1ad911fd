"""A search that begins with what did best elsewhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import final

from azora.settings import check_whole
from azora.space import Architecture
from azora.strategies.around import Around
from azora.strategies.memory import ALIKE, Remembered, portfolio
from azora.strategies.strategy import Strategy
from azora.trial import Proposal

FIRST = 4  # networks of a memory that are tried before a search of its own begins


@final
class Begun(Around):
    """The first proposals are the `portfolio` of a memory; then `inner` goes on, and knows of all.

    Args:
        inner: the strategy that goes on.
        memory: what searches on other tasks found. Nothing in it, and `inner` proposes from the beginning.
        points: how many proposals are made for it, at most.

    Raises:
        ConfigError: points that are no whole number from 1 on.
    """

    def __init__(self, inner: Strategy, memory: Sequence[Remembered] = (), points: int = 10) -> None:
        super().__init__(inner)
        check_whole(1, points=points)
        self.memory, self.points = tuple(memory), points
        self.seen: set[str] = set()
        self._planned: list[Architecture] | None = None

    def propose(self, rng: random.Random) -> Proposal | None:
        if self._planned is None:
            self._planned = portfolio(self.memory, self.space, self.points)
        for architecture in self._planned:
            if architecture.key not in self.seen:
                tasks = ", ".join(each.task for each in self.memory if each.likeness >= ALIKE)
                return Proposal(architecture, origin=f"did well on {tasks}")
        return self.inner.propose(rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
        super().proposed(proposal)


def begun(inner: Strategy, memory: Sequence[Remembered]) -> Strategy:
    """`inner` with what did best on other tasks first, where a memory has some."""
    return Begun(inner, memory, FIRST) if memory else inner
