"""Durations and the start of the process."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from azora.clock import parse_seconds, process_start, show_seconds
from azora.errors import BudgetError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("36500d", 36_500 * 86_400),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        (45, 45),
        ("1.5m", 90),
        (" 5 m ", 300),
    ],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["abc", "0s", "-5m", "", "10 parsecs", "inf", "nan", "5m,", "1e999h", "9999999d", "9" * 400]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BudgetError, match="budget"):
        parse_seconds(text)


def test_seconds_are_shown_as_people_write_them() -> None:
    assert [show_seconds(each) for each in (5, 95, 3700)] == ["5s", "1m 35s", "1h 01m"]


def test_the_clock_starts_with_the_process_not_with_the_import() -> None:
    script = (
        "import time; time.sleep(0.5); from azora.clock import process_start; print(time.monotonic() - process_start())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 0.5 <= float(done.stdout) < 5
    assert process_start() < time.monotonic()
