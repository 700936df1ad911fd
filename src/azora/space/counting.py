"""The exact number of points of a space, without visiting them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from azora.space.choice import Choice, Option

if TYPE_CHECKING:
    from azora.space.space import Rule, Space

MOST_STATES = 500_000


def count(space: Space) -> int | None:
    """Choices are decided in order, keeping of the past only what later conditions and rules look at.

    None where a choice has no end of values, or where what must be kept grows beyond half a million states.
    """
    choices = list(space.choices.values())
    states: dict[tuple[tuple[str, Option], ...], int] = {(): 1}
    for place, choice in enumerate(choices):
        needed = _needed(choices[place + 1 :], space.rules, [each.name for each in choices], place)
        due = [rule for rule in space.rules if _last_read(rule, choices) == place]
        following: dict[tuple[tuple[str, Option], ...], int] = {}
        for state, ways in states.items():
            kept = dict(state)
            for value, times in _values(choice, kept, choice.name in needed or bool(due)):
                if times is None:
                    return None
                decided = kept if value is ABSENT else {**kept, choice.name: value}
                if all(rule.holds(decided) for rule in due):
                    left = tuple(item for item in decided.items() if item[0] in needed)
                    following[left] = following.get(left, 0) + ways * times
        states = following
        if len(states) > MOST_STATES:
            return None
    return sum(states.values())


ABSENT = object()


def _values(choice: Choice, kept: Mapping[str, Option], each: bool) -> list[tuple[Option, int | None]]:
    """The values to go on with and how often each counts; one stand-in for all where nobody will look."""
    if not all(when.choice in kept and when.holds(kept[when.choice]) for when in choice.when):
        return [(ABSENT, 1)]
    if not each or choice.count() is None:
        return [(ABSENT, choice.count())]
    return [(value, 1) for value in choice.options()]


def _needed(later: list[Choice], rules: tuple[Rule, ...], names: list[str], place: int) -> set[str]:
    """What somebody after `place` still looks at."""
    needed = {when.choice for choice in later for when in choice.when}
    for rule in rules:
        reads = rule.reads or tuple(names)
        if max(map(names.index, reads)) > place:
            needed.update(reads)
    return needed


def _last_read(rule: Rule, choices: list[Choice]) -> int:
    names = [choice.name for choice in choices]
    return max(map(names.index, rule.reads or tuple(names)))
