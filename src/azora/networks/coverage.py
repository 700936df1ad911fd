"""A few architectures in which every option of a space occurs."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

from azora.space import Architecture, Categorical, Choice, Integer, Option, Real, Space, Subset

DRAWN = 48  # architectures of which the one that shows most is taken
DRAWN_UNDER_LIMITS = 4  # where each is checked, perhaps by building it
MOST = 32  # architectures in all


def covering(space: Space, prefix: str = "", seed: int = 0) -> list[Architecture]:
    """Architectures in which every option occurs, and of numbers every pair with another decision, as far as 32 go.

    Choices whose names do not begin with `prefix` are left out of account.

    Numbers reach through a whole network, where a module's option changes what is inside it alone: so pairs matter with
    numbers only (covering arrays, as in Cohen et al., 1997).
    """
    rng = random.Random(seed)
    taken, seen = list[Architecture](), set[Any]()
    count = DRAWN if space.rules == space.root.rules else DRAWN_UNDER_LIMITS
    while len(taken) < MOST:
        drawn = [space.sample(rng) for _ in range(count)]
        shown = [_shown(space, architecture, prefix) for architecture in drawn]
        best = max(range(count), key=lambda place: len(shown[place] - seen))
        if not shown[best] - seen:
            break
        taken.append(drawn[best])
        seen |= shown[best]
    return taken


def _shown(space: Space, architecture: Architecture, prefix: str) -> set[Any]:
    """What occurs in an architecture: decisions, and pairs of which one is a number."""
    numbers, others = list[tuple[str, Option]](), list[tuple[str, Option]]()
    for name, value in architecture.items():
        if not name.startswith(prefix):
            continue
        choice = space.choices[name]
        (numbers if is_number(choice) else others).append((name, _kind(choice, value)))
    pairs = [*combinations(numbers, 2), *((number, other) for number in numbers for other in others)]
    return {*numbers, *others, *pairs}


def is_number(choice: Choice) -> bool:
    """Whether what is chosen is a number: a width, a depth, a kernel."""
    return isinstance(choice, Integer | Real) or (isinstance(choice, Categorical) and choice.ordered)


def _kind(choice: Choice, value: Option) -> Option:
    """The value, or which third of an interval it lies in; a subset by its size, since it decides what is wired."""
    if isinstance(choice, Integer | Real):
        return min(2, int(3 * choice.encode(value)[0]))
    return len(value) if isinstance(choice, Subset) else value
