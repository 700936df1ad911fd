"""Several spaces decided together: an architecture and the recipe that it is trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, final

from azora.errors import SpaceError
from azora.space.architecture import Architecture, digest
from azora.space.choice import Choice, Option, When
from azora.space.graph import Graph
from azora.space.space import Rule, Space


@final
class Product(Space):
    """`Product(network=cells, recipe=recipe)`: the choices of every part, their names behind the part's name.

    The network of a product is that of its one part that builds; decisions of the others do not reach it.
    """

    def __init__(self, /, **parts: Space) -> None:
        if not parts:
            raise SpaceError("a product needs at least one space")
        self.parts = parts
        choices = [_prefixed(choice, part) for part, space in parts.items() for choice in space.choices.values()]
        rules = [_scoped(rule, part) for part, space in parts.items() for rule in space.rules]
        super().__init__(" × ".join(space.name for space in parts.values()), choices, rules)
        self.fingerprint = digest([[part, space.fingerprint] for part, space in parts.items()])

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        return [space.representative(_within(decisions, part)) for part, space in self.parts.items()]

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        """Each familiar point of a part with the first ones of the others; none, where a part has none."""
        lists = {part: space.familiar() for part, space in self.parts.items()}
        most = max(map(len, lists.values())) if all(lists.values()) else 0
        return [
            {
                f"{part}.{name}": value
                for part, points in lists.items()
                for name, value in points[place if place < len(points) else 0].items()
            }
            for place in range(most)
        ]

    def features(self, decisions: Mapping[str, Option]) -> Mapping[str, Sequence[float]]:
        """Those of every part, their names behind the part's name."""
        return {
            f"{part}.{group}": numbers
            for part, space in self.parts.items()
            for group, numbers in space.features(_within(decisions, part)).items()
        }

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int] | None:
        part, space = self.builder()
        return space.cost(_within(decisions, part))

    def project(self, architecture: Architecture, part: str) -> Architecture:
        """The decisions of one part, as an architecture of that part's space."""
        return self.parts[part]._seal(_within(architecture, part))

    def build(self, decide: Any) -> Any:
        part, space = self.builder()
        return space.build(_Scoped(decide, f"{part}."))

    def graph(self, architecture: Architecture) -> Graph:
        part, space = self.builder()
        return space.graph(self.project(architecture, part))

    def size(self) -> int | None:
        total = 1
        for space in self.parts.values():
            size = space.size()
            if size is None:
                return None
            total *= size
        return total

    def builder(self) -> tuple[str, Space]:
        """The part that has a network, with its name.

        Raises:
            SpaceError: none has, or several have.
        """
        builders = [(part, space) for part, space in self.parts.items() if type(space.root).build is not Space.build]
        if len(builders) != 1:
            raise SpaceError(f"{self.name}: {len(builders)} parts have a network to build; exactly one must")
        return builders[0]


class _Scoped:
    """A decider that is asked by a part, and decides by the part's names in the product."""

    def __init__(self, decide: Any, prefix: str) -> None:
        self._decide, self._prefix = decide, prefix

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self._decide, verb)
        if verb == "repeats":  # the one that asks for no choice
            return method
        return lambda name, *rest, **more: method(self._prefix + name, *rest, **more)


def _prefixed(choice: Choice, part: str) -> Choice:
    when = tuple(When(f"{part}.{condition.choice}", condition.among) for condition in choice.when)
    return replace(choice, name=f"{part}.{choice.name}", when=when)  # type: ignore[type-var]


def _scoped(rule: Rule, part: str) -> Rule:
    return Rule(
        rule.reason, lambda kept: rule.holds(_within(kept, part)), tuple(f"{part}.{name}" for name in rule.reads)
    )


def _within(decisions: Mapping[str, Option], part: str) -> dict[str, Option]:
    start = len(part) + 1
    return {name[start:]: value for name, value in decisions.items() if name.startswith(part + ".")}
