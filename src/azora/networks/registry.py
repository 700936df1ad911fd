"""Spaces of networks by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from azora.errors import ConfigError
from azora.networks.cells import Cells
from azora.networks.darts import Darts
from azora.networks.digits_cells import DigitsCells
from azora.networks.mlp import Mlp
from azora.networks.nb201 import NB201
from azora.networks.stages import Stages
from azora.networks.trees import BoostedTrees
from azora.settings import closest, construct, resolve
from azora.space import Space
from azora.tasks import Signature

SPACES: dict[str, Callable[..., Space]] = {
    "cells": Cells,
    "stages": Stages,
    "mlp": Mlp,
    "nb201": NB201,
    "darts": Darts,
    "digits-cells": DigitsCells,
}
SHIPPED: dict[str, Callable[..., Space]] = {"trees": BoostedTrees}
"""Of models that are no networks to search for: their bundles name them."""


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
    known = {**SPACES, **SHIPPED}
    if name not in known:
        raise ConfigError(f"there is no space {name!r}; {closest(name, SPACES)}")
    return construct(known[name], settings, signature=signature)
