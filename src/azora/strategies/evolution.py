"""Regularised evolution."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from typing import final

from azora.errors import ConfigError
from azora.settings import check_whole, given
from azora.space import Architecture, Option, Space
from azora.strategies.fresh import familiar, stranger, walk
from azora.strategies.member import Member, rank, tournament
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Objective, Proposal, Report


@final
class RegularizedEvolution(Strategy):
    """Mutate the best of a few, forget the oldest (Real et al., 2019).

    The first population is of the architectures in `start`, of the space's familiar points, if it has any, and of
    random ones.

    Args:
        population: how many live at once; None fits it to what the search can pay for (an eighth, 8 to 100).
        tournament: how many are drawn to find a parent; None is a quarter of the population.
        replacement: draw with replacement, as Real et al. do; without it, as in the experiments of NAS-Bench-101.
        ageing: forget the oldest; without it, the worst (elitist evolution).
        crossover: the share of children that are mutations of a cross of two parents rather than of one.
        start: architectures, or their decisions, to judge first: all of them, even beyond `population`.

    Raises:
        ConfigError: a population that is no whole number from 1 on, a tournament that is none from 1 to `population`,
            or a crossover outside 0 to 1.
        SpaceError: one of `start` is not of this space.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objective: Objective | None = None,
        population: int | None = None,
        tournament: int | None = None,
        replacement: bool = True,
        ageing: bool = True,
        crossover: float = 0.0,
        start: Sequence[Mapping[str, Option]] = (),
    ) -> None:
        super().__init__(space, seed, objective)
        check_whole(1, **given(population=population, tournament=tournament))
        if tournament is not None and tournament > (population or tournament):
            raise ConfigError(f"tournament={tournament} must be between 1 and population={population}")
        if not 0 <= crossover <= 1:
            raise ConfigError(f"crossover={crossover} must be between 0 and 1")
        self.population, self.tournament, self.replacement = population, tournament, replacement
        self.ageing, self.crossover, self.start = ageing, crossover, start
        self.given = [space.parse(each) for each in start]
        self.size = population or 16
        self.members: deque[Member] = deque()
        self.known: dict[str, Member] = {}
        self.seen: set[str] = set()

    def fit(self, affordable: Affordable) -> None:
        if self.population is None:
            self.size = max(self.tournament or 1, min(100, max(8, round(affordable.units / 8))))

    def propose(self, rng: random.Random) -> Proposal | None:
        if (given := self._given()) is not None:
            return given
        if len(self.seen) < self.size or not self.members:
            return familiar(self.space, self.seen) or stranger(self.space, self.seen, rng)
        return self._child(rng) or stranger(self.space, self.seen, rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)

    def learn(self, proposal: Proposal, report: Report) -> None:
        reached = rank(self.objective, proposal, report)
        if (member := self.known.get(proposal.architecture.key)) is not None:
            member.judge_again(reached)
            return
        # Failed ones enter too: the population must age at the same pace when many fail.
        member = Member(proposal.architecture, reached)
        self.known[proposal.architecture.key] = member
        self.members.append(member)
        while len(self.members) > self.size:
            self._forget()

    def _given(self) -> Proposal | None:
        fresh = (each for each in self.given if each.key not in self.seen)
        return next((Proposal(architecture, origin="given") for architecture in fresh), None)

    def _child(self, rng: random.Random) -> Proposal | None:
        parent = self._parent(rng)
        if self.crossover and rng.random() < self.crossover:
            other = self._parent(rng)
            crossed = self.space.cross(parent, other, rng)
            return walk(self.space, crossed, self.seen, rng, f"mutation of {parent.key} × {other.key}")
        return walk(self.space, parent, self.seen, rng)

    def _parent(self, rng: random.Random) -> Architecture:
        draws = self.tournament or max(2, self.size // 4)
        return tournament(self.members, draws, rng, self.replacement).architecture

    def _forget(self) -> None:
        if self.ageing and len(self.known) > len(self.given):  # while those come in, the best of them are to stay
            self.members.popleft()
        else:
            self.members.remove(min(self.members, key=lambda member: member.rank))
