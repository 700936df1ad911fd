"""Methods by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from azora.errors import ConfigError, SpaceError
from azora.methods.differentiable import Differentiable
from azora.methods.enas import Enas
from azora.methods.method import Method
from azora.methods.ofa import Ofa
from azora.methods.presets import PRESETS
from azora.methods.smash import Smash
from azora.methods.spos import Spos
from azora.settings import construct, resolve
from azora.space import Space
from azora.strategies.registry import STRATEGIES
from azora.tasks import SearchData


@dataclass(frozen=True)
class MethodEntry:
    """A method as users see it: what it is, where it comes from, when to use it."""

    make: Callable[..., Method]
    summary: str
    source: str
    advice: str
    kind: str = "one-shot"


def _made(preset: str) -> Callable[..., Method]:
    """What makes a differentiable method, known to error messages by its name."""
    make = partial(Differentiable, preset)
    setattr(make, "__name__", preset)  # noqa: B010 (a partial has no such attribute to be assigned)
    return make


METHODS: dict[str, MethodEntry] = {
    "spos": MethodEntry(
        Spos,
        "trains weights that all networks share, lets evolution judge by them, trains a shortlist from scratch",
        "Guo et al. 2020",
        "when a training is dear and the space holds networks of like sizes",
    ),
    "enas": MethodEntry(
        Enas,
        "a controller draws the networks that train shared weights, and learns which do well by them",
        "Pham et al. 2018",
        "to have a policy over the space; controller=random is what it must beat",
    ),
    "smash": MethodEntry(
        Smash,
        "a hypernetwork writes weights for every network, by which they are drawn, perturbed and climbed",
        "Brock et al. 2018",
        "on mlp and small cells, where networks differ by more than their size",
    ),
    "ofa": MethodEntry(
        Ofa,
        "trains one elastic network whose slices are the others; it is kept, and gives networks for other limits",
        "Cai et al. 2020, Yu et al. 2020 (BigNAS)",
        "when several devices or limits are to be served: then azora specialise",
    ),
} | {
    name: MethodEntry(_made(name), preset.summary, preset.source, preset.advice, "differentiable")
    for name, preset in PRESETS.items()
}


def find_method(name: str, settings: Mapping[str, Any]) -> Method | None:
    """The method called `name`, one of azora's or the user's own at `module:Name`; None where it is no method.

    Raises:
        ConfigError: an unknown setting, or a value that the method refuses.
    """
    if name in METHODS:
        return construct(METHODS[name].make, settings)
    if ":" in name and isinstance(found := resolve(name), type) and issubclass(found, Method):
        return construct(found, settings)
    return None


def check_method(method: Method, space: Space, data: SearchData) -> None:
    """Refuse a space that the method cannot work on.

    Raises:
        SpaceError: with the reason, and the strategies that can.
    """
    try:
        method.check(space, data)
    except SpaceError as error:
        able = ", ".join(STRATEGIES)
        raise SpaceError(f"{method.name} cannot search this space: {error}; strategies that can: {able}") from None
    except ConfigError as error:
        raise ConfigError(f"{method.name}: {error}") from None
