"""What spaces of networks refuse when they are made, rather than when the first network fails to build."""

from __future__ import annotations

from collections.abc import Sequence

from azora.errors import SpaceError
from azora.operations import OPERATIONS
from azora.settings import closest
from azora.tasks import Signature


def check_pictures(name: str, signature: Signature) -> None:
    """Raises SpaceError unless the task is of pictures."""
    if not signature.pictures:
        raise SpaceError(
            f"{name} is a space for pictures, and the task has rows of {signature.shape[0]} columns; use mlp"
        )


def check_counts(name: str, **settings: int | Sequence[int]) -> None:
    """Raises SpaceError unless every setting is a whole number of at least 1, or a list of such numbers."""
    for setting, given in settings.items():
        for value in [given] if isinstance(given, int) else given:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SpaceError(f"{name}: {setting} must be whole numbers of at least 1, got {value!r}")


def check_operations(name: str, operations: Sequence[str]) -> None:
    """Raises SpaceError unless all are in the catalogue."""
    for operation in operations:
        if operation not in OPERATIONS:
            raise SpaceError(f"{name}: there is no operation {operation!r}; {closest(operation, OPERATIONS)}")


def check_shares(name: str, setting: str, values: Sequence[float], *, zero: bool) -> None:
    """Raises SpaceError unless all lie in (0, 1], or with `zero` in [0, 1)."""
    for value in values:
        if not (0 <= value < 1 if zero else 0 < value <= 1):
            span = "at least 0 and below 1" if zero else "above 0 and at most 1"
            raise SpaceError(f"{name}: {setting} must be {span}, got {value!r}")
