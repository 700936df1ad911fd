"""What may be seen of a running search."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sight:
    """One look: `done` from 0 to 1 and `left` in seconds of the budget (None: there is no time limit)."""

    phase: str
    judged: int
    failed: int
    metric: str
    best: float | None
    done: float
    left: float | None


class Watcher:
    """Is shown the search as it goes. This one looks away; subclass to look."""

    def see(self, sight: Sight) -> None:
        """Called after every trial and about once a second of the final training."""

    def note(self, said: str) -> None:
        """Something to be known before the search begins."""

    def close(self) -> None:
        """Called once, when there is nothing more to see."""
