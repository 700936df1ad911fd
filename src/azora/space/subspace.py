"""A part of a space: some choices fixed or narrowed, and a predicate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from azora.errors import SpaceError
from azora.settings import closest
from azora.space.architecture import Architecture
from azora.space.choice import Categorical, Choice, Integer, Option, Real, Subset
from azora.space.graph import Graph
from azora.space.space import Rule, Space


@final
class Subspace(Space):
    """What is left of `space`. Fingerprint, keys and encoding are those of the whole, so results carry over."""

    def __init__(
        self,
        space: Space,
        holds: Callable[[Architecture], bool] | None,
        reason: str,
        fixed: Mapping[str, Option],
    ) -> None:
        for name in fixed:
            if name not in space.choices:
                raise SpaceError(f"{space.name}: there is no choice {name!r}; {closest(name, space.choices)}")
        self.whole = space
        choices = [_narrow(choice, fixed[name]) if name in fixed else choice for name, choice in space.choices.items()]
        super().__init__(space.name, choices, space.rules)
        if holds is not None:
            self.rules = (*space.rules, Rule(reason, lambda kept: holds(self._seal(dict(kept)))))
        self.fingerprint = space.fingerprint

    @property
    def root(self) -> Space:
        return self.whole.root

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


def _narrow(choice: Choice, value: Option) -> Choice:
    """`choice` with one value left, or with the listed options of a categorical one."""
    if isinstance(choice, Categorical):
        kept = [choice.accept(each) for each in (value if isinstance(value, list) else [value])]
        return Categorical(choice.name, tuple(kept), choice.when)
    if isinstance(choice, Integer):
        number = choice.accept(value)
        return Integer(choice.name, number, number, choice.log, choice.when)
    if isinstance(choice, Real):
        number = choice.accept(value)
        return Real(choice.name, number, number, choice.log, choice.when)
    if isinstance(choice, Subset):
        items = choice.accept(value)
        return Subset(choice.name, items, len(items), len(items), choice.when)
    raise SpaceError(f"{choice.name}: a {type(choice).__name__} cannot be fixed")
