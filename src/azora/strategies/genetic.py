"""A genetic algorithm with generations."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import final

from azora.errors import ConfigError
from azora.settings import check_whole, given
from azora.space import Choice, Space, Subset
from azora.strategies.fresh import familiar, stranger, walk
from azora.strategies.member import Member, rank, tournament
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Objective, Proposal, Report

CHILDREN = 50  # in a row that were all known


@final
class Genetic(Strategy):
    """Cross and mutate the better ones of a generation; the best live on (Holland, 1975; Xie & Yuille, 2017).

    The first generation is of the space's familiar points, if it has any, and of random ones. Two parents, each the
    best of a tournament, are crossed at one point of the space's order; then every decision of the child may mutate.
    When as many children as the population has members have been judged, failed ones counted, the next generation is
    the best of these children and of the `elite` best of the generation before. Nobody waits: while the last judgements
    of a generation are pending, further children are made, and count for the generation in which they are told.

    Args:
        population: the size of a generation; None fits it to what the search can pay for (a twelfth, 8 to 100, so that
            a hundred live where a thousand judgements or more can be paid for).
        tournament: how many are drawn, with replacement, to find a parent.
        crossover: the share of children that have two parents.
        mutation: the chance that a decision that is no connection mutates; None is one in the number of decisions.
        rewiring: the same for a connection (a subset: the inputs of a node).
        elite: how many of a generation may live on beside their children; None is all of them.

    Raises:
        ConfigError: a setting outside its bounds.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objective: Objective | None = None,
        population: int | None = None,
        tournament: int = 3,
        crossover: float = 0.5,
        mutation: float | None = None,
        rewiring: float | None = None,
        elite: int | None = None,
    ) -> None:
        super().__init__(space, seed, objective)
        check_whole(2, **given(population=population))
        check_whole(1, tournament=tournament)
        check_whole(0, **given(elite=elite))
        for name, share in (("crossover", crossover), ("mutation", mutation), ("rewiring", rewiring)):
            if share is not None and not 0 <= share <= 1:
                raise ConfigError(f"{name}={share} must be between 0 and 1")
        self.population, self.tournament, self.crossover = population, tournament, crossover
        self.mutation, self.rewiring, self.elite = mutation, rewiring, elite
        self.size = population or 16
        self.parents: list[Member] = []  # best first
        self.children: list[Member] = []
        self.known: dict[str, Member] = {}
        self.seen: set[str] = set()

    def fit(self, affordable: Affordable) -> None:
        if self.population is None:
            self.size = min(100, max(8, round(affordable.units / 12)))

    def propose(self, rng: random.Random) -> Proposal | None:
        if not self.parents:
            return familiar(self.space, self.seen) or stranger(self.space, self.seen, rng)
        return self._child(rng) or stranger(self.space, self.seen, rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)

    def learn(self, proposal: Proposal, report: Report) -> None:
        reached = rank(self.objective, proposal, report)
        if (member := self.known.get(proposal.architecture.key)) is not None:
            member.judge_again(reached)
            return
        member = Member(proposal.architecture, reached)
        self.known[proposal.architecture.key] = member
        self.children.append(member)
        if len(self.children) >= self.size:
            self._succeed()

    def _succeed(self) -> None:
        """The next generation: the best of the elite and of the children, nobody who failed."""
        elite = self.parents[: self.elite]
        ranked = sorted(elite + self.children, key=lambda member: member.rank, reverse=True)
        self.parents = [member for member in ranked[: self.size] if member.judged]
        self.children = []

    def _child(self, rng: random.Random) -> Proposal | None:
        for _ in range(CHILDREN):
            first = self._parent(rng)
            child, origin = first.architecture, f"mutation of {first.architecture.key}"
            if rng.random() < self.crossover:
                second = self._parent(rng)
                child = self.space.cross(child, second.architecture, rng)
                origin = f"child of {first.architecture.key} and {second.architecture.key}"
            child = self.space.vary(child, rng, self._rate(len(child)))
            if child.key not in self.seen:
                return Proposal(child, origin=origin)
        return walk(self.space, self._parent(rng).architecture, self.seen, rng)

    def _parent(self, rng: random.Random) -> Member:
        return tournament(self.parents, self.tournament, rng)

    def _rate(self, decisions: int) -> Callable[[Choice], float]:
        mutation = 1 / decisions if self.mutation is None else self.mutation
        rewiring = 1 / decisions if self.rewiring is None else self.rewiring
        return lambda choice: rewiring if isinstance(choice, Subset) else mutation
