"""Modules of options that networks on shared weights have in common, so that each need not be made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from functools import partial
from types import FunctionType
from typing import Any, final

from torch import nn

from azora.networks.decide import As, Make, OfChannels
from azora.space import Architecture, Option


@final
class KeptOptions:
    """The modules of options by their places in the network, made once.

    Only what an `OfChannels` makes is kept, by a function of a module or a class: then an option and a number of
    channels say what comes out. A place is how often its choice was asked before, so no network holds a module twice.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, nn.Module] = {}

    def deciding(self, architecture: Architecture) -> AsKept:
        """What builds the architecture's network out of them."""
        return AsKept(architecture, self)

    def get(self, place: Hashable, maker: Hashable, make: Callable[[], nn.Module]) -> nn.Module:
        """The one that is known for the place, made where there is none."""
        key = (place, maker)
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


@final
class AsKept:
    """As an architecture has it (see `As`), with modules that other networks have too: for the meta device alone."""

    def __init__(self, architecture: Architecture, kept: KeptOptions) -> None:
        self._as, self._architecture, self._kept = As(architecture), architecture, kept
        self._asked = Counter[str]()

    def module(self, name: str, make: Make) -> nn.Module:
        if not isinstance(make, OfChannels) or (maker := _named(make.sized)) is None or not self.exists(name):
            return self._as.module(name, make)
        place = (name, self._asked[name], _typed(self._architecture[name]))
        self._asked[name] += 1
        return self._kept.get(place, (maker, make.channels), lambda: self._as.module(name, make))

    def number(self, name: str) -> Any:
        return self._as.number(name)

    def narrowed(self, name: str, module: nn.Module) -> nn.Module:
        return module

    def category(self, name: str) -> Option:
        return self._as.category(name)

    def subset(self, name: str) -> tuple[Option, ...]:
        return self._as.subset(name)

    def exists(self, name: str) -> bool:
        return self._as.exists(name)

    def repeats(self, count: int) -> int:
        return self._as.repeats(count)


def _named(maker: object) -> Hashable | None:
    """What is equal for two makers that make the same; None for one of which that is not known, such as a function
    that is defined anew for every network."""
    if isinstance(maker, partial):
        inner = _named(maker.func)
        values = (*maker.args, *maker.keywords.values())
        if inner is None or not all(isinstance(value, int | float | str | None) for value in values):
            return None
        return (
            inner,
            tuple(map(_typed, maker.args)),
            tuple((key, _typed(maker.keywords[key])) for key in sorted(maker.keywords)),
        )
    if isinstance(maker, FunctionType | type) and "<" not in maker.__qualname__:
        return maker
    return None


def _typed(value: object) -> tuple[type, object]:
    """1, 1.0 and True are equal, and not the same."""
    return type(value), value
