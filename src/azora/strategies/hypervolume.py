"""Bayesian optimisation towards the front of two objectives, by the area that it covers."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from azora.errors import ConfigError
from azora.fronts import crowding, front_ranks
from azora.settings import check_whole
from azora.space import Architecture, Space
from azora.strategies.bayesian import CANDIDATES, MIDDLING, SURROGATES, Identity, levels_of, part, spread
from azora.strategies.candidates import Candidates, Near
from azora.strategies.fresh import familiar, stranger
from azora.strategies.strategy import Strategy
from azora.strategies.surrogates import Array, Description, Posterior, Surrogate, normal_ranks
from azora.trial import Objective, Proposal, Report

PARENTS, CLOSE, FAR = 24, 24, 8  # of the front, and candidates around each of them
FAILED = (-math.inf, -math.inf)

Pair = tuple[float, float]


@dataclass(frozen=True)
class _Judged:
    architecture: Architecture
    budget: float | None
    scores: Pair

    @property
    def failed(self) -> bool:
        return self.scores == FAILED


@dataclass(frozen=True)
class _Belief:
    """What is believed of each objective, and what that makes of what was judged, the front first."""

    axes: tuple[Posterior | _Told, ...]
    best: list[Architecture]
    front: list[Pair]
    reference: Pair
    level: float | None


@final
class _Told:
    """An objective that the space tells: its rank among what was judged, between whom ranks are in proportion, and
    beyond whom they go on at the mean pace."""

    def __init__(self, space: Space, objective: Objective, scores: Sequence[float], ranks: Array) -> None:
        self.space, self.objective = space, objective
        rising = sorted({score: rank for score, rank in zip(scores, ranks, strict=True) if score > -math.inf}.items())
        self.scores, self.ranks = np.array(rising).T
        self.pace = float((self.ranks[-1] - self.ranks[0]) / (self.scores[-1] - self.scores[0]))

    def ranked(self, architectures: Sequence[Architecture]) -> tuple[Array, Array]:
        """(n,) ranks, and how unsure they are: not at all."""
        told = [_told(self.space, self.objective, each) for each in architectures]
        scores = np.array([math.nan if each is None else each for each in told])
        beyond = scores - np.clip(scores, self.scores[0], self.scores[-1])
        return np.interp(scores, self.scores, self.ranks) + self.pace * beyond, np.zeros(len(scores))


def _told(space: Space, objective: Objective, architecture: Architecture) -> float | None:
    """The score of an objective that the space tells without a judgement."""
    cost = (space.root.cost(architecture) or {}).get(objective.metric)
    return None if cost is None else float(cost if objective.maximise else -cost)


@final
class HypervolumeSearch(Strategy):
    """A surrogate for each of two objectives; of some hundred candidates, that is next by which the front is expected
    to grow most (expected hypervolume improvement, Emmerich et al., 2006; exact, as in Yang et al., 2019).

    Objectives are ranks, as quantiles of the normal distribution, so neither has a unit, and areas are in them. The
    front that is to grow is that of the surrogates' means at what was judged: the luckiest judgements would look
    better than they are. It is measured from the worst that was judged in either objective, so that it may grow beyond
    its ends. Candidates are around the front's members, those with most room between them first.

    An objective that `Space.cost` tells beforehand (macs, params) is not learned but known, as long as it agrees with
    what was reported.

    Args:
        objectives: two; the first is `objective`.
        surrogate, start: as `Bayesian` has them; the surrogate is fitted to each objective.
        candidates: as `Bayesian` has them; None is `Near` with more parents, for a front is longer than a peak is wide.

    Raises:
        ConfigError: not two objectives, an unknown name, or a start that is no whole number from 2 on.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objectives: Sequence[Objective] = (Objective(), Objective("macs", False)),
        surrogate: str | Surrogate = "gp",
        candidates: str | Candidates | None = None,
        start: int = 10,
    ) -> None:
        if len(objectives) != 2:
            raise ConfigError(f"{len(objectives)} objectives: an area is of two")
        super().__init__(space, seed, objectives[0])
        check_whole(2, start=start)
        self.objectives, self.start = tuple(objectives), start
        self.surrogate = part("surrogate", surrogate, SURROGATES)
        self.candidates = part("candidates", candidates or Near(PARENTS, CLOSE, FAR), CANDIDATES)
        self.seen: set[str] = set()
        self.pending: dict[Identity, Proposal] = {}
        self.judged: dict[Identity, _Judged] = {}
        self._told = 0
        self._describe = Description(space)
        self._believed: tuple[object, _Belief] | None = None

    def propose(self, rng: random.Random) -> Proposal | None:
        if len(self.seen) < self.start and (known := familiar(self.space, self.seen)) is not None:
            return known
        if (lack := self._lack()) is not None:
            return self._stranger(rng, f"random: {lack}")
        belief = self._belief()

        def value(architectures: Sequence[Architecture]) -> Array:
            first, second = self._believed_of(belief.axes, architectures, belief.level)
            return expected_growth(first, second, belief.front, belief.reference)

        if found := self.candidates.find(self.space, belief.best, self.seen, value, rng):
            return Proposal(found[int(np.argmax(value(found)))], origin="hypervolume")
        return self._stranger(rng, "random: no candidate is new")

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
        self.pending[proposal.identity] = proposal

    def learn(self, proposal: Proposal, report: Report) -> None:
        self.pending.pop(proposal.identity, None)
        first, second = (objective.score(report) for objective in self.objectives)
        scores = FAILED if min(first, second) == -math.inf else (first, second)
        self.judged[proposal.identity] = _Judged(proposal.architecture, proposal.budget, scores)
        self._told += 1

    def _lack(self) -> str | None:
        """What is missing before surrogates can be fitted."""
        known = {key for key, _ in self.judged}
        if len(known) < self.start:
            return f"{len(known)} of {self.start} points known"
        scores = [each.scores for each in self.judged.values() if not each.failed]
        if any(len(set(each)) < 2 for each in zip(*scores, strict=True)) or not scores:
            return "no two points that differ are known"
        return None

    def _belief(self) -> _Belief:
        """The surrogates fitted to what is known: the same for asks between which nothing was told."""
        state = (self._told, tuple(sorted(self.pending, key=repr)))
        if self._believed is None or self._believed[0] != state:
            self._believed = (state, self._fit([self.pending[identity] for identity in state[1]]))
        return self._believed[1]

    def _fit(self, lies: Sequence[Proposal]) -> _Belief:
        judged = list(self.judged.values())
        columns = [normal_ranks([(each.scores[axis],) for each in judged]) for axis in (0, 1)]
        order = _standing(list(zip(*columns, strict=True)))
        kept = [order[place] for place in spread(len(order))]
        every: list[_Judged | Proposal] = [*(judged[place] for place in kept), *lies]
        levels = levels_of([each.budget for each in every])
        rows = self._rows([each.architecture for each in every], [levels.get(each.budget) for each in every])
        groups = self._describe.groups(judged[0].architecture)
        if levels:
            groups.append(slice(rows.shape[1] - 1, rows.shape[1]))
        liars = np.full(len(lies), MIDDLING)
        axes: list[Posterior | _Told] = []
        for axis, objective in enumerate(self.objectives):
            scores = [each.scores[axis] for each in judged]
            if self._tells(axis):
                axes.append(_Told(self.space, objective, scores, columns[axis]))
            else:
                axes.append(self.surrogate.fit(rows, np.append(columns[axis][kept], liars), groups))
        return self._ranked(tuple(axes), [judged[place] for place in kept], levels)

    def _tells(self, axis: int) -> bool:
        """Whether the space tells an objective, and was right so far."""
        return all(
            (told := _told(self.space, self.objectives[axis], each.architecture)) is not None
            and math.isclose(told, each.scores[axis], rel_tol=1e-6)
            for each in self.judged.values()
            if not each.failed
        )

    def _ranked(
        self, axes: tuple[Posterior | _Told, ...], judged: Sequence[_Judged], levels: Mapping[float | None, float]
    ) -> _Belief:
        known = list({each.architecture.key: each.architecture for each in judged if not each.failed}.values())
        level = max((levels[each.budget] for each in judged if not each.failed), default=None) if levels else None
        (first, _), (second, _) = self._believed_of(axes, known, level)
        points: list[Pair] = list(zip(first.tolist(), second.tolist(), strict=True))
        front = [point for point, rank in zip(points, front_ranks(points), strict=True) if rank == 0]
        reference = (float(first.min()), float(second.min()))
        return _Belief(axes, [known[place] for place in _standing(points)], front, reference, level)

    def _believed_of(
        self, axes: tuple[Posterior | _Told, ...], architectures: Sequence[Architecture], level: float | None
    ) -> list[tuple[Array, Array]]:
        """For each objective, the means and deviations of the architectures' ranks."""
        rows = self._rows(architectures, [level] * len(architectures))
        return [axis.ranked(architectures) if isinstance(axis, _Told) else axis.predict(rows) for axis in axes]

    def _rows(self, architectures: Sequence[Architecture], levels: Sequence[float | None]) -> Array:
        rows = self._describe(architectures)
        return rows if levels[0] is None else np.column_stack([rows, np.asarray(levels, dtype=np.float64)])

    def _stranger(self, rng: random.Random, why: str) -> Proposal | None:
        found = stranger(self.space, self.seen, rng)
        return None if found is None else replace(found, origin=why)


