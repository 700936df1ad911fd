"""What the terminal shows while a search runs. Always on stderr; stdout is for results."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, final

from azora.automl.watching import Sight, Watcher
from azora.clock import show_seconds

EVERY = 10.0  # seconds between lines where there is no terminal to redraw


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal, told of the step, what is done of it, and of how much; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda step, done, of: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("")
        yield lambda step, done, of: shown.update(task, description=step, completed=done, total=of)


def watcher(*, quiet: bool) -> Watcher:
    """A live display on a terminal, plain lines elsewhere, nothing when quiet."""
    if quiet:
        return Watcher()
    return _Live() if sys.stderr.isatty() else _Lines(sys.stderr)


def _sentence(sight: Sight) -> str:
    best = "" if sight.best is None else f" · best {sight.metric} {sight.best:.4f}"
    left = "" if sight.left is None else f" · {show_seconds(sight.left)} left"
    failed = f" · {sight.failed} failed" if sight.failed else ""
    return f"{sight.phase}: {sight.judged} networks judged{failed}{best}{left}"


@final
class _Lines(Watcher):
    """A line when the phase changes, and otherwise one every ten seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._phase, self._last = stream, "", 0.0

    def see(self, sight: Sight) -> None:
        now = time.monotonic()
        phase = sight.phase.partition(",")[0]  # what follows is a figure of it
        if phase == self._phase and now - self._last < EVERY:
            return
        self._phase, self._last = phase, now
        print(f"azora: {_sentence(sight)}", file=self._stream, flush=True)

    def note(self, said: str) -> None:
        print(f"azora: {said}", file=self._stream, flush=True)

    def close(self) -> None:
        self._stream.flush()


@final
class _Live(Watcher):
    """A bar of the time that has gone, and what is known, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("[bold]azora"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: Any = None

    def see(self, sight: Sight) -> None:
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0)
        self._bar.update(self._task, completed=sight.done, description=_sentence(sight))

    def note(self, said: str) -> None:
        self._bar.console.print(f"azora: {said}", highlight=False, markup=False)

    def close(self) -> None:
        if self._task is not None:
            self._bar.stop()
