"""The kinds of choice that a space is made of."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

from azora.errors import SpaceError

STEP = 0.1  # of a range: how far a neighbouring number is
Option = Any  # str | int | float | bool | None, or a tuple of them for a subset


@dataclass(frozen=True)
class When:
    """A choice exists only when `choice` has a value in `among` (a subset: when it contains one of them)."""

    choice: str
    among: tuple[Option, ...]

    def holds(self, value: Option) -> bool:
        """Whether `value`, decided for the parent choice, lets the child exist."""
        if isinstance(value, tuple):
            return any(item in self.among for item in value)
        return value in self.among


class Choice(ABC):
    """One thing to decide. `when` lists the conditions under which it exists; all must hold."""

    name: str
    when: tuple[When, ...]
    width: int  # how many numbers encode a value

    @abstractmethod
    def sample(self, rng: random.Random) -> Option:
        """A value, uniform over what may be chosen (over the logarithm where the choice says so)."""

    @abstractmethod
    def accept(self, value: Option) -> Option:
        """`value` in its one form (2 and 2.0 are one).

        Raises:
            SpaceError: `value` may not be chosen.
        """

    @abstractmethod
    def near(self, value: Option, rng: random.Random) -> Option:
        """Another value: what a mutation of this choice gives. Needs `varies`."""

    @abstractmethod
    def options(self) -> Iterator[Option]:
        """Every value in order; for a real choice, a grid of nine."""

    @abstractmethod
    def count(self) -> int | None:
        """How many values there are; None when there is no end of them."""

    @abstractmethod
    def encode(self, value: Option) -> tuple[float, ...]:
        """`width` numbers between 0 and 1."""

    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the `width` numbers."""

    def neighbours(self, value: Option) -> Iterator[Option]:
        """The other values that are one step away: of an interval, a tenth of it (at least 1 where they are whole)."""
        return (other for other in self.options() if other != value)

    @property
    def varies(self) -> bool:
        """Whether there is more than one value."""
        return self.count() != 1

    @property
    def distinct(self) -> bool:
        """Whether values come again and `==` tells them apart: then what is known of them can be looked up."""
        return False

    def describe(self) -> list[Any]:
        """What makes this choice the choice it is, as JSON."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("name", "when")}  # type: ignore[attr-defined]
        return [type(self).__name__, self.name, fields, [[when.choice, when.among] for when in self.when]]

    def refuse(self, value: Option, reason: str) -> SpaceError:
        return SpaceError(f"{self.name}={value!r} {reason}")


@final
@dataclass(frozen=True)
class Categorical(Choice):
    """One of `values`. When all are numbers they are ordered, and encode as one column."""

    name: str
    values: tuple[Option, ...]
    when: tuple[When, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values or len(set(map(repr, self.values))) != len(self.values):
            raise SpaceError(f"{self.name}: needs different options, got {list(self.values)}")

    @property
    def ordered(self) -> bool:
        """Whether the options are numbers."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    @property
    def width(self) -> int:  # type: ignore[override]
        return 1 if self.ordered else len(self.values)

    @property
    def distinct(self) -> bool:
        return _all_differ(self.values)  # 1 and True do not

    def sample(self, rng: random.Random) -> Option:
        return self.values[int(rng.random() * len(self.values))]

    def accept(self, value: Option) -> Option:
        for known in self.values:
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return known
        raise self.refuse(value, f"is not one of {', '.join(map(str, self.values))}")

    def near(self, value: Option, rng: random.Random) -> Option:
        place = int(rng.random() * (len(self.values) - 1))
        return self.values[place + (place >= self.values.index(value))]

    def options(self) -> Iterator[Option]:
        return iter(self.values)

    def count(self) -> int:
        return len(self.values)

    def encode(self, value: Option) -> tuple[float, ...]:
        place = self.values.index(value)
        if self.ordered:
            rank = sorted(self.values).index(value)
            return (rank / max(1, len(self.values) - 1),)
        return tuple(float(other == place) for other in range(len(self.values)))

    def columns(self) -> tuple[str, ...]:
        return (self.name,) if self.ordered else tuple(f"{self.name}={value}" for value in self.values)


class _Interval(Choice):
    """What whole and real numbers between two ends have in common."""

    low: float
    high: float
    log: bool
    width = 1

    def _check_ends(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)) or self.low > self.high:
            raise SpaceError(f"{self.name}: low={self.low} must be at most high={self.high}")
        if self.log and self.low <= 0:
            raise SpaceError(f"{self.name}: a logarithmic choice needs low > 0, got {self.low}")

    def _place(self, value: float) -> float:
        """Where `value` lies between the ends, from 0 to 1."""
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return (at - low) / (high - low) if high > low else 0.0

    def at(self, place: float) -> float:
        """The number `place` of the way from `low` to `high`, 0 to 1 (over the logarithm where the choice says so)."""
        low, high = (math.log(x) if self.log else x for x in (self.low, self.high))
        at = low + min(1.0, max(0.0, place)) * (high - low)
        return min(float(self.high), max(float(self.low), math.exp(at) if self.log else at))

    def _number(self, value: Option) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.refuse(value, "is not a number")
        if not self.low <= value <= self.high:
            raise self.refuse(value, f"is not between {self.low} and {self.high}")
        return float(value)

    def encode(self, value: Option) -> tuple[float, ...]:
        return (self._place(value),)

    def columns(self) -> tuple[str, ...]:
        return (self.name,)