def expected_growth(
    first: tuple[Array, Array], second: tuple[Array, Array], front: Sequence[Pair], reference: Pair
) -> Array:
    """By how much the area between `front` and `reference` is expected to grow with each of n points whose objectives
    are normal and independent: (n,) means and deviations of each → (n,).

    Above the front's steps are strips, between neighbours in the first objective; a point adds the part of each strip
    that is left of and below it, and the mean of a product of what is independent is the product of the means.
    """
    steps = sorted(point for point, rank in zip(front, front_ranks(front), strict=True) if rank == 0)
    left = np.array([reference[0], *(max(point[0], reference[0]) for point in steps)])
    floor = np.array([*(max(point[1], reference[1]) for point in steps), reference[1]])
    beyond = _surplus(*first, left)
    width = beyond - np.column_stack([beyond[:, 1:], np.zeros(len(beyond))])
    growth: Array = (width * _surplus(*second, floor)).sum(1)
    return growth


def _surplus(mean: Array, deviation: Array, floors: Array) -> Array:
    """The expected excess over each of (m,) floors: (n,) → (n, m)."""
    from scipy.special import ndtr

    deviation = np.maximum(deviation, 1e-9)[:, None]
    gain = (mean[:, None] - floors) / deviation
    surplus: Array = deviation * (gain * ndtr(gain) + np.exp(-0.5 * gain * gain) / np.sqrt(2.0 * np.pi))
    return surplus


def _standing(points: Sequence[Pair]) -> list[int]:
    """The places of points, the first front first, and within a front the roomiest."""
    ranks, room = front_ranks(points), [0.0] * len(points)
    for rank in set(ranks):
        places = [place for place, each in enumerate(ranks) if each == rank]
        for place, found in zip(places, crowding([points[place] for place in places]), strict=True):
            room[place] = found
    return sorted(range(len(points)), key=lambda place: (ranks[place], -room[place]))
