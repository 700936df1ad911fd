"""One point of a space, as a value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import ItemsView, Iterator, Mapping
from typing import Any

from azora.space.choice import Option


class Architecture(Mapping[str, Option]):
    """The decisions of one point of a space: immutable, hashable, JSON.

    Equal means "the same network": equality and hash are those of `key`, which the space computes from the
    representative of all that is functionally the same. The decisions stay as they were given. Made only by
    `Space.architecture`, which validates.
    """

    __slots__ = ("_decisions", "key", "space")

    def __init__(self, space: str, decisions: dict[str, Option], key: str) -> None:
        object.__setattr__(self, "space", space)
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "_decisions", decisions)

    space: str
    key: str
    _decisions: dict[str, Option]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an architecture is a value: {name} cannot be set")

    def __getitem__(self, name: str) -> Option:
        return self._decisions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decisions)

    def __len__(self) -> int:
        return len(self._decisions)

    def __contains__(self, name: object) -> bool:
        return name in self._decisions

    def items(self) -> ItemsView[str, Option]:
        return self._decisions.items()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Architecture) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"<architecture {self.key} {dict(self._decisions)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Architecture, (self.space, self._decisions, self.key)

    def to_json(self) -> dict[str, Any]:
        """`{"space", "key", "decisions"}`; `Space.parse` reads it back."""
        return {"space": self.space, "key": self.key, "decisions": dict(self._decisions)}


def digest(value: Any, length: int = 16) -> str:
    """The first hex digits of the SHA-256 of `value` as canonical JSON: the same in every process and hash seed."""
    return hashlib.sha256(_CANONICAL(value).encode()).hexdigest()[:length]


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode
