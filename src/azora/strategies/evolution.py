"""Regularised evolution."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import final

from azora.errors import ConfigError, SpaceError
from azora.space import Architecture, Space
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Objective, Proposal, Report

REPEATS = 50  # moves in a row that led to known networks


@dataclass
class _Member:
    architecture: Architecture
    # Compared as (budget, score): who was worth a longer training stands above who was not.
    rank: tuple[float, float]


@final
class RegularizedEvolution(Strategy):
    """Mutate the best of a few, forget the oldest (Real et al., 2019).

    The first population is of the space's familiar points, if it has any, and of random ones.

    Args:
        population: how many live at once; None fits it to what the search can pay for (an eighth, 8 to 100).
        tournament: how many are drawn, with replacement, to find a parent; None is a quarter of the population.

    Raises:
        ConfigError: a tournament outside 1 to `population`.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objective: Objective | None = None,
        population: int | None = None,
        tournament: int | None = None,
    ) -> None:
        super().__init__(space, seed, objective)
        if population is not None and population < 1:
            raise ConfigError(f"population={population} must be at least 1")
        if tournament is not None and not 1 <= tournament <= (population or tournament):
            raise ConfigError(f"tournament={tournament} must be between 1 and population={population}")
        self.population, self.tournament = population, tournament
        self.size = population or 16
        self.members: deque[_Member] = deque()
        self.known: dict[str, _Member] = {}
        self.seen: set[str] = set()

    def fit(self, affordable: Affordable) -> None:
        if self.population is None:
            self.size = max(self.tournament or 1, min(100, max(8, round(affordable.units / 8))))

    def propose(self, rng: random.Random) -> Proposal | None:
        if len(self.seen) < self.size or not self.members:
            return self._familiar() or self._stranger(rng)
        parent = self._parent(rng).architecture
        for _ in range(REPEATS):
            try:
                child = self.space.mutate(parent, rng)
            except SpaceError:  # nothing within reach of this parent
                break
            if child.key not in self.seen:
                return Proposal(child, origin=f"mutation of {parent.key}")
            parent = child  # walk on: the neighbourhood may be known, what lies behind it is not
        return self._stranger(rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)

    def learn(self, proposal: Proposal, report: Report) -> None:
        rank = (proposal.budget or 0.0, self.objective.score(report))
        member = self.known.get(proposal.architecture.key)
        if member is not None:
            # A longer training that failed says nothing against the shorter one.
            member.rank = max(member.rank, rank) if not report.ok else rank
            return
        # Failed ones enter too: the population must age at the same pace when many fail.
        member = _Member(proposal.architecture, rank)
        self.known[proposal.architecture.key] = member
        self.members.append(member)
        while len(self.members) > self.size:
            self.members.popleft()

    def _parent(self, rng: random.Random) -> _Member:
        draws = self.tournament or max(2, self.size // 4)
        return max((self.members[rng.randrange(len(self.members))] for _ in range(draws)), key=lambda each: each.rank)

    def _familiar(self) -> Proposal | None:
        fresh = (architecture for architecture in self.space.known() if architecture.key not in self.seen)
        return next((Proposal(architecture, origin="familiar") for architecture in fresh), None)

    def _stranger(self, rng: random.Random) -> Proposal | None:
        for _ in range(REPEATS):
            architecture = self.space.sample(rng)
            if architecture.key not in self.seen:
                return Proposal(architecture, origin="random")
        return None
