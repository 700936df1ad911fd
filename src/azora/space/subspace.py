"""A part of a space: some choices fixed or narrowed, and a predicate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

from azora.errors import SpaceError
from azora.settings import closest
from azora.space.architecture import Architecture
from azora.space.choice import Categorical, Choice, Integer, Option, Real, Subset
from azora.space.derived import Derived
from azora.space.space import Rule, Space


@final
class Subspace(Derived):
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
        choices = [_narrow(choice, fixed[name]) if name in fixed else choice for name, choice in space.choices.items()]
        super().__init__(space, choices)
        self.plant(space.planted)
        if holds is not None:
            self.rules = (*space.rules, Rule(reason or "a constraint", lambda kept: holds(self._seal(dict(kept)))))


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
