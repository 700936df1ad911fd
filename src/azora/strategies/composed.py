"""A strategy put together from parts: what it is made of can itself be searched for."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, Literal, final, get_args

from azora.errors import ConfigError
from azora.settings import check_finite, check_whole, closest
from azora.space import Architecture, Categorical, Choice, Integer, Real, Space, Subset
from azora.strategies.bayesian import ACQUISITIONS, SURROGATES, Bayesian
from azora.strategies.candidates import MOST_LOOKED_AT, Candidates, Value, fresh
from azora.strategies.fresh import familiar, stranger
from azora.strategies.member import Member, rank, tournament
from azora.strategies.shortlist import Shortlist
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Objective, Proposal, Report

Source = Literal["random", "mutation", "cross", "neighbours", "mixed"]
Otherwise = Literal["first", "size"]
Replacement = Literal["oldest", "worst", "none"]

USUAL = 100.0  # judgements of a search, until it is known what it can pay for
LARGEST_OF = 4  # candidates, the largest of which is proposed
TRIES = 10  # pools in a row that held nothing new
SHARE_NEAR = 0.5  # of a mixed pool


@final
@dataclass(frozen=True)
class Phase:
    """What a composed strategy does for a part of its search.

    Args:
        source: where candidates come from: "random" draws; "mutation" of members of the population that won a
            tournament; "cross", the same of a cross of two; "neighbours" of the best by the surrogate, or of winners;
            "mixed", half of them neighbours and half random.
        guided: the share of proposals that a surrogate chooses.
        surrogate, acquisition: as `Bayesian` has them.
        refit: every how many judgements the surrogate is fitted anew.
        pool: how many candidates the surrogate chooses among.
        otherwise: what is proposed when it does not: the "first" candidate, or of four the largest by "size" (the
            numbers of parameters and multiply-accumulates).
        draws: the size of a tournament, and of how many of the best neighbours are taken.
        changes: how many decisions of a child mutate, in the mean.
        rewiring: how many times as often a connection (a subset: the inputs of a node) mutates as a word.
        resizing: how many times as often a number does.
        until: the share of all judgements at which the phase ends; the last one goes on.

    Raises:
        ConfigError: a setting outside its bounds, or an unknown name.
    """

    source: Source = "mutation"
    guided: float = 0.0
    surrogate: str = "gp"
    acquisition: str = "ei"
    refit: int = 1
    pool: int = 100
    otherwise: Otherwise = "first"
    draws: int = 5
    changes: float = 1.0
    rewiring: float = 1.0
    resizing: float = 1.0
    until: float = 1.0

    def __post_init__(self) -> None:
        _check_name("source", self.source, get_args(Source))
        _check_name("otherwise", self.otherwise, get_args(Otherwise))
        _check_name("surrogate", self.surrogate, tuple(SURROGATES))
        _check_name("acquisition", self.acquisition, tuple(ACQUISITIONS))
        check_whole(1, pool=self.pool, draws=self.draws, refit=self.refit)
        check_finite(changes=self.changes, rewiring=self.rewiring, resizing=self.resizing)
        if not (0 <= self.guided <= 1 and 0 < self.until <= 1):
            raise ConfigError(f"guided={self.guided} must be from 0 to 1, until={self.until} above 0 and at most 1")
        if self.changes <= 0 or min(self.rewiring, self.resizing) < 0:
            raise ConfigError(
                f"changes={self.changes} must be above 0,"
                f" rewiring={self.rewiring} and resizing={self.resizing} at least 0"
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Phase:
        """From JSON.

        Raises:
            ConfigError: an unknown name, or a value outside its bounds.
        """
        known = [each.name for each in fields(cls)]
        for name in settings:
            if name not in known:
                raise ConfigError(f"a phase has no setting {name!r}; {closest(name, known)}")
        try:
            return cls(**settings)
        except TypeError as error:
            raise ConfigError(f"a phase of {dict(settings)!r}: {error}") from error


@final
class Composed(Strategy):
    """Phases, one after the other, over one population.

    Regularised evolution (Real et al., 2019) is one phase of mutations that nothing guides, and forgets the oldest;
    Bayesian optimisation with local candidates (White et al., 2021) one that is always guided. What lies between and
    beyond them is found by `azora meta-search`.

    Args:
        phases: what is done, in order, as JSON (see `Phase`).
        start: judgements before the first phase: of the space's familiar points, if it has any, and of random ones.
        population: how many members tournaments are held among.
        replacement: who leaves a full population: the "oldest", the "worst", or "none".

    Raises:
        ConfigError: no phase, a start or population that is no whole number from 2 on, or what `Phase` refuses.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objective: Objective | None = None,
        phases: Sequence[Mapping[str, Any]] = ({},),
        start: int = 10,
        population: int = 20,
        replacement: Replacement = "oldest",
    ) -> None:
        super().__init__(space, seed, objective)
        _check_name("replacement", replacement, get_args(Replacement))
        check_whole(2, start=start, population=population)
        if not phases:
            raise ConfigError("phases=[]: a composed strategy has one at least, such as [{}]")
        self.phases = [dict(each) for each in phases]
        self.start, self.population, self.replacement = start, population, replacement
        self._phases = [Phase.of(each) for each in phases]
        self.members: deque[Member] = deque()
        self.known: dict[str, Member] = {}
        self.seen: set[str] = set()
        self.all = USUAL
        self.guides = [self._guide(each) for each in self._phases]
        self._sizes = Shortlist(space, ("size",), None, seed)

    def fit(self, affordable: Affordable) -> None:
        self.all = max(1.0, len(self.known) + affordable.units)

    def proposers(self) -> Iterable[Strategy]:
        return filter(None, self.guides)

    def propose(self, rng: random.Random) -> Proposal | None:
        if len(self.seen) < self.start or not self.members:
            return familiar(self.space, self.seen) or stranger(self.space, self.seen, rng)
        place = self._place()
        phase, guide = self._phases[place], self.guides[place]
        if guide is not None and rng.random() < phase.guided:
            return guide.propose(rng)
        return self._unguided(phase, rng) or stranger(self.space, self.seen, rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
        for guide in filter(None, self.guides):
            guide.hand_out(proposal)

    def learn(self, proposal: Proposal, report: Report) -> None:
        for guide in filter(None, self.guides):
            guide.learn(proposal, report)
        reached = rank(self.objective, proposal, report)
        if (member := self.known.get(proposal.architecture.key)) is not None:
            member.judge_again(reached)
            return
        member = self.known[proposal.architecture.key] = Member(proposal.architecture, reached)
        self.members.append(member)
        while self.replacement != "none" and len(self.members) > self.population:
            if self.replacement == "oldest":
                self.members.popleft()
            else:
                self.members.remove(min(self.members, key=lambda each: each.rank))

    def candidates(
        self, phase: Phase, count: int, best: Sequence[Architecture], rng: random.Random
    ) -> list[Architecture]:
        """`count` of them at most, some of which may be known. `best` are the best by a surrogate, the best first."""
        if phase.source == "random":
            return [self.space.sample(rng) for _ in range(count)]
        if phase.source in ("neighbours", "mixed"):
            share = 1.0 if phase.source == "neighbours" else SHARE_NEAR
            near = sum(rng.random() < share for _ in range(count))
            strangers = [self.space.sample(rng) for _ in range(count - near)]
            return [*self._neighbours(phase, near, best, rng), *strangers]
        return [self._child(phase, rng) for _ in range(count)]

    # Inside -----------------------------------------------------------------------------------------------------

    def _guide(self, phase: Phase) -> Bayesian | None:
        if not phase.guided:
            return None
        return Bayesian(
            self.space, self.seed, self.objective, phase.surrogate, phase.acquisition, _Pool(self, phase), self.start,
            refit=phase.refit,
        )  # fmt: skip

    def _place(self) -> int:
        done = len(self.known) / self.all  # what is trained for longer later is no new judgement
        ends = (place for place, each in enumerate(self._phases) if done < each.until)
        return next(ends, len(self._phases) - 1)

    def _unguided(self, phase: Phase, rng: random.Random) -> Proposal | None:
        wanted = LARGEST_OF if phase.otherwise == "size" else 1
        for _ in range(TRIES):
            found = fresh(self.candidates(phase, wanted, (), rng), self.seen)
            if found:
                scores = self._sizes.scores(found) if len(found) > 1 else None
                chosen = found[0] if scores is None else found[scores.index(max(scores))]
                return Proposal(chosen, origin=phase.source)
        return None

    def _neighbours(
        self, phase: Phase, count: int, best: Sequence[Architecture], rng: random.Random
    ) -> list[Architecture]:
        parents = list(best[: phase.draws]) or [self._winner(phase, rng)]
        near = [
            each for parent in parents for each in islice(self.space.neighbours(parent), MOST_LOOKED_AT)
        ]  # fmt: skip
        return rng.sample(near, min(count, len(near)))

    def _child(self, phase: Phase, rng: random.Random) -> Architecture:
        child = self._winner(phase, rng)
        if phase.source == "cross":
            child = self.space.cross(child, self._winner(phase, rng), rng)
        rate = phase.changes / len(child)
        return self.space.vary(child, rng, lambda choice: min(1.0, rate * _times(choice, phase)))

    def _winner(self, phase: Phase, rng: random.Random) -> Architecture:
        return tournament(self.members, phase.draws, rng).architecture


@final
class _Pool(Candidates):
    """What a phase of a composed strategy lets its surrogate choose among."""

    def __init__(self, owner: Composed, phase: Phase) -> None:
        self.owner, self.phase = owner, phase

    def find(
        self, space: Space, best: Sequence[Architecture], seen: Collection[str], value: Value, rng: random.Random
    ) -> list[Architecture]:
        return fresh(self.owner.candidates(self.phase, self.phase.pool, best, rng), seen)


def _times(choice: Choice, phase: Phase) -> float:
    if isinstance(choice, Subset):
        return phase.rewiring
    number = isinstance(choice, Integer | Real) or (isinstance(choice, Categorical) and choice.ordered)
    return phase.resizing if number else 1.0


def _check_name(word: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise ConfigError(f"there is no {word} {given!r}; {closest(str(given), known)}")
