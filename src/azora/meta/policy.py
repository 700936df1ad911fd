"""How a deployed network is to be made better: the rules of `azora improve`, as a value that a model can carry."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from azora.settings import closest, construct, plain, settings_of
from azora.trial import QUANTITIES

KINDS = ("train", "grow", "memory", "recipe")
PREFERENCES = ("accuracy", "smaller")
LEAST = 1e-9  # of what tests compute with: they divide by much less than that
OPEN = {
    "level": (LEAST, 0.5),
    "share": (0.0, 1.0),
    "held_out": (0.0, 1.0),
    "margin": (LEAST, 0.5),
    "cheaper": (0.0, 1.0),
}
RATES = (0.0, 10.0)
MOST = 64  # challengers
LARGEST = sys.float_info.max  # what is beyond is no number


@final
@dataclass(frozen=True)
class Policy:
    """The rules of a look at a deployed network.

    Args:
        challengers: how many networks are trained at most.
        kinds: what they may be, each in its turn: the deployed network trained on ("train") or with another recipe
            ("recipe"), one that is a decision larger and begins with the same answers ("grow"), what memory found best
            ("memory"). A tuple, or words with commas between; the kind that answers what limits has the first turn.
        level: of all tests between two promotions together.
        share: of the time of a look, for training.
        rate: of the usual learning rate, for what has learned already.
        held_out: share of the held-out rows that the test asks; the second look asks the others.
        prefer: "accuracy", or "smaller": networks one decision smaller alone are tried, and deployed where they are not
            worse by `margin`, have `cheaper` fewer multiply-accumulates, and answer sooner.
        margin: by how much a smaller one may be worse: a share of the rows, or of the variance (R²) of numbers.
        cheaper: the least share of multiply-accumulates that a smaller one must save.
        limits: the most that a network may cost, by quantity; a deployed one beyond what can be counted of them is to
            be made smaller.

    Raises:
        ValueError: a value that is none of these.
    """

    challengers: int = 4
    kinds: tuple[str, ...] = KINDS
    level: float = 0.05
    share: float = 0.8
    rate: float = 0.3
    held_out: float = 0.5
    prefer: str = "accuracy"
    margin: float = 0.01
    cheaper: float = 0.1
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        words = self.kinds.split(",") if isinstance(self.kinds, str) else self.kinds
        object.__setattr__(self, "kinds", tuple(words))
        _check_words("kinds", self.kinds, KINDS)
        _check_words("prefer", (self.prefer,), PREFERENCES)
        whole = isinstance(self.challengers, int) and not isinstance(self.challengers, bool)
        if not whole or not 1 <= self.challengers <= MOST:
            raise ValueError(f"challengers={self.challengers!r} must be a whole number from 1 to {MOST}")
        for name, (low, high) in {**OPEN, "rate": RATES}.items():
            if not _number(value := getattr(self, name)) or not low < value < high:
                raise ValueError(f"{name}={value!r} must be between {low:g} and {high:g}")
        if not isinstance(self.limits, Mapping):
            raise ValueError(f"limits={self.limits!r} must give the most by quantity")
        _check_words("limits", self.limits, QUANTITIES)
        if wrong := [name for name, most in self.limits.items() if not _number(most) or not 0 < most <= LARGEST]:
            raise ValueError(f"the limit of {wrong[0]} is {self.limits[wrong[0]]!r}, and must be a number above 0")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Policy:
        """The policy with these settings; what they leave out is as usual.

        Raises:
            ConfigError: a name that is none of a policy's (the nearest is suggested), or a value out of its range.
        """
        return construct(cls, settings)

    def to_json(self) -> dict[str, Any]:
        """What `of` takes."""
        found: dict[str, Any] = plain(settings_of(self))
        return found


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_words(name: str, words: Any, known: Any) -> None:
    if not words and name == "kinds":
        raise ValueError(f"kinds is empty; there is {', '.join(known)}")
    for word in words:
        if word not in known:
            raise ValueError(f"{name} {word!r} is not known; {closest(str(word), known)}")
