"""Spaces whose choices are mixed, and what their options cost, for tests of what is derived."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from azora.networks.choice_costs import ChoiceCosts, choice_costs
from azora.networks.darts import Darts
from azora.networks.mixture import Mixture
from azora.networks.nb201 import NB201
from azora.networks.registry import make_space
from azora.networks.shapes_only import ShapesOnly
from azora.space import Categorical, Option, Space
from azora.tasks import Signature

PICTURES = Signature("classification", (3, 8, 8), 4)
ROWS = Signature("classification", (7,), 3)
SKIP = "skip_connect"
Options = Mapping[str, tuple[Option, ...]]


@cache
def nb201() -> NB201:
    return NB201(PICTURES, width=4, depth=1)


@cache
def darts() -> Darts:
    return Darts(PICTURES, width=4, layers=3, none=True)


@cache
def stages() -> Space:
    space = make_space("stages", PICTURES, per_block=True, widths=((4, 8), (8, 16)), depths=(2,))
    return held(space)


@cache
def mlp() -> Space:
    return held(make_space("mlp", ROWS))


def held(space: Space) -> Space:
    """With every number at the first of its values."""
    first = {
        name: choice.values[0]
        for name, choice in space.choices.items()
        if isinstance(choice, Categorical) and choice.ordered
    }
    return space.constrain(None, "", **first)


SPACES = {"nb201": nb201, "darts": darts, "stages": stages, "mlp": mlp}


@cache
def options_of(name: str) -> Options:
    mixture = Mixture(SPACES[name]())
    with ShapesOnly():
        SPACES[name]().build(mixture)
    return mixture.options


@cache
def table(name: str, quantity: str = "macs") -> ChoiceCosts:
    return choice_costs(SPACES[name](), quantity, (ROWS if name == "mlp" else PICTURES).shape)
