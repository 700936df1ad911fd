"""What asks a command to end at once, beside Ctrl-C."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final

ENDING = signal.SIGTERM, signal.SIGHUP
BY_SIGNAL = 128  # the exit code of what signal N ended is that and N
CLEARING = 10.0  # seconds in which what the first signal has begun to clear away is not cut short by another


@final
class Ending:
    """Which signal has asked for the end, if any."""

    signal: int | None = None
    latest = -math.inf  # when one was heeded (monotonic)

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Of a signal; raises KeyboardInterrupt."""
        self.signal = self.signal or number
        if time.monotonic() - self.latest > CLEARING:
            self.latest = time.monotonic()
            raise KeyboardInterrupt

    def code(self, otherwise: int) -> int:
        """The exit code that says so; `otherwise`, if none has."""
        return otherwise if self.signal is None else BY_SIGNAL + self.signal


@contextmanager
def ended_by_signals() -> Iterator[Ending]:
    """SIGTERM (`kill`, batch systems, containers) and SIGHUP (a terminal that closes) end what is done inside as Ctrl-C
    does, by KeyboardInterrupt: worker processes and the copy of the data go, and the journal stays.

    Where they are ignored (`nohup`) or heeded already, and outside of the main thread, which alone hears of signals,
    they are left as they are.
    """
    ending = Ending()
    ours = [number for number in ENDING if in_main_thread() and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, ending.hear)
    try:
        yield ending
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
