"""Evolution for several objectives."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from azora.errors import ConfigError, SpaceError
from azora.fronts import crowding, front_ranks
from azora.settings import check_whole, given
from azora.space import Architecture, Space
from azora.strategies.fresh import familiar, stranger
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Objective, Proposal, Report

REPEATS = 50  # children in a row that were all known


@dataclass
class _Member:
    architecture: Architecture
    scores: tuple[float, ...]
    rank: int = 0
    room: float = math.inf

    @property
    def standing(self) -> tuple[int, float]:
        return -self.rank, self.room


@final
class ParetoEvolution(Strategy):
    """NSGA-II (Deb et al., 2002), a child at a time: parents by binary tournament of front and crowding; a child is the
    uniform cross of two, or else one mutation of one; after every judgement the population is cut to the best by front,
    then by room.

    Not both at once, as with the real numbers that NSGA-II was made for: members of a front differ in most of their
    decisions, a cross of two is far from either, and one more change takes it further (`docs/decisions/0019`).

    What failed is behind every front, unless a shorter training of it did not. Limits need no rule of their own,
    for what is beyond them is never proposed.

    Args:
        objectives: what is searched for; the first is `objective`.
        population: how many live at once; None fits it to what the search can pay for (a fifteenth, 12 to 100).
        crossover: the share of children that are crosses of two parents.

    Raises:
        ConfigError: a population that is no whole number from 4 on, or a share outside 0 to 1.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objectives: Sequence[Objective] = (Objective(), Objective("macs", False)),
        population: int | None = None,
        crossover: float = 0.5,
    ) -> None:
        super().__init__(space, seed, objectives[0])
        check_whole(4, **given(population=population))
        if not 0 <= crossover <= 1:
            raise ConfigError(f"crossover={crossover} must be between 0 and 1")
        self.objectives, self.population, self.crossover = tuple(objectives), population, crossover
        self.size = population or 12
        self.members: list[_Member] = []
        self.seen: set[str] = set()

    def fit(self, affordable: Affordable) -> None:
        if self.population is None:
            self.size = min(100, max(12, round(affordable.units / 15)))

    def propose(self, rng: random.Random) -> Proposal | None:
        if len(self.seen) < self.size or len(self.members) < 2:
            return familiar(self.space, self.seen) or stranger(self.space, self.seen, rng)
        for _ in range(REPEATS):
            child = self._child(rng)
            if child is not None and child.architecture.key not in self.seen:
                return child
        return stranger(self.space, self.seen, rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)

    def learn(self, proposal: Proposal, report: Report) -> None:
        scores, key = tuple(objective.score(report) for objective in self.objectives), proposal.architecture.key
        kept = [member for member in self.members if member.architecture.key != key]
        if min(scores) == -math.inf and len(kept) < len(self.members):
            return  # a longer training that failed says nothing against a shorter one
        kept.append(_Member(proposal.architecture, scores))
        for member, rank in zip(kept, front_ranks([member.scores for member in kept]), strict=True):
            member.rank = rank
        for rank in {member.rank for member in kept}:
            front = [member for member in kept if member.rank == rank]
            for member, room in zip(front, crowding([member.scores for member in front]), strict=True):
                member.room = room
        self.members = sorted(kept, key=lambda member: member.standing, reverse=True)[: self.size]

    def _child(self, rng: random.Random) -> Proposal | None:
        mother, father = self._parent(rng), self._parent(rng)
        if mother.key != father.key and rng.random() < self.crossover:
            crossed = self.space.cross(mother, father, rng, uniform=True)
            return Proposal(crossed, origin=f"child of {mother.key} and {father.key}")
        try:
            return Proposal(self.space.mutate(mother, rng), origin=f"mutation of {mother.key}")
        except SpaceError:  # nothing else within reach of it
            return None

    def _parent(self, rng: random.Random) -> Architecture:
        pair = [self.members[rng.randrange(len(self.members))] for _ in range(2)]
        return max(pair, key=lambda member: member.standing).architecture
