"""The search of SMASH: draw, look around the best, climb."""

from __future__ import annotations

import random
from typing import final

from azora.errors import SpaceError
from azora.settings import check_whole, given
from azora.space import Architecture, Space
from azora.strategies.fresh import stranger
from azora.strategies.member import FAILED, Member, rank
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Objective, Proposal, Report

RATE = 0.05  # with which each decision of a perturbation is changed
SAMPLED, PERTURBED = 0.5, 0.25  # of all judgements, at most
TRIES = 200  # perturbations in a row that were all known


@final
class Smash(Strategy):
    """Random architectures, then perturbations of the best of them, then of each better one (Brock et al., 2018).

    A perturbation changes each decision with probability 0.05, and one at least. What the third phase finds is where
    it goes on from, if it is better. It is made for judgements that cost next to nothing, as weights that a
    hypernetwork writes give them: hundreds of random ones come before the first choice. Where the search can pay for
    few judgements, half of them are samples at most and a quarter perturbations. No network is judged twice.

    Args:
        samples: random architectures, at most.
        perturbations: of the best of those, at most; where several are judged at once, the best that is known when it
            is asked.
        climb: proposals of the chain; None goes on as long as the search does.

    Raises:
        ConfigError: samples that are no whole number from 1 on, or another that is none from 0 on.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objective: Objective | None = None,
        samples: int = 500,
        perturbations: int = 100,
        climb: int | None = None,
    ) -> None:
        super().__init__(space, seed, objective)
        check_whole(1, samples=samples)
        check_whole(0, perturbations=perturbations, **given(climb=climb))
        self.samples, self.perturbations, self.climb = samples, perturbations, climb
        self.drawn: Member | None = None  # the best of the samples
        self.best: Member | None = None  # of all
        self.random: set[str] = set()  # keys of the samples
        self.seen: set[str] = set()

    def fit(self, affordable: Affordable) -> None:
        whole = self.asked + affordable.units
        if self.asked < self.samples:
            self.samples = max(self.asked, min(self.samples, int(SAMPLED * whole)))
        self.perturbations = min(self.perturbations, int(PERTURBED * whole))

    def propose(self, rng: random.Random) -> Proposal | None:
        place = self.asked - self.samples
        if place < 0:
            return stranger(self.space, self.seen, rng)
        if self.climb is not None and place >= self.perturbations + self.climb:
            return None
        centre = self.drawn if place < self.perturbations else self.best
        if centre is None:  # nothing came of any that was told
            return stranger(self.space, self.seen, rng)
        return self._perturbed(centre.architecture, rng) or stranger(self.space, self.seen, rng)

    def proposed(self, proposal: Proposal) -> None:
        if self.asked <= self.samples:  # the count has it already
            self.random.add(proposal.architecture.key)
        self.seen.add(proposal.architecture.key)

    def learn(self, proposal: Proposal, report: Report) -> None:
        reached = rank(self.objective, proposal, report)
        if reached <= FAILED:
            return
        member = Member(proposal.architecture, reached)
        if self.best is None or reached > self.best.rank:
            self.best = member
        if proposal.architecture.key in self.random and (self.drawn is None or reached > self.drawn.rank):
            self.drawn = member

    def _perturbed(self, centre: Architecture, rng: random.Random) -> Proposal | None:
        """A network near `centre` that was not asked for; None where that is hard to find."""
        origin = f"perturbation of {centre.key}"
        for _ in range(TRIES):
            near = self.space.vary(centre, rng, lambda _: RATE)
            if near.key == centre.key:
                try:
                    near = self.space.mutate(centre, rng)
                except SpaceError:  # nothing within reach
                    return None
            if near.key not in self.seen:
                return Proposal(near, origin=origin)
        return None
