"""A space whose points are told apart by their decisions alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from azora.space import Architecture, Option, Space


@final
class Apart(Space):
    """`space`, but no two points of it are one network.

    Costs were measured with all that was decided, operations that no path passes through among them: on NAS-Bench-201
    the latencies of cells that compute the same differ by six per cent and more. Where such a cost counts, another row
    of the same function is another network.
    """

    def __init__(self, space: Space) -> None:
        super().__init__(space.name, list(space.choices.values()), space.rules)
        self.whole = space
        self.fingerprint = space.fingerprint

    @property
    def root(self) -> Space:
        return self.whole.root

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        return self.whole.familiar()

    def features(self, decisions: Mapping[str, Option]) -> Mapping[str, Sequence[float]]:
        return self.whole.features(decisions)

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int] | None:
        return self.whole.cost(decisions)

    def build(self, decide: Any) -> Any:
        return self.whole.build(decide)

    def encode(self, architecture: Architecture) -> tuple[float, ...]:
        return self.whole.encode(architecture)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.whole.columns
