"""What a runtime's time depends on, counted from an architecture without running it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from azora.networks.complexity import BLOCKS, by_kind, signature_of
from azora.networks.decide import As
from azora.networks.shapes_only import ShapesOnly
from azora.space import Architecture, Categorical, Choice, Option, Space
from azora.strategies.surrogates import Array, Description

FEATURES = 2
"""What is counted here, and how predictors are fitted to it: another number whenever that changes."""
QUANTITIES = ("count", "macs", "traffic", "weights")
SHARED = ("macs", "traffic")
LOOSE = {f"loose{of}{block}" for of in ("", "-groups") for block in BLOCKS}
# Totals that are of no kind of layer, and whose prices alone count.
APART = {"all", "odd-filters", "odd-blocks", "heavy", "held", *LOOSE}
HELD = 2**19  # weights: two mebibytes, of which a processor's caches keep less and less from answer to answer


@final
class Features:
    """Totals of a network's layers by kind, and the columns that regressors learn from.

    Args:
        space: of networks, with a `signature`.
    """

    def __init__(self, space: Space) -> None:
        self.space, self.shape = space, signature_of(space).shape
        self._describe = Description(space)
        self._known: dict[tuple[tuple[str, Option], ...], Mapping[str, float]] = {}

    def totals(self, architecture: Architecture) -> Mapping[str, float]:
        """`conv3.macs`, `conv3.count` …, of every kind of layer that takes time, and of `all`; `held.weights`, those of
        all layers beyond `HELD`."""
        # By decisions and not by key: cells that share a node and cells that copy it have one key, and different costs.
        decisions = tuple(architecture.items())
        if decisions not in self._known:
            self._known[decisions] = self._counted(architecture)
        return self._known[decisions]

    def choices(self, architectures: Sequence[Architecture]) -> Array:
        """(n, columns): the space's encoding, and how often each word is chosen: choices that have a word in common
        tell of it together."""
        words = sorted({each for choice in self.space.root.choices.values() for each in _words(choice)})
        counts = [[float(sum(value == word for value in each.values())) for word in words] for each in architectures]
        codes = [self.space.encode(each) for each in architectures]
        return np.hstack([np.asarray(codes, dtype=np.float64), np.asarray(counts).reshape(len(codes), -1)])

    def read(self, architectures: Sequence[Architecture]) -> Array:
        """(n, columns): for each choice and each of its words whether it is chosen and its result read, and how often
        each word is."""
        choices = self.space.root.choices
        pairs = [(name, word) for name, choice in choices.items() for word in _words(choice)]
        words = sorted({word for _, word in pairs})
        rows = []
        for each in architectures:
            unread = set(self.space.root.unread(each))
            kept = {name: value for name, value in each.items() if name not in unread}
            own = [float(kept.get(name) == word) for name, word in pairs]
            rows.append([*own, *(float(sum(value == word for value in kept.values())) for word in words)])
        return np.asarray(rows, dtype=np.float64)

    def sizes(self, architectures: Sequence[Architecture]) -> Array:
        """(n, `QUANTITIES`): logarithms of all layers' totals."""
        rows = [[math.log1p(self.totals(each)[f"all.{name}"]) for name in QUANTITIES] for each in architectures]
        return np.asarray(rows, dtype=np.float64)

    def kinds(self, architectures: Sequence[Architecture]) -> list[str]:
        """Of the layers that any of these has."""
        return sorted({name.partition(".")[0] for each in architectures for name in self.totals(each)} - APART)

    def mix(self, architectures: Sequence[Architecture], kinds: Sequence[str]) -> Array:
        """(n, columns): `sizes`, then the share of each of the `kinds` in the multiply-accumulates and in the values
        that are moved."""
        rows = [
            [totals.get(f"{kind}.{name}", 0.0) / max(1.0, totals[f"all.{name}"]) for kind in kinds for name in SHARED]
            for totals in map(self.totals, architectures)
        ]
        return np.hstack([self.sizes(architectures), np.asarray(rows, dtype=np.float64)])

    def columns(self, architectures: Sequence[Architecture]) -> Array:
        """(n, columns): `sizes`, then the space's own encoding and features."""
        return np.hstack([self.sizes(architectures), self._describe(architectures)])

    def _counted(self, architecture: Architecture) -> Mapping[str, float]:
        told = self.space.root.kinds(architecture)
        if told is None:
            with ShapesOnly():
                network = self.space.root.build(As(architecture))
            told = by_kind(network, self.shape)
        return {**told, "held.weights": max(0.0, told["all.weights"] - HELD)}

    def groups(self, architecture: Architecture) -> list[slice]:
        """Those of `columns` that belong together."""
        first = len(QUANTITIES)
        rest = [slice(each.start + first, each.stop + first) for each in self._describe.groups(architecture)]
        return [slice(place, place + 1) for place in range(first)] + rest


def _words(choice: Choice) -> list[str]:
    """The options of a choice of words."""
    if not isinstance(choice, Categorical):
        return []
    return [value for value in choice.values if isinstance(value, str)]
