"""Cores are counted as this process may use them."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from azora.cores import usable_cores, usable_workers

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


@pytest.mark.parametrize(("gibibytes", "workers"), [(8, 4), (1, 1), (80, 12)])
def test_a_gpu_has_no_more_workers_than_its_memory_holds(
    monkeypatch: pytest.MonkeyPatch, gibibytes: int, workers: int
) -> None:
    monkeypatch.setattr("azora.cores.usable_cores", lambda: 12)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    memory = {0: 0, 1: gibibytes * 2**30}
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda at: SimpleNamespace(total_memory=memory[at]))
    assert usable_workers("cuda:1") == workers
    assert usable_workers("cpu") == usable_workers("cuda:2") == 12
