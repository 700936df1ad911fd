"""The contract for every executor, and every way in which a worker can fail."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import evaluators
from azora.executors import Executor, InlineExecutor, ProcessExecutor
from azora.networks.registry import make_space
from azora.space import Space
from azora.tasks import Task
from azora.testing import ExecutorContract
from azora.trial import Proposal, Report

Pool = Callable[..., ProcessExecutor]


def half(proposal: Proposal) -> dict[str, float]:
    return {"accuracy": 0.5}


@pytest.fixture
def space(stripes: Task) -> Space:
    return make_space("mlp", stripes.signature)


@pytest.fixture
def pool(stripes: Task, tmp_path: Path) -> Iterator[Pool]:
    """Start process executors with an evaluator from `evaluators`; all are stopped in the end."""
    stripes.search_data.save(tmp_path / "data")
    started: list[ProcessExecutor] = []

    def start(evaluator: str, workers: int = 1, **limits: float) -> ProcessExecutor:
        setup = {
            "space": {"name": "mlp", "settings": {}, "recipe": False},
            "evaluator": evaluator if ":" in evaluator else f"evaluators:{evaluator}",
            "data": str(tmp_path / "data"),
            "folder": str(tmp_path / "checkpoints"),
            "seed": 0,
            "device": "cpu",
            "precision": "float32",
            "metric": "accuracy",
        }
        started.append(ProcessExecutor(setup, workers, log=tmp_path / "log", **limits))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for executor in started:
        executor.shutdown()


class TestInline(ExecutorContract):
    @pytest.fixture
    def start(self) -> Callable[[str], Executor]:
        known = {"well": half, "raises": evaluators.raises, "nan": evaluators.not_a_number}
        return lambda name: InlineExecutor(known[name])


class TestProcesses(ExecutorContract):
    @pytest.fixture
    def start(self, pool: Pool) -> Callable[[str], Executor]:
        known = {"well": "executors.test_executors:half", "raises": "raises", "nan": "not_a_number"}
        return lambda name: pool(known[name])


def judge(executor: Executor, space: Space, seed: int = 0) -> Report:
    return executor.submit(Proposal(space.sample(random.Random(seed)), 1.0)).result(timeout=60)


@pytest.mark.parametrize(
    ("evaluator", "error"),
    [
        ("exits", "SystemExit(4)"),
        ("exits_hard", "worker ended with exit code 3"),
        ("is_killed", "worker killed by signal 9"),
        ("says_nothing", "the evaluator gave no metrics"),
    ],
)
def test_a_worker_that_ends_costs_its_trial_and_is_replaced(
    pool: Pool, space: Space, evaluator: str, error: str
) -> None:
    executor = pool(evaluator)
    for _ in range(2):
        assert error in str(judge(executor, space).error)


def test_a_worker_that_hangs_is_stopped_in_time(pool: Pool, space: Space) -> None:
    executor = pool("sleeps", timeout=0.5)
    report = judge(executor, space)
    assert report.error == "no answer in 0.5 s"
    assert 0.4 < report.seconds < 3


def test_a_worker_that_takes_too_much_memory_is_stopped(pool: Pool, space: Space) -> None:
    report = judge(pool("hoards", memory=900_000_000, timeout=60.0), space)
    assert "memory" in str(report.error).lower()


def test_what_an_evaluator_prints_goes_to_the_log(pool: Pool, space: Space, tmp_path: Path) -> None:
    assert judge(pool("chats"), space).metrics == {"accuracy": 0.5}
    assert "nor is this" in (tmp_path / "log").read_text()


def test_a_worker_that_cannot_start_says_why_and_does_not_try_for_ever(pool: Pool, space: Space) -> None:
    executor = pool("no_such_module:Evaluator")
    begun = time.monotonic()
    for _ in range(4):
        assert "importing no_such_module failed" in str(judge(executor, space).error)
    assert time.monotonic() - begun < 60


def test_shutdown_is_quick_and_leaves_no_process(pool: Pool, space: Space) -> None:
    executor = pool("sleeps")
    future = executor.submit(Proposal(space.sample(random.Random(0)), 1.0))
    time.sleep(3.0)
    begun = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - begun < 2
    assert future.cancelled() or future.done()
    assert not _workers_of(os.getpid())


def test_workers_die_with_their_parent(stripes: Task, tmp_path: Path) -> None:
    stripes.search_data.save(tmp_path / "data")
    script = f"""
import random, sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from azora.executors import ProcessExecutor
ProcessExecutor({{"space": {{"name": "mlp", "settings": {{}}, "recipe": False}}, "evaluator": "evaluators:sleeps",
    "data": {str(tmp_path / "data")!r}, "folder": {str(tmp_path)!r}, "seed": 0, "device": "cpu", "precision": "float32",
    "metric": "accuracy"}})
print("started", flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    deadline = time.monotonic() + 20
    while not (children := _workers_of(parent.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert children
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def _workers_of(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            about, command = (folder / "stat").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        if int(about.rpartition(")")[2].split()[1]) == parent and "azora.executors.worker" in command:
            found.append(int(folder.name))
    return found
