"""When this process started, and durations as people write them."""

from __future__ import annotations

import math
import os
import re
import time
from pathlib import Path

from azora.errors import BudgetError

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 36_500 * UNITS["d"]  # a hundred years: dates and the system's timers end beyond


def process_start() -> float:
    """The `time.monotonic` value at which this process started; of this call, where the system does not tell.

    A budget counts from here, so that importing torch is paid from it like everything else.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        ticks, per_second = float(fields[19]), os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / per_second
    except (OSError, ValueError, IndexError, AttributeError):
        return time.monotonic()
    return time.monotonic() - max(0.0, age)


def parse_seconds(text: str | float) -> float:
    """Seconds in `60s`, `10m`, `2h`, `1h30m` or a plain number.

    Raises:
        BudgetError: it is not a duration, not above zero, or so long that no clock counts it.
    """
    shown = str(text).strip().lower()
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", shown)
    whole = "".join(number + unit for number, unit in parts)
    if not parts or whole != re.sub(r"\s", "", shown) or any(unit not in UNITS for _, unit in parts):
        raise BudgetError(f"budget {str(text)!r} is not a duration such as 60s, 10m or 2h")
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not (math.isfinite(seconds) and seconds > 0):
        raise BudgetError(f"budget {str(text)!r} must be above zero")
    if seconds > LONGEST:
        raise BudgetError(f"budget {str(text)!r} is longer than {LONGEST / UNITS['d']:,.0f}d, the most there is")
    return seconds


def show_seconds(seconds: float) -> str:
    """`95` as `1m 35s`."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {left:02d}s" if minutes else f"{left}s"
