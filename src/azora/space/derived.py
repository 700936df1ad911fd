"""A space that another stands behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from azora.space.architecture import Architecture
from azora.space.choice import Choice, Option
from azora.space.graph import Graph
from azora.space.space import Space


class Derived(Space):
    """`whole` with other choices or rules. Fingerprint, encoding and all that is known of networks are the whole's."""

    def __init__(self, whole: Space, choices: Sequence[Choice]) -> None:
        self.whole = whole
        super().__init__(whole.name, choices, whole.rules)
        self.fingerprint = whole.fingerprint

    @property
    def root(self) -> Space:
        return self.whole.root

    @cached_property
    def unlimited(self) -> Space:
        if self.rules == self.root.rules:
            return self
        found = Derived(self, list(self.choices.values()))
        found.rules = self.root.rules
        return found

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        return self.whole.representative(decisions)

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        return self.whole.familiar()

    def features(self, decisions: Mapping[str, Option]) -> Mapping[str, Sequence[float]]:
        return self.whole.features(decisions)

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int] | None:
        return self.whole.cost(decisions)

    def build(self, decide: Any) -> Any:
        return self.whole.build(decide)

    def graph(self, architecture: Architecture) -> Graph:
        return self.whole.graph(architecture)

    def encode(self, architecture: Architecture) -> tuple[float, ...]:
        return self.whole.encode(architecture)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.whole.columns
