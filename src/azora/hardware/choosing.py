"""Which networks to measure: different ones, usual ones, and those about which least is known."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from azora.hardware.features import Features
from azora.space import Architecture, Space
from azora.strategies.surrogates import Array

POOL = 400  # networks drawn to choose from
DRAWS = 10  # times as many draws as networks wanted, at most


def draw_distinct(
    space: Space, count: int, rng: random.Random, without: Sequence[Architecture] = ()
) -> list[Architecture]:
    """`count` random architectures, fewer where the space is small; none of equal decisions with another or with one
    of `without`."""
    taken = {tuple(each.items()) for each in without}
    found: list[Architecture] = []
    for _ in range(DRAWS * count):
        if len(found) == count:
            break
        architecture = space.sample(rng)
        decisions = tuple(architecture.items())
        if decisions not in taken:
            taken.add(decisions)
            found.append(architecture)
    return found


def farthest(points: Array, count: int) -> list[int]:
    """The places of `count` points, each as far as can be from those before it (Gonzalez, 1985); the first is the one
    nearest to the mean."""
    scaled = standardised(points)
    first = int(((scaled - scaled.mean(0)) ** 2).sum(1).argmin())
    chosen, away = [first], ((scaled - scaled[first]) ** 2).sum(1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(away.argmax()))
        away = np.minimum(away, ((scaled - scaled[chosen[-1]]) ** 2).sum(1))
    return chosen


def standardised(points: Array) -> Array:
    """Columns with mean 0 and deviation 1; those that do not vary are 0."""
    spread = points.std(0)
    scaled: Array = (points - points.mean(0)) / np.where(spread > 1e-9, spread, 1.0)
    return scaled


def first_choice(features: Features, pool: Sequence[Architecture], count: int) -> list[Architecture]:
    """Half of `count` as different as can be, half as they were drawn: the former span what there is, the latter are
    where most networks lie."""
    different = [pool[place] for place in farthest(features.columns(pool), -(-count // 2))]
    taken = {id(each) for each in different}
    usual = [each for each in pool if id(each) not in taken][: count - len(different)]
    return different + usual
