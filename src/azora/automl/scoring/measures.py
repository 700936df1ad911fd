"""The scorecard's figures, each defined here and computed from folders alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from azora.automl.comparing.summary import Estimate
from azora.automl.scoring.reading import Searched

AIMS = (10.0, 100.0)


@final
@dataclass(frozen=True)
class Factor:
    """How many times less a search cost than another, at the same score on validation.

    Args:
        bound: "" where both got there; "≥" where the other never did, so that all of its cost is the least; "<" where
            the search never did, so that all of its own is the least.
    """

    times: float
    bound: str = ""


def cost_to(searched: Searched, level: float) -> float | None:
    """Seconds of searching until a trained network had this signed score; None where none had."""
    return next((seconds for seconds, score in searched.curve if score >= level), None)


def factor(searched: Searched, random: Searched, level: float) -> Factor | None:
    """Seconds of `random` to reach `level`, by those of `searched`; None where neither got there."""
    mine, other = cost_to(searched, level), cost_to(random, level)
    if mine is None:
        return None if other is None else Factor(other / max(searched.search, 1e-9), "<")
    if other is None:
        return Factor(random.search / max(mine, 1e-9), "≥")
    return Factor(other / max(mine, 1e-9))


def to_own_best(searched: Searched, random: Searched) -> Factor | None:
    """At the best score that `searched` reached."""
    return factor(searched, random, searched.curve[-1][1]) if searched.curve and random.curve else None


def to_randoms_best(searched: Searched, random: Searched) -> Factor | None:
    """At the best score that `random` reached."""
    return factor(searched, random, random.curve[-1][1]) if searched.curve and random.curve else None


def together(factors: Sequence[Factor]) -> Factor | None:
    """The geometric mean. With a bound among them it is a bound; with bounds to both sides nothing can be said."""
    bounds = {each.bound for each in factors} - {""}
    if not factors or len(bounds) > 1:
        return None
    return Factor(math.exp(statistics.mean(math.log(each.times) for each in factors)), next(iter(bounds), ""))


def factors(
    some: Sequence[Searched], others: Sequence[Searched], by: Callable[[Searched, Searched], Factor | None]
) -> list[Factor]:
    """One for each of `some` with each fully trained random search on the same rows."""
    pairs = ((each, other) for each in some for other in others if other.fully_trained_random and other is not each)
    found = (by(each, other) for each, other in pairs if alike(each, other))
    return [each for each in found if each is not None]


def alike(left: Searched, right: Searched) -> bool:
    """Whether scores of both are of the same rows, by the same metric, and of the same seed: where the splits are
    given, the rows are those of every seed, and a search is held against one other and not against the luckiest."""
    same = left.digest == right.digest and left.objective == right.objective
    return same and left.about.get("seed") == right.about.get("seed")


def above(
    some: Sequence[Searched],
    others: Sequence[Searched],
    wanted: Callable[[Searched], bool],
    of: Callable[[Sequence[float]], float],
) -> Estimate | None:
    """Signed test scores minus that of those `wanted` which are alike, where there is one; of several, what `of` makes
    of them."""
    differences = []
    for each in some:
        beside = [
            other.test for other in others if wanted(other) and alike(each, other) and other.folder != each.folder
        ]
        known = [score for score in beside if score is not None]
        if each.test is not None and known:
            differences.append(each.test - of(known))
    return Estimate.of(differences)


def from_memory(some: Sequence[Searched], others: Sequence[Searched]) -> list[Factor]:
    """Of searches that began from memory: how many times less they cost than the same search without one, at the best
    score of that."""
    found = []
    for each in some:
        for other in others:
            same = all(each.about.get(name) == other.about.get(name) for name in ("strategy", "settings", "space"))
            if each.result.get("recalled") and not other.result.get("recalled") and same and alike(each, other):
                found.append(to_randoms_best(each, other))
    return [each for each in found if each is not None]
