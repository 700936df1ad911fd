"""Bayesian optimisation."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TypeVar, final

import numpy as np

from azora.errors import ConfigError
from azora.settings import check_whole, closest
from azora.space import Architecture, Space
from azora.strategies.acquisition import Acquisition, ExpectedImprovement, ThompsonSampling, UpperConfidenceBound
from azora.strategies.candidates import Candidates, Evolved, Near, fresh
from azora.strategies.fresh import familiar, stranger
from azora.strategies.memory import Lifted, Mean, Memory, Remembered, lift
from azora.strategies.shortlist import Shortlist
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
from azora.tasks import SearchData
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
REMEMBERED, PROBE = 3, 1  # judgements that begin a search with a memory, and which of them is random
PARENTS = 10  # of each memory: what candidates are sought around, and candidates themselves
FEW = 16  # candidates that proxies are computed for at an ask: for all of them it would take longer than a training

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
    proxies: Array | None  # (observations, proxies), where it was told them


@final
class Bayesian(Strategy):
    """A surrogate learns from what was judged; of some hundred candidates, that with the best acquisition is next.

    What is learned are ranks, as quantiles of the normal distribution; what failed is the worst of all. Where there are
    several budgets, the surrogate is told each judgement's, and predicts for the highest: what was trained longest was
    chosen for how well it did before, so the highest budget alone would be few and all good, and ranks of different
    budgets cannot be mixed without saying which is which.

    The first points are the space's familiar ones, if it has any, and random ones. An ask is bounded: a surrogate
    learns from 400 observations, the better half of them the best there are.

    With `features`, a second surrogate is told proxies too, as shares of the judged networks that are lower, and
    decides among the sixteen candidates that the first values most (White et al., 2021, and Krishnakumar et al., 2022,
    who tell a surrogate proxies of all).

    Args:
        surrogate: "gp" (Gaussian process), "ensemble" (of networks), "trees" (boosted), or one of one's own.
        acquisition: "ei" (expected improvement), "thompson", "ucb", or one of one's own.
        candidates: "near" (neighbours of the best and random ones), "evolved", or a generator of one's own.
        start: judgements before the surrogate is asked.
        memory: what searches on other tasks found in this space. Then what is learned is how this task differs from
            them: the surrogate's mean is theirs, weighed by how well they order what was judged here (see `Memory`).
            Three judgements begin it, one of them random so that a memory that misleads is found out. Until `start`
            judgements what is expected best is next, whatever the acquisition: there is too little here to learn how
            sure that is. A memory that has lost all its weight leaves the search as it would have been without.
        features: zero-cost proxies, see `Shortlist`; so is `data`. Or a shortlist, where several share its values.
        refit: every how many judgements the surrogate is fitted anew, for one that takes long.

    Raises:
        ConfigError: an unknown name, a start that is no whole number from 2 on, a refit that is none from 1 on, or a
            proxy that cannot be had.
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
        features: Sequence[str] | Shortlist = (),
        data: SearchData | None = None,
        memory: Sequence[Remembered] = (),
        refit: int = 1,
    ) -> None:
        super().__init__(space, seed, objective)
        check_whole(2, start=start)
        check_whole(1, refit=refit)
        self.surrogate = part("surrogate", surrogate, SURROGATES)
        self.acquisition = part("acquisition", acquisition, ACQUISITIONS)
        self.candidates = part("candidates", candidates, CANDIDATES)
        self.start, self.refit = start, refit
        told = features if isinstance(features, Shortlist) or not features else Shortlist(space, features, data, seed)
        self.proxies = told if isinstance(told, Shortlist) else None
        self.features = self.proxies.proxies if self.proxies else ()
        self.seen: set[str] = set()
        self.pending: dict[Identity, Proposal] = {}
        self.judged: dict[Identity, _Judged] = {}
        self.history = list[tuple[Identity, _Judged]]()
        self.strangers = 0
        self.memory = Memory(space, memory, self.surrogate)
        self._valid: list[Architecture] | None = None  # what is remembered, once it was looked at
        self._describe = Description(space)
        self._believed: dict[bool, tuple[object, _Belief]] = {}
        self._trusted: tuple[int, Array] | None = None

    def propose(self, rng: random.Random) -> Proposal | None:
        if (first := self._first(rng)) is not None:
            return first
        if (lack := self._lack()) is not None:
            return self._stranger(rng, f"random: {lack}")
        belief, draws = self._belief(), np.random.default_rng(rng.getrandbits(64))

        def value(architectures: Sequence[Architecture]) -> Array:
            return self._value(belief, architectures, draws)

        # What is known from elsewhere is a parent of candidates as well, and no child of others need be like it.
        known = self._remembered() if self._trust() > 0.0 else []
        found = self.candidates.find(self.space, belief.best, self.seen, value, rng)
        if found := fresh([*known, *found], self.seen):
            return Proposal(self._chosen(found, value(found), draws), origin=self._origin())
        return self._stranger(rng, "random: no candidate is new")

    def _first(self, rng: random.Random) -> Proposal | None:
        """What memory says, or what is familiar, for as long as there is nothing to fit a surrogate to."""
        asked = len(self.seen)
        if asked >= self.start:
            return None
        if (trust := self._trust()) > 0.0:
            # As much as memory is doubted, the search begins as it would without: such points find out who misleads.
            if asked == PROBE or self.strangers < int((1.0 - trust) * (asked + 1)):
                return self._stranger(rng, "random: to see whether memory is right")
            if asked < REMEMBERED and (found := self._recalled(self._weights(), rng)) is not None:
                return found
            return None
        return familiar(self.space, self.seen)

    def _recalled(self, weights: Array, rng: random.Random) -> Proposal | None:
        """What memory expects most of."""
        mean = self.memory.prior(self._describe, weights)

        def value(architectures: Sequence[Architecture]) -> Array:
            return mean(self._describe(architectures))

        known = self._remembered()
        found = fresh([*known, *self.candidates.find(self.space, known, self.seen, value, rng)], self.seen)
        if not found:
            return None
        tasks = ", ".join(task for task, weight in zip(self.memory.tasks, weights, strict=True) if weight)
        return Proposal(found[int(np.argmax(value(found)))], origin=f"expected from {tasks}")

    def _remembered(self) -> list[Architecture]:
        """The best of each memory, as far as they are valid here, in turns. Found out once: a network may be built for
        each."""
        if self._valid is None:
            rounds = zip_longest(*(each.best(PARENTS) for each in self.memory.remembered))
            valid = (self.space.admitted(each) for some in rounds for each in some if each is not None)
            self._valid = [each for each in valid if each is not None]
        return self._valid

    def _weights(self) -> Array:
        """How far each memory is believed: the same for asks between which nothing was told."""
        if self._trusted is None or self._trusted[0] != self.told:
            self._trusted = (self.told, self._weighed())
        return self._trusted[1]

    def _trust(self) -> float:
        """From 0 to 1, how far memory is believed as a whole: it is doubted no more than all of its tasks are at once,
        so that several that agree with this one need fewer random points to be believed."""
        return float(1.0 - np.prod(1.0 - self._weights())) if self.memory else 0.0

    def _begins(self) -> bool:
        """Whether what memory expects is followed, whatever the acquisition."""
        return len(self.seen) < self.start and self._trust() > 0.0

    def _weighed(self) -> Array:
        judged = list(self.judged.values())
        if not judged:
            return self.memory.weights(np.zeros((len(self.memory.remembered), 0)), [], [])
        means = self.memory.means(self._describe, self._describe([each.architecture for each in judged]))
        return self.memory.weights(means, [each.order for each in judged], [each.budget for each in judged])

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
        # What is around may say in front why it took this one.
        self.strangers += any(said.startswith("random") for said in proposal.origin.split(": "))
        self.pending[proposal.identity] = proposal

    def learn(self, proposal: Proposal, report: Report) -> None:
        self.pending.pop(proposal.identity, None)
        score = self.objective.score(report)
        order = self.objective.order(report) if score > -math.inf else (-math.inf, -math.inf)
        judged = self.judged[proposal.identity] = _Judged(proposal.architecture, proposal.budget, order)
        self.history.append((proposal.identity, judged))

    @property
    def told(self) -> int:
        """How many reports there were."""
        return len(self.history)

    def _lack(self) -> str | None:
        """What is missing before a surrogate can be fitted."""
        known = {key for key, _ in self.judged}
        start = REMEMBERED if self._trust() > 0.0 else self.start
        if len(known) < start:
            return f"{len(known)} of {start} points known"
        if not _differ(self.judged):
            return "no two points that differ are known"
        return None

    def _chosen(self, found: Sequence[Architecture], values: Array, draws: np.random.Generator) -> Architecture:
        """The candidate with the best value; of the best few, that which is best when proxies are told as well."""
        few: list[Architecture] = [found[place] for place in np.argsort(-values, kind="stable")[:FEW]]
        if self.proxies is None or self.proxies.values(few) is None:
            return few[0]
        return few[int(np.argmax(self._value(self._belief(True), few, draws)))]

    def _value(self, belief: _Belief, architectures: Sequence[Architecture], draws: np.random.Generator) -> Array:
        rows = self._rows(architectures, [belief.level] * len(architectures), belief.proxies)
        if self._begins():
            return belief.posterior.predict(rows)[0]
        return self.acquisition.value(belief.posterior, rows, belief.highest, draws)

    def _belief(self, with_proxies: bool = False) -> _Belief:
        """The surrogate fitted to what is known: the same for asks between which it is not to be fitted anew."""
        lies = sorted(self.pending, key=repr) if self.acquisition.lies else []
        learned = self._learned()
        state = (learned, tuple(lies))
        if with_proxies not in self._believed or self._believed[with_proxies][0] != state:
            fitted = self._fit(learned, [self.pending[identity] for identity in lies], with_proxies)
            self._believed[with_proxies] = (state, fitted)
        return self._believed[with_proxies][1]

    def _learned(self) -> int:
        """How many judgements the surrogate learns from: those that there were when it was last to be fitted, or all
        where these are too few to begin with."""
        count = self.told - self.told % self.refit
        if count == self.told:
            return count
        some = dict(self.history[:count])
        return count if len({key for key, _ in some}) >= self.start and _differ(some) else self.told

    def _fit(self, learned: int, lies: Sequence[Proposal], with_proxies: bool) -> _Belief:
        known_then = self.judged if learned == self.told else dict(self.history[:learned])
        judged = sorted(known_then.values(), key=lambda each: each.order, reverse=True)
        targets = normal_ranks([each.order for each in judged])
        kept = spread(len(judged))
        judged, targets = [judged[place] for place in kept], targets[kept]
        every: list[_Judged | Proposal] = [*judged, *lies]
        levels = levels_of([each.budget for each in every])
        lower = self._proxied([each.architecture for each in judged]) if with_proxies else None
        rows = self._rows([each.architecture for each in every], [levels.get(each.budget) for each in every], lower)
        groups = self._describe.groups(judged[0].architecture)
        described = groups[-1].stop if groups else 0
        groups += [slice(place, place + 1) for place in range(described, rows.shape[1])]
        targets, mean = self._lifted(rows[:, :described] if self.memory else rows, targets)
        posterior = self.surrogate.fit(rows, targets, groups)
        if mean is not None:
            posterior = Lifted(posterior, lambda asked: mean(asked[:, :described]))
        known = list({each.architecture.key: each.architecture for each in judged if not each.failed}.values())
        level = max((levels[each.budget] for each in judged if not each.failed), default=None) if levels else None
        means, _ = posterior.predict(self._rows(known, [level] * len(known), lower))
        ranked = np.argsort(-means, kind="stable")
        best = [known[place] for place in ranked]
        if mean is not None:
            best = _alternately(best, self._remembered())
        return _Belief(posterior, best, float(means[ranked[0]]), level, lower)

    def _lifted(self, rows: Array, targets: Array) -> tuple[Array, Mean | None]:
        """What a surrogate of `rows` (n, columns) is to learn, given the `targets` of the first of them (the others
        are being judged); and the mean that memory gives, where it has anything to say."""
        liars = np.full(len(rows) - len(targets), MIDDLING)
        weights = self._weights() if self.memory else np.zeros(1)
        if not weights.any():
            return np.append(targets, liars), None
        mean = self.memory.prior(self._describe, weights)
        base = mean(rows)
        lifted = lift(base[: len(targets)], targets, float((weights**2).sum() / weights.sum()))
        # Of what is being judged, no more is said than what memory expects.
        return np.append(lifted - base[: len(targets)], liars), mean

    def _rows(
        self, architectures: Sequence[Architecture], levels: Sequence[float | None], lower: Array | None
    ) -> Array:
        """(n, columns): the description, the shares of `lower` (observations, proxies) that are below, the budget."""
        parts = [self._describe(architectures)]
        if lower is not None:
            columns = zip(lower.T, self._proxied(architectures).T, strict=True)
            parts += [np.searchsorted(np.sort(known), asked) / len(known) for known, asked in columns]
        if levels[0] is not None:
            parts.append(np.asarray(levels, dtype=np.float64))
        return np.column_stack(parts)

    def _proxied(self, architectures: Sequence[Architecture]) -> Array:
        """(n, proxies)."""
        assert self.proxies is not None
        return np.asarray(self.proxies.values(architectures), dtype=np.float64)

    def _origin(self) -> str:
        taken = "mean" if self._begins() else _name(self.acquisition, ACQUISITIONS)
        return f"{taken} of {_name(self.surrogate, SURROGATES)}"

    def _stranger(self, rng: random.Random, why: str) -> Proposal | None:
        found = stranger(self.space, self.seen, rng)
        return None if found is None else replace(found, origin=why)


def _differ(judged: Mapping[Identity, _Judged]) -> bool:
    """Whether two points are known that differ, failures aside."""
    return len({each.order for each in judged.values() if not each.failed}) > 1


def _alternately(first: Sequence[Architecture], second: Sequence[Architecture]) -> list[Architecture]:
    pairs = zip_longest(first, second)
    return list({each.key: each for pair in pairs for each in pair if each is not None}.values())


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
