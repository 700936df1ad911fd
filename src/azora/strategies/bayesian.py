"""Bayesian optimisation."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, final

import numpy as np

from azora.errors import ConfigError
from azora.settings import closest
from azora.space import Architecture, Space
from azora.strategies.acquisition import Acquisition, ExpectedImprovement, ThompsonSampling, UpperConfidenceBound
from azora.strategies.candidates import Candidates, Evolved, Near
from azora.strategies.fresh import familiar, stranger
from azora.strategies.strategy import Strategy
from azora.strategies.surrogates import (
    Array,
    BoostedTrees,
    Description,
    GaussianProcess,
    NetworkEnsemble,
    Posterior,
    Surrogate,
    normal_ranks,
)
from azora.trial import Objective, Proposal, Report

SURROGATES: Mapping[str, type[Surrogate]] = {"gp": GaussianProcess, "ensemble": NetworkEnsemble, "trees": BoostedTrees}
ACQUISITIONS: Mapping[str, type[Acquisition]] = {
    "ei": ExpectedImprovement,
    "thompson": ThompsonSampling,
    "ucb": UpperConfidenceBound,
}
CANDIDATES: Mapping[str, type[Candidates]] = {"near": Near, "evolved": Evolved}

MOST = 400  # observations that a surrogate learns from
MIDDLING = 0.0  # the target of what is still being judged

Part = TypeVar("Part", Surrogate, Acquisition, Candidates)
Identity = tuple[str, float | None]


@dataclass(frozen=True)
class _Judged:
    architecture: Architecture
    budget: float | None
    order: tuple[float, float]

    @property
    def failed(self) -> bool:
        return self.order[0] == -math.inf


@dataclass(frozen=True)
class _Belief:
    """A fitted surrogate, and the architectures that it takes for the best, the best first."""

    posterior: Posterior
    best: list[Architecture]
    highest: float
    level: float | None  # what every row ends with: the budget that is predicted for


@final
class Bayesian(Strategy):
    """A surrogate learns from what was judged; of some hundred candidates, that with the best acquisition is next.

    What is learned are ranks, as quantiles of the normal distribution; what failed is the worst of all. Where there are
    several budgets, the surrogate is told each judgement's, and predicts for the highest: what was trained longest was
    chosen for how well it did before, so the highest budget alone would be few and all good, and ranks of different
    budgets cannot be mixed without saying which is which.

    The first points are the space's familiar ones, if it has any, and random ones. An ask is bounded: a surrogate
    learns from 400 observations, the better half of them the best there are.

    Args:
        surrogate: "gp" (Gaussian process), "ensemble" (of networks), "trees" (boosted), or one of one's own.
        acquisition: "ei" (expected improvement), "thompson", "ucb", or one of one's own.
        candidates: "near" (neighbours of the best and random ones), "evolved", or a generator of one's own.
        start: judgements before the surrogate is asked.

    Raises:
        ConfigError: an unknown name, or a start below 2.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objective: Objective | None = None,
        surrogate: str | Surrogate = "gp",
        acquisition: str | Acquisition = "ei",
        candidates: str | Candidates = "near",
        start: int = 10,
    ) -> None:
        super().__init__(space, seed, objective)
        if start < 2:
            raise ConfigError(f"start={start} must be at least 2")
        self.surrogate = part("surrogate", surrogate, SURROGATES)
        self.acquisition = part("acquisition", acquisition, ACQUISITIONS)
        self.candidates = part("candidates", candidates, CANDIDATES)
        self.start = start
        self.seen: set[str] = set()
        self.pending: dict[Identity, Proposal] = {}
        self.judged: dict[Identity, _Judged] = {}
        self.told = 0
        self._describe = Description(space)
        self._believed: tuple[object, _Belief] | None = None

    def propose(self, rng: random.Random) -> Proposal | None:
        if len(self.seen) < self.start and (known := familiar(self.space, self.seen)) is not None:
            return known
        if (lack := self._lack()) is not None:
            return self._stranger(rng, f"random: {lack}")
        belief, draws = self._belief(), np.random.default_rng(rng.getrandbits(64))

        def value(architectures: Sequence[Architecture]) -> Array:
            rows = self._rows(architectures, [belief.level] * len(architectures))
            return self.acquisition.value(belief.posterior, rows, belief.highest, draws)

        if found := self.candidates.find(self.space, belief.best, self.seen, value, rng):
            return Proposal(found[int(np.argmax(value(found)))], origin=self._origin())
        return self._stranger(rng, "random: no candidate is new")

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
        self.pending[proposal.identity] = proposal

    def learn(self, proposal: Proposal, report: Report) -> None:
        self.pending.pop(proposal.identity, None)
        score = self.objective.score(report)
        order = self.objective.order(report) if score > -math.inf else (-math.inf, -math.inf)
        self.judged[proposal.identity] = _Judged(proposal.architecture, proposal.budget, order)
        self.told += 1

    def _lack(self) -> str | None:
        """What is missing before a surrogate can be fitted."""
        known = {key for key, _ in self.judged}
        if len(known) < self.start:
            return f"{len(known)} of {self.start} points known"
        if len({each.order for each in self.judged.values() if not each.failed}) < 2:
            return "no two points that differ are known"
        return None

    def _belief(self) -> _Belief:
        """The surrogate fitted to what is known: the same for asks between which nothing was told."""
        lies = sorted(self.pending, key=repr) if self.acquisition.lies else []
        state = (self.told, tuple(lies))
        if self._believed is None or self._believed[0] != state:
            self._believed = (state, self._fit([self.pending[identity] for identity in lies]))
        return self._believed[1]

    def _fit(self, lies: Sequence[Proposal]) -> _Belief:
        judged = sorted(self.judged.values(), key=lambda each: each.order, reverse=True)
        targets = normal_ranks([each.order for each in judged])
        kept = spread(len(judged))
        judged, targets = [judged[place] for place in kept], targets[kept]
        every: list[_Judged | Proposal] = [*judged, *lies]
        levels = levels_of([each.budget for each in every])
        rows = self._rows([each.architecture for each in every], [levels.get(each.budget) for each in every])
        groups = self._describe.groups(judged[0].architecture)
        if levels:
            groups.append(slice(rows.shape[1] - 1, rows.shape[1]))
        posterior = self.surrogate.fit(rows, np.append(targets, np.full(len(lies), MIDDLING)), groups)
        known = list({each.architecture.key: each.architecture for each in judged if not each.failed}.values())
        level = max((levels[each.budget] for each in judged if not each.failed), default=None) if levels else None
        means, _ = posterior.predict(self._rows(known, [level] * len(known)))
        ranked = np.argsort(-means, kind="stable")
        return _Belief(posterior, [known[place] for place in ranked], float(means[ranked[0]]), level)

    def _rows(self, architectures: Sequence[Architecture], levels: Sequence[float | None]) -> Array:
        rows = self._describe(architectures)
        if levels[0] is None:
            return rows
        return np.column_stack([rows, np.asarray(levels, dtype=np.float64)])

    def _origin(self) -> str:
        names = (_name(self.acquisition, ACQUISITIONS), _name(self.surrogate, SURROGATES))
        return " of ".join(names)

    def _stranger(self, rng: random.Random, why: str) -> Proposal | None:
        found = stranger(self.space, self.seen, rng)
        return None if found is None else replace(found, origin=why)


def part(word: str, given: str | Part, known: Mapping[str, type[Part]]) -> Part:
    """The part that is called `given` among `known`, or `given` itself.

    Raises:
        ConfigError: there is none of that name.
    """
    if not isinstance(given, str):
        return given
    if given not in known:
        raise ConfigError(f"there is no {word} {given!r}; {closest(given, known)}")
    return known[given]()


def _name(part: object, known: Mapping[str, type[object]]) -> str:
    return next((name for name, kind in known.items() if type(part) is kind), type(part).__name__)


def levels_of(budgets: Sequence[float | None]) -> dict[float | None, float]:
    """The place of each budget among those that there are; nothing, where there is but one. None is the highest."""
    there = sorted(set(budgets), key=lambda budget: math.inf if budget is None else budget)
    return {budget: float(place) for place, budget in enumerate(there)} if len(there) > 1 else {}


def spread(count: int) -> list[int]:
    """The places, of `count` in falling order, that a surrogate learns from: the first, and others at even steps."""
    if count <= MOST:
        return list(range(count))
    rest = np.linspace(MOST // 2, count - 1, MOST - MOST // 2).round().astype(int)
    return [*range(MOST // 2), *map(int, rest)]
