"""Processes of searches: what they said, and how they are ended."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from azora.automl.comparing import runs
from azora.automl.comparing.runs import end, run_command


def test_the_last_complaint_and_the_code_are_kept() -> None:
    code = "import sys; print('azora: one', file=sys.stderr); print('azora: two', file=sys.stderr); sys.exit(2)"
    assert run_command([sys.executable, "-c", code]) == (2, "azora: two")
    assert run_command([sys.executable, "-c", ""]) == (0, "")


HURRIES = """
import signal, sys, time
seen = []
def on(number, frame):
    if seen: sys.exit(7)
    seen.append(number)
signal.signal(signal.SIGINT, on)
print(file=sys.stderr, flush=True)
while True: time.sleep(0.05)
"""
DEAF = "import signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(file=sys.stderr, flush=True)"


@pytest.mark.parametrize(("code", "left"), [(HURRIES, 7), (f"{DEAF}; time.sleep(60)", -signal.SIGKILL)])
def test_a_search_is_ended_and_killed_only_if_it_does_not_listen(
    code: str, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PATIENCE", 1.5)
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    process.stderr.readline()
    end(process)
    assert process.returncode == left
