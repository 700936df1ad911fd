"""Candidates: the architectures among which a surrogate chooses."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from typing import final

import numpy as np

from azora.errors import ConfigError, SpaceError
from azora.space import Architecture, Space
from azora.strategies.surrogates import Array

MOST_LOOKED_AT = 400  # neighbours of one parent
MOST_CHECKED, ENOUGH = 100, 16  # candidates whose limits are looked at for an ask, and how many valid ones will do
STEPS = 6  # moves within the limits from each parent

Value = Callable[[Sequence[Architecture]], Array]


class Candidates(ABC):
    """Finds architectures that were not proposed yet, a bounded number of them."""

    @abstractmethod
    def find(
        self, space: Space, best: Sequence[Architecture], seen: Collection[str], value: Value, rng: random.Random
    ) -> list[Architecture]:
        """Different architectures whose keys are not in `seen`; `best` are the best that were judged, the best first,
        and `value` is the acquisition's."""


@final
class Near(Candidates):
    """The neighbours of the best, what lies one or two moves away from them, and random ones.

    In a space under a constraint (a limit, or what the time allows) a check may build a network. There, candidates are
    found as if it were not, and checked in the order of their value until there are enough; moves within the limit
    stand beside them, for where everything of value is beyond it.

    Args:
        parents: how many of the best.
        near: neighbours of each of them, at most.
        far: architectures that random moves lead to, for each of them.
        random: random ones, for all together.

    Raises:
        ConfigError: no parent, or a number below 0.
    """

    def __init__(self, parents: int = 8, near: int = 48, far: int = 12, random: int = 300) -> None:
        if parents < 1 or min(near, far, random) < 0:
            raise ConfigError(
                f"parents={parents} must be at least 1; near={near}, far={far}, random={random} at least 0"
            )
        self.parents, self.near, self.far, self.random = parents, near, far, random

    def find(
        self, space: Space, best: Sequence[Architecture], seen: Collection[str], value: Value, rng: random.Random
    ) -> list[Architecture]:
        limited = len(space.rules) > len(space.root.rules)
        found = fresh(self._around(space.unlimited, best, rng), seen)
        if not limited:
            return found
        steps = (moves(space, parent, rng.choice((1, 2)), rng) for parent in best[: self.parents] for _ in range(STEPS))
        return fresh([*_checked(space, found, value), *(child for step in steps for child in step)], seen)

    def _around(self, space: Space, best: Sequence[Architecture], rng: random.Random) -> list[Architecture]:
        found: list[Architecture] = []
        for parent in best[: self.parents]:
            found += self._close(space, parent, rng)
            # Numbers have only their next values for neighbours: moves reach further.
            found += [child for _ in range(self.far) for child in moves(space, parent, rng.choice((1, 2)), rng)]
        return found + [space.sample(rng) for _ in range(self.random)]

    def _close(self, space: Space, parent: Architecture, rng: random.Random) -> list[Architecture]:
        near = list(islice(space.neighbours(parent), MOST_LOOKED_AT))
        return near if len(near) <= self.near else rng.sample(near, self.near)


@final
class Evolved(Candidates):
    """An evolution that asks the surrogate instead of a training: mutations of the best, of which the best by the
    acquisition have mutations, and so on (as NPENAS, Wei et al., 2022, which has one generation).

    Args:
        parents: how many of the best judged, and of each generation, have children.
        children: of each.
        generations: how many.

    Raises:
        ConfigError: a number below 1.
    """

    def __init__(self, parents: int = 10, children: int = 10, generations: int = 3) -> None:
        if min(parents, children, generations) < 1:
            raise ConfigError(
                f"parents={parents}, children={children} and generations={generations} must be at least 1"
            )
        self.parents, self.children, self.generations = parents, children, generations

    def find(
        self, space: Space, best: Sequence[Architecture], seen: Collection[str], value: Value, rng: random.Random
    ) -> list[Architecture]:
        found: list[Architecture] = []
        parents = list(best[: self.parents])
        for _ in range(self.generations):
            born = [child for each in parents for _ in range(self.children) for child in moves(space, each, 1, rng)]
            found = fresh([*found, *born], seen)
            if not found:
                break
            ranked = np.argsort(-value(found), kind="stable")
            parents = [found[place] for place in ranked[: self.parents]]
        return found


def _checked(space: Space, found: Sequence[Architecture], value: Value) -> list[Architecture]:
    """The first of `found`, in the order of their value, that are valid in `space`."""
    kept: list[Architecture] = []
    for place in np.argsort(-value(found), kind="stable")[:MOST_CHECKED] if found else ():
        if (valid := space.admitted(dict(found[place]))) is not None:
            kept.append(valid)
        if len(kept) == ENOUGH:
            break
    return kept


def moves(space: Space, start: Architecture, count: int, rng: random.Random) -> list[Architecture]:
    """Where `count` mutations lead: one architecture, or none when nothing is within reach."""
    try:
        for _ in range(count):
            start = space.mutate(start, rng)
    except SpaceError:
        return []
    return [start]


def fresh(architectures: Iterable[Architecture], seen: Collection[str]) -> list[Architecture]:
    """Each network once, and only those that are not in `seen`."""
    found: dict[str, Architecture] = {}
    for each in architectures:
        if each.key not in seen:
            found.setdefault(each.key, each)
    return list(found.values())
