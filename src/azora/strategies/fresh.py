"""Architectures that a search has not asked for yet. All return None when they find none."""

from __future__ import annotations

import random
from collections.abc import Container

from azora.errors import SpaceError
from azora.space import Architecture, Space
from azora.trial import Proposal

DRAWS = 200  # in a row that were all known: what is left of the space is found quicker by going through it
STEPS = 50  # moves in a row that led to known networks
MOST_VISITED = 20_000  # points of a space that is gone through


def familiar(space: Space, seen: Container[str]) -> Proposal | None:
    """The next of the space's familiar points."""
    fresh = (architecture for architecture in space.known() if architecture.key not in seen)
    return next((Proposal(architecture, origin="familiar") for architecture in fresh), None)


def stranger(space: Space, seen: Container[str], rng: random.Random) -> Proposal | None:
    """A random point. None means that a small space is used up, and a large one as good as used up.

    Raises:
        SpaceError: hardly a draw is valid, and the space is too large to be gone through.
    """
    for _ in range(DRAWS):
        try:
            architecture = space.sample(rng)
        except SpaceError:  # the valid points are too few to be met by chance
            if space.bound > MOST_VISITED:
                raise
            break
        if architecture.key not in seen:
            return Proposal(architecture, origin="random")
    left = (each for each in space if each.key not in seen) if space.bound <= MOST_VISITED else iter(())
    return next((Proposal(architecture, origin="left over") for architecture in left), None)


def walk(
    space: Space, parent: Architecture, seen: Container[str], rng: random.Random, origin: str = ""
) -> Proposal | None:
    """A mutation of `parent`, or of that, and so on: the neighbourhood may be known, what lies behind it is not."""
    for _ in range(STEPS):
        try:
            child = space.mutate(parent, rng)
        except SpaceError:  # nothing within reach of this parent
            return None
        if child.key not in seen:
            return Proposal(child, origin=origin or f"mutation of {parent.key}")
        parent = child
    return None