@final
@dataclass(frozen=True)
class Integer(_Interval):
    """A whole number between `low` and `high`, both included."""

    name: str
    low: int
    high: int
    log: bool = False
    when: tuple[When, ...] = ()

    def __post_init__(self) -> None:
        self._check_ends()

    @property
    def distinct(self) -> bool:
        return True

    def sample(self, rng: random.Random) -> Option:
        return round(self.at(rng.random())) if self.log else rng.randint(self.low, self.high)

    def accept(self, value: Option) -> Option:
        if self._number(value) != int(value):
            raise self.refuse(value, "is not a whole number")
        return int(value)

    def near(self, value: Option, rng: random.Random) -> Option:
        step = round(self.at(self._place(value) + rng.gauss(0.0, 0.2)))
        if step != value:
            return step
        if value in (self.low, self.high):
            return value + 1 if value == self.low else value - 1
        return value + rng.choice((-1, 1))

    def options(self) -> Iterator[Option]:
        return iter(range(self.low, self.high + 1))

    def neighbours(self, value: Option) -> Iterator[Option]:
        place = self._place(value)
        less, more = (round(self.at(place + step)) for step in (-STEP, STEP))
        return (other for other in (min(less, value - 1), max(more, value + 1)) if self.low <= other <= self.high)

    def count(self) -> int:
        return self.high - self.low + 1


@final
@dataclass(frozen=True)
class Real(_Interval):
    """A real number between `low` and `high`, both included."""

    name: str
    low: float
    high: float
    log: bool = False
    when: tuple[When, ...] = ()

    def __post_init__(self) -> None:
        self._check_ends()

    def sample(self, rng: random.Random) -> Option:
        return self.at(rng.random())

    def accept(self, value: Option) -> Option:
        return self._number(value)

    def near(self, value: Option, rng: random.Random) -> Option:
        place = self._place(value)
        step = self.at(place + rng.gauss(0.0, 0.2))
        # A draw beyond an end that we already stand on would be no move at all: turn round.
        return step if step != value else self.at(place - math.copysign(rng.uniform(0.05, 0.3), place - 0.5))

    def options(self) -> Iterator[Option]:
        return (self.at(step / 8) for step in range(9)) if self.varies else iter((float(self.low),))

    def neighbours(self, value: Option) -> Iterator[Option]:
        steps = (self.at(self._place(value) + step) for step in (-STEP, STEP))
        return (other for other in steps if other != value)

    def count(self) -> int | None:
        return None if self.high > self.low else 1


@final
@dataclass(frozen=True)
class Subset(Choice):
    """Between `low` and `high` of `items`: the inputs of a node, say. A value is a tuple in the items' order."""

    name: str
    items: tuple[Option, ...]
    low: int
    high: int
    when: tuple[When, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        if not 0 <= self.low <= self.high <= len(self.items):
            raise SpaceError(
                f"{self.name}: {self.low} to {self.high} of {len(self.items)} items is not a choice that can be made"
            )
        table = tuple(kept for size in range(self.low, self.high + 1) for kept in combinations(self.items, size))
        object.__setattr__(self, "_table", table)

    @property
    def width(self) -> int:  # type: ignore[override]
        return len(self.items)

    @property
    def distinct(self) -> bool:
        return _all_differ(self.items)

    def sample(self, rng: random.Random) -> Option:
        return self._table[int(rng.random() * len(self._table))]  # type: ignore[attr-defined]

    def accept(self, value: Option) -> Option:
        if not isinstance(value, list | tuple | set | frozenset):
            raise self.refuse(value, f"is not a set of items of {list(self.items)}")
        kept = tuple(item for item in self.items if item in value)
        if len(kept) != len(value) or not self.low <= len(kept) <= self.high:
            raise self.refuse(value, f"is not {self.low} to {self.high} different items of {list(self.items)}")
        return kept

    def near(self, value: Option, rng: random.Random) -> Option:
        others = [other for other in self._table if other != value]  # type: ignore[attr-defined]
        close = [other for other in others if len(set(other) ^ set(value)) <= 2]
        return rng.choice(close or others)

    def options(self) -> Iterator[Option]:
        return iter(self._table)  # type: ignore[attr-defined]

    def count(self) -> int:
        return len(self._table)  # type: ignore[attr-defined]

    def encode(self, value: Option) -> tuple[float, ...]:
        return tuple(float(item in value) for item in self.items)

    def columns(self) -> tuple[str, ...]:
        return tuple(f"{self.name}:{item}" for item in self.items)


def _all_differ(values: tuple[Option, ...]) -> bool:
    try:
        return len(set(values)) == len(values)
    except TypeError:  # a list among them
        return False
