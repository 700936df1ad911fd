"""What a policy decides where it can only choose among a few: a choice's values, or ranges of its numbers."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from typing import final

from azora.space import Choice, Integer, Option, Real

RANGES = 9  # of the numbers of one choice


class Tokens(ABC):
    """The tokens of one choice, counted from 0 to `count` - 1."""

    count: int

    @abstractmethod
    def token(self, value: Option) -> int:
        """The token that `value` belongs to."""

    @abstractmethod
    def draw(self, token: int, rng: random.Random) -> Option:
        """A value of this token, all of them equally likely."""

    @abstractmethod
    def spread(self, token: int) -> float:
        """The logarithm of the chance of one value among those of its token; for a real number, the density over its
        range from 0 to 1."""


def tokens_of(choice: Choice) -> Tokens:
    """One token a value; nine ranges where there are more whole numbers, or real ones."""
    if isinstance(choice, Real) and choice.varies:
        return _RealRanges(choice)
    if isinstance(choice, Integer):
        return _IntegerRanges(choice)
    return _Values(choice)


@final
class _Values(Tokens):
    def __init__(self, choice: Choice) -> None:
        self.values = list(choice.options())
        self.count = len(self.values)
        self.places = {repr(value): place for place, value in enumerate(self.values)}  # 1 is not True

    def token(self, value: Option) -> int:
        return self.places[repr(value)]

    def draw(self, token: int, rng: random.Random) -> Option:
        return self.values[token]

    def spread(self, token: int) -> float:
        return 0.0


@final
class _IntegerRanges(Tokens):
    def __init__(self, choice: Integer) -> None:
        few = choice.count() <= RANGES
        wanted = choice.options() if few else (math.ceil(choice.at(place / RANGES)) for place in range(RANGES))
        self.lowest = sorted({choice.low, *wanted})  # on a logarithm the low ranges may be one
        self.ends = [*self.lowest[1:], choice.high + 1]
        self.count = len(self.lowest)

    def token(self, value: Option) -> int:
        return bisect_right(self.lowest, value) - 1

    def draw(self, token: int, rng: random.Random) -> Option:
        return rng.randrange(self.lowest[token], self.ends[token])

    def spread(self, token: int) -> float:
        return -math.log(self.ends[token] - self.lowest[token])


@final
class _RealRanges(Tokens):
    count = RANGES

    def __init__(self, choice: Real) -> None:
        self.choice = choice

    def token(self, value: Option) -> int:
        (place,) = self.choice.encode(value)
        return min(RANGES - 1, max(0, int(place * RANGES)))

    def draw(self, token: int, rng: random.Random) -> Option:
        return self.choice.at((token + rng.random()) / RANGES)

    def spread(self, token: int) -> float:
        return math.log(RANGES)
