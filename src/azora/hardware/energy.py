"""What an answer takes from the socket, where the processor tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import final

from azora.hardware.measurement import FEWEST, SECONDS

ROOT = Path("/sys/class/powercap")


@final
class Rapl:
    """The energy counters of the processor's packages (running average power limit), as Linux tells them.

    They count all that runs in the package, and what it takes at rest; most systems let root alone read them, and
    virtual machines have none.

    Args:
        root: the folder of the counters.
    """

    def __init__(self, root: Path = ROOT) -> None:
        found = sorted(root.glob("*-rapl:*")) if root.is_dir() else []
        # `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it, which is counted already; `psys`, which stands
        # beside the packages, is the whole machine and has them in it.
        self.packages = [
            each
            for each in found
            if _text(each / "name").startswith("package") and _number(each / "energy_uj") is not None
        ]

    def millijoules(self, call: Callable[[], object], seconds: float = SECONDS) -> float | None:
        """Of one `call`: the mean over so many seconds of calls, ten at least; None where nothing tells."""
        before = self._read()
        calls, begun = 0, time.perf_counter()
        while before and (calls < FEWEST or time.perf_counter() - begun < seconds):
            call()
            calls += 1
        after = self._read()
        if not before or len(after) != len(before):
            return None
        spent = sum(self._since(*each) for each in zip(self.packages, before, after, strict=True))
        return spent / 1e3 / calls if spent > 0 else None

    def _read(self) -> list[int]:
        """Microjoules of each package; nothing where one cannot be read."""
        found = [_number(each / "energy_uj") for each in self.packages]
        return [] if None in found else [each for each in found if each is not None]

    def _since(self, package: Path, before: int, after: int) -> int:
        """Counters begin again at their end."""
        return after - before if after >= before else after - before + (_number(package / "max_energy_range_uj") or 0)


def _number(file: Path) -> int | None:
    try:
        return int(_text(file))
    except ValueError:
        return None


def _text(file: Path) -> str:
    """What stands in a file; nothing, where it cannot be read."""
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
