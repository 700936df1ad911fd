"""Operations by name: the same channels in and out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from torch import nn

from azora.errors import SpaceError
from azora.settings import closest

OPERATIONS: dict[str, Callable[[int, int], nn.Module]] = {}
"""Name → constructor of `(channels, stride)`; (B, C, H, W) → (B, C, ⌈H/stride⌉, ⌈W/stride⌉)."""

DEFAULT_OPERATIONS = (
    "conv_3x3",
    "conv_5x5",
    "depthwise_conv_3x3",
    "depthwise_conv_5x5",
    "dilated_conv_3x3",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "none",
)

Kind = TypeVar("Kind", bound=Callable[..., nn.Module])


def operation(name: str, **settings: Any) -> Callable[[Kind], Kind]:
    """Enter a class into the catalogue under `name`, with settings beside (channels, stride)."""

    def enter(kind: Kind) -> Kind:
        OPERATIONS[name] = partial(kind, **settings)
        return kind

    return enter


def make_operation(name: str, channels: int, stride: int = 1) -> nn.Module:
    """The operation called `name`.

    Raises:
        SpaceError: there is none of that name.
    """
    if name not in OPERATIONS:
        raise SpaceError(f"there is no operation {name!r}; {closest(name, OPERATIONS)}")
    return OPERATIONS[name](channels, stride)
