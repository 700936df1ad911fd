"""Spaces of networks by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from azora.errors import ConfigError
from azora.networks.cells import Cells
from azora.networks.darts import Darts
from azora.networks.digits_cells import DigitsCells
from azora.networks.mlp import Mlp
from azora.networks.nb201 import NB201
from azora.networks.residual import Residual
from azora.networks.stages import Stages
from azora.settings import closest, construct, describe, resolve
from azora.space import Space
from azora.tasks import Signature

SPACES: dict[str, Callable[..., Space]] = {
    "cells": Cells,
    "stages": Stages,
    "mlp": Mlp,
    "residual": Residual,
    "nb201": NB201,
    "darts": Darts,
    "digits-cells": DigitsCells,
}
SHIPPED = {"trees": "azora.networks.trees:BoostedTrees", "ensemble": "azora.export.ensemble:Ensemble"}
"""Of models that nobody searches: their bundles name them. An ensemble is made of what stands on higher floors, and is
found when it is wanted."""


def default_space(signature: Signature) -> str:
    """Where a search looks when nobody says where."""
    return "cells" if signature.pictures else "mlp"


def make_space(name: str, signature: Signature, **settings: Any) -> Space:
    """The space called `name` (`auto` for the task's default), or the user's own at `module:Name`.

    Raises:
        ConfigError: an unknown name or setting (the nearest is suggested), or something that is no space.
        SpaceError: a space that does not fit the task.
    """
    name = default_space(signature) if name == "auto" else name
    if ":" in name:
        made = construct(resolve(name), settings, signature=signature)
        if not isinstance(made, Space):
            raise ConfigError(f"{name} gives a {type(made).__name__}, which is not an azora.space.Space")
        return made
    if name in SHIPPED:
        shipped: Space = construct(resolve(SHIPPED[name]), settings, signature=signature)
        return shipped
    if name not in SPACES:
        raise ConfigError(f"there is no space {name!r}; {closest(name, SPACES)}")
    return construct(SPACES[name], settings, signature=signature)


def make_read_space(name: str, signature: Signature, /, **settings: Any) -> Space:
    """The space that a file names: as `make_space` makes it, but of a user's own only a class. It is looked at before
    it is called, since no name in a file may start anything but a space.

    Raises:
        ConfigError: the name is of something else, or of nothing, or there is no such setting.
        SpaceError: a space that does not fit the task.
    """
    if ":" in name and not _is_space(resolve(name)):
        raise ConfigError(f"a file names {name} as its space, which is no class of azora.space.Space")
    return make_space(name, signature, **settings)


def lasting(about: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """`about`, a space's `{"name", "settings"}`, as a file should have it: by the name of its class, where a function
    of the user's made it. Of a part of a space it is the whole, whose architectures are the same."""
    name, settings = about["name"], dict(about["settings"])
    if ":" in name and not _is_space(resolve(name)):
        made = describe(make_space(name, signature, **settings).root)
        name, settings = made["kind"], made["settings"]
    return {"name": name, "settings": settings}


def _is_space(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Space)
