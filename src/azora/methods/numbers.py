"""The numbers that are held while modules are mixed: widths, depths, kernels, resolutions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from azora.networks.complexity import cost
from azora.networks.masked import open_numbers
from azora.space import Architecture, Option, Space

DRAWS, CANDIDATES = 32, 6  # architectures whose numbers are looked at, and how many of these are gone on with
SAMPLED = 2  # networks by which numbers are ordered


@dataclass(frozen=True)
class Held:
    """A way to hold the numbers, and the multiply-accumulates of networks with these."""

    numbers: Mapping[str, Option]
    macs: float


def held_numbers(space: Space, seed: int, mixed: Collection[str] = ()) -> list[Held]:
    """Ways to hold the numbers, the cheapest first, a few steps apart; each is of a network of the space, so that
    something allowed can be derived.

    Args:
        mixed: those that are not held.

    Raises:
        SpaceError: nothing can be drawn, or nothing mixed.
    """
    names = [name for name in open_numbers(space) if name not in mixed]
    if not names:
        return [Held({}, 1.0)]
    rng = random.Random(seed)
    found: dict[tuple[tuple[str, Option], ...], dict[str, Option]] = {}
    for _ in range(DRAWS):
        held = _held(space, names, space.sample(rng))
        found.setdefault(tuple(held.items()), held)
    ways = sorted((Held(held, _cost(space, held, mixed)) for held in found.values()), key=lambda way: way.macs)
    places = sorted({round(step * (len(ways) - 1) / (CANDIDATES - 1)) for step in range(CANDIDATES)})
    return [ways[place] for place in places]


def fitting_numbers(
    ways: Sequence[Held], seconds: float, cheapest_seconds: float, epochs: float
) -> Mapping[str, Option]:
    """The dearest of the ways (the cheapest first) of whose mixture so many epochs fit into the seconds; the cheapest,
    where none does.

    Args:
        cheapest_seconds: of an epoch of the cheapest; those of the others are taken to grow with what they compute,
            which is rather more than they do.
    """
    fit = [way for way in ways if cheapest_seconds * way.macs / ways[0].macs * epochs <= seconds]
    return (fit or ways[:1])[-1].numbers


def _held(space: Space, names: list[str], architecture: Architecture) -> dict[str, Option]:
    """The architecture's numbers; of what does not exist in it, the middle value."""
    held: dict[str, Option] = {}
    for name in names:
        options = sorted(space.choices[name].options())
        held[name] = architecture[name] if name in architecture else options[len(options) // 2]
    return held


def _cost(space: Space, held: Mapping[str, Option], mixed: Collection[str]) -> float:
    """Multiply-accumulates of networks with these numbers, limits aside: a mixture costs as many times as much as it
    has options, whatever the numbers. Of numbers that are mixed it runs the largest."""
    widest = {name: max(space.choices[name].options()) for name in mixed}
    part = space.root.constrain(None, "", **{**held, **widest})
    return sum(cost(space, part.sample(random.Random(draw)))["macs"] for draw in range(SAMPLED))


def time_of(step: Callable[[], object]) -> float:
    """Seconds of the second of two calls: the first one warms up."""
    step()
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun
