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
    """

    kind: str
    shape: tuple[int, ...]
    outputs: int
    classes: tuple[str, ...] = ()
    flips: bool = False

    @property
    def pictures(self) -> bool:
        """Whether an input is a picture."""
        return len(self.shape) == 3

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "shape": list(self.shape), "classes": list(self.classes)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Signature:
        return cls(
            str(data["kind"]),
            tuple(int(size) for size in data["shape"]),
            int(data["outputs"]),
            tuple(str(name) for name in data["classes"]),
            bool(data["flips"]),
        )
