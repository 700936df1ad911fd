"""What a network must take and give: the shape of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KINDS = ("classification", "regression")


@dataclass(frozen=True)
class Signature:
    """Shape of one input, and what is wanted of it.

    Args:
        kind: "classification" or "regression".
        shape: (channels, height, width) of a picture or (features,) of a row.
        outputs: number of classes, or of numbers to predict.
        classes: the classes' names, in the order of the outputs; empty for regression.
        flips: whether a mirrored picture may still be of its class.
        raw: columns of a table, before they are prepared and there are `shape` of them; 0 where nothing is prepared.
        traits: what there is to prepare in a table: "words", "holes".
    """

    kind: str
    shape: tuple[int, ...]
    outputs: int
    classes: tuple[str, ...] = ()
    flips: bool = False
    raw: int = 0
    traits: tuple[str, ...] = ()

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """The shape of one input as data has it."""
        return (self.raw,) if self.raw else self.shape

    @property
    def pictures(self) -> bool:
        """Whether an input is a picture."""
        return len(self.shape) == 3

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "shape": list(self.shape), "classes": list(self.classes), "traits": list(self.traits)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Signature:
        return cls(
            str(data["kind"]),
            tuple(int(size) for size in data["shape"]),
            int(data["outputs"]),
            tuple(str(name) for name in data["classes"]),
            bool(data["flips"]),
            int(data.get("raw", 0)),
            tuple(str(name) for name in data.get("traits", ())),
        )
