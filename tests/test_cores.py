"""Cores are counted as this process may use them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from azora.cores import usable_cores

PROGRAM = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from azora.job import Job
print(Job.parse(task="digits").workers)
"""


def test_at_least_one_and_at_most_those_of_the_machine() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process to cores")
def test_a_search_that_is_pinned_to_one_core_has_one_worker() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
