"""What searches on other tasks found, and how far to believe it on this one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from azora.errors import ConfigError
from azora.space import Architecture, Space
from azora.strategies.surrogates import Array, Description, GaussianProcess, Posterior, Surrogate, normal_ranks

PAIRS, CONCORDANT = 2.0, 5.0 / 3.0  # what a memory of a task just like this one is believed before anything is known
ALIKE = 0.5  # tasks less alike have no say in what is tried first
DROPPED = 0.2  # a weight below which a memory is not heard
SAME = 1e-9
MOST = 200  # architectures of one memory: the better half of them the best there are

Mean = Callable[[Array], Array]


@final
@dataclass(frozen=True)
class Remembered:
    """What a search on another task found in this space.

    Args:
        task: what that task is called.
        architectures: which were judged there.
        scores: of these; more is better. Only their order counts, so that tasks need not share a metric.
        likeness: from 0 to 1, how alike that task is to this one.

    Raises:
        ConfigError: as many scores as architectures are needed, and two at least; likeness out of its range.
    """

    task: str
    architectures: tuple[Architecture, ...]
    scores: tuple[float, ...]
    likeness: float = 1.0

    def __post_init__(self) -> None:
        if len(self.architectures) != len(self.scores) or len(self.scores) < 2:
            raise ConfigError(
                f"memory of {self.task}: {len(self.architectures)} architectures and {len(self.scores)} scores; give"
                " as many of one as of the other, and two at least"
            )
        if not 0.0 <= self.likeness <= 1.0:
            raise ConfigError(f"memory of {self.task}: likeness {self.likeness} must be from 0 to 1")

    def best(self, count: int) -> list[Architecture]:
        """The best of them, the best first, each network once."""
        order = sorted(range(len(self.scores)), key=lambda place: -self.scores[place])
        return list({self.architectures[place].key: self.architectures[place] for place in order}.values())[:count]

    def fewer(self, most: int, rng: random.Random) -> Remembered:
        """`most` of them, drawn at random."""
        if most >= len(self.scores):
            return self
        places = sorted(rng.sample(range(len(self.scores)), most))
        return Remembered(
            self.task,
            tuple(self.architectures[place] for place in places),
            tuple(self.scores[place] for place in places),
            self.likeness,
        )


@final
class Memory:
    """Regressors of what was remembered, weighed by how well they order what is found here.

    A memory starts as if it had ordered five sixths of two pairs rightly, times its likeness, and every pair of
    networks that were judged here counts for or against it: its weight is 2·share − 1, where the share is that of pairs
    in the right order. Below 0.2 it is not heard, so a memory of an opposite or an unrelated task soon says nothing (as
    ranking-weighted ensembles, Feurer et al., 2018, but by counts).

    Args:
        space: that is searched.
        remembered: of other tasks in this space.
        surrogate: what learns each of them.
    """

    def __init__(self, space: Space, remembered: Sequence[Remembered], surrogate: Surrogate | None = None) -> None:
        self.space, self.remembered = space, tuple(remembered)
        self.surrogate = surrogate or GaussianProcess()
        self._posteriors: list[Posterior] | None = None

    def __bool__(self) -> bool:
        return bool(self.remembered)

    @property
    def tasks(self) -> list[str]:
        """Where it comes from."""
        return [each.task for each in self.remembered]

    def means(self, describe: Description, rows: Array) -> Array:
        """(sources, n): what each memory expects of `rows`, as `describe` gives them: ranks as normal quantiles."""
        if self._posteriors is None:
            self._posteriors = [self._learned(describe, each) for each in self.remembered]
        return np.stack([posterior.predict(rows)[0] for posterior in self._posteriors])

    def weights(self, means: Array, orders: Sequence[tuple[float, ...]], levels: Sequence[float | None]) -> Array:
        """(sources,), each from 0 to 1.

        Args:
            means: (sources, n) of what was judged here.
            orders: (n,) how good that is; tuples that compare.
            levels: (n,) budgets: what was trained for different times is not compared.
        """
        right, pairs = _ordered_rightly(means, orders, levels)
        likeness = np.array([each.likeness for each in self.remembered])
        shares = (CONCORDANT * likeness + right) / (PAIRS + pairs)
        weights: Array = 2.0 * shares - 1.0
        return np.where(weights < DROPPED, 0.0, weights)

    def prior(self, describe: Description, weights: Array) -> Mean:
        """The mean that a surrogate of this task starts from: rows → (n,). Zero where no weight is left."""

        def mean(rows: Array) -> Array:
            if not weights.any():
                return np.zeros(len(rows))
            # The more the memories agree with this task, the more of their spread is believed.
            found: Array = weights @ self.means(describe, rows) * ((weights**2).sum() / weights.sum() ** 2)
            return found

        return mean

    def _learned(self, describe: Description, remembered: Remembered) -> Posterior:
        order = np.argsort(-np.asarray(remembered.scores), kind="stable")
        if len(order) > MOST:
            rest = np.linspace(MOST // 2, len(order) - 1, MOST - MOST // 2).round().astype(int)
            order = order[[*range(MOST // 2), *rest]]
        kept = [remembered.architectures[place] for place in order]
        ranks = normal_ranks([(remembered.scores[place],) for place in order])
        return self.surrogate.fit(describe(kept), ranks, describe.groups(kept[0]))


def _ordered_rightly(
    means: Array, orders: Sequence[tuple[float, ...]], levels: Sequence[float | None]
) -> tuple[Array, int]:
    """(sources,) how many of the pairs of one level that differ in order each of `means` orders as they are; and how
    many such pairs there are."""
    places = {order: place for place, order in enumerate(sorted(set(orders)))}
    numbers = {level: number for number, level in enumerate(dict.fromkeys(levels))}
    heights = np.array([places[order] for order in orders])
    kinds = np.array([numbers[level] for level in levels])
    right, pairs = np.zeros(len(means)), 0
    for later in range(1, len(orders)):  # a row of pairs at a time: all of them would be half a million for a thousand
        counted = np.flatnonzero((heights[:later] != heights[later]) & (kinds[:later] == kinds[later]))
        rises = means[:, [later]] > means[:, counted]
        right += (rises == (heights[later] > heights[counted])).sum(1)
        pairs += len(counted)
    return right, pairs


@final
class Lifted(Posterior):
    """`inner`, which learned what is left when `mean` is taken away, with it put back."""

    def __init__(self, inner: Posterior, mean: Mean) -> None:
        self.inner, self.mean = inner, mean

    def predict(self, points: Array) -> tuple[Array, Array]:
        means, deviations = self.inner.predict(points)
        return means + self.mean(points), deviations

    def draw(self, points: Array, rng: np.random.Generator) -> Array:
        drawn: Array = self.inner.draw(points, rng) + self.mean(points)
        return drawn


def lift(base: Array, ranks: Array, weight: float) -> Array:
    """Targets of this task in the units of its memory.

    What was judged here was chosen for being good, so that its ranks among itself, (n,) normal quantiles, would call
    half of it bad. They are moved and stretched to where the memory, which knows of the whole space, expects these
    networks, (n,); `weight` is how far it is believed.
    """
    spread = np.sqrt(base.var() + 1.0 - weight**2)
    lifted: Array = base.mean() + spread * ranks
    return lifted


def portfolio(memory: Sequence[Remembered], space: Space, count: int, alike: float = ALIKE) -> list[Architecture]:
    """The architectures of `memory`, `count` at most, that are valid in `space` and together do best.

    Each is chosen for how much it adds, over tasks, to the best rank that is there already (Feurer et al., 2022; the
    greedy choice has at least 63 % of the best); when nothing adds, the next round begins. Tasks less than `alike`
    alike have no say. Ranks where a task has not judged a network are what a Gaussian process learned from it expects.
    """
    believed = [each for each in memory if each.likeness >= alike]
    asked = (space.admitted(each) for one in believed for each in one.best(2 * count))
    candidates = list({each.key: each for each in asked if each is not None}.values())
    if not candidates:
        return []
    describe = Description(space)
    ranks = Memory(space, believed).means(describe, describe(candidates))
    ranks *= np.array([[each.likeness] for each in believed])
    chosen: list[int] = []
    reached = np.full((len(believed), 1), -np.inf)
    while len(chosen) < min(count, len(candidates)):
        added = np.maximum(ranks, reached).mean(0)
        left = np.setdiff1d(np.arange(len(candidates)), chosen)
        best = int(left[np.argmax(added[left])])
        if np.isfinite(reached).all() and added[best] <= reached.mean() + SAME:
            reached = np.full((len(believed), 1), -np.inf)  # nothing adds: the next round
            continue
        chosen.append(best)
        reached = np.maximum(reached, ranks[:, [best]])
    return [candidates[place] for place in chosen]
