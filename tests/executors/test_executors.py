"""The contract for every executor, and every way in which a worker can fail."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, final

import pytest

import evaluators
from azora.errors import ConfigError
from azora.executors import Executor, InlineExecutor, ProcessExecutor, WorkerProcess, spawn
from azora.executors.child import start_child
from azora.loop import Budget, search
from azora.networks.registry import make_space
from azora.space import Space
from azora.strategies import RandomSearch
from azora.study import MemoryJournal, Study
from azora.tasks import Task
from azora.testing import ExecutorContract
from azora.trial import Proposal, Report

Pool = Callable[..., ProcessExecutor]


def half(proposal: Proposal) -> dict[str, float]:
    return {"accuracy": 0.5}


def naps(proposal: Proposal) -> dict[str, float]:
    time.sleep(0.1)
    return {"accuracy": 0.5}


@pytest.fixture
def space(stripes: Task) -> Space:
    return make_space("mlp", stripes.signature)


@pytest.fixture
def pool(stripes: Task, tmp_path: Path) -> Iterator[Pool]:
    """Start process executors with an evaluator from `evaluators`; all are stopped in the end."""
    stripes.search_data.save(tmp_path / "data")
    started: list[ProcessExecutor] = []

    def start(evaluator: str, workers: int = 1, **more: Any) -> ProcessExecutor:
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
        started.append(ProcessExecutor(setup, workers, log=tmp_path / "log", **more))
        return started[-1]

    yield start
    for executor in started:
        executor.shutdown()


class TestInline(ExecutorContract):
    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is submitted has been judged."""
        monkeypatch.setattr("azora.testing.executor_contract.BEGUN", 0.0)

    @pytest.fixture
    def start(self) -> Callable[[str], Executor]:
        known = {"well": half, "raises": evaluators.raises, "nan": evaluators.not_a_number, "sleeps": naps}
        return lambda name: InlineExecutor(known[name])


class TestProcesses(ExecutorContract):
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The worker that sleeps has been waited for."""
        monkeypatch.setattr("azora.testing.executor_contract.BEGUN", 0.3)

    @pytest.fixture
    def start(self, pool: Pool) -> Callable[[str], Executor]:
        known = {"well": "executors.test_executors:half", "nan": "not_a_number"}

        def start(name: str) -> Executor:
            executor = pool(known.get(name, name))
            if name == "sleeps":
                executor.wait_for_worker(60.0)
            return executor

        return start


@final
class Deaf(Executor):
    """Leaves everybody waiting."""

    workers = 1

    def submit(self, proposal: Proposal) -> Future[Report]:
        return Future()

    def shutdown(self) -> None:
        pass


def test_the_contract_notices_futures_that_stay_open(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azora.testing.executor_contract.BEGUN", 0.0)
    monkeypatch.setattr("azora.testing.executor_contract.ENDED", 0.1)
    with pytest.raises(AssertionError, match="after shutdown, futures are open"):
        ExecutorContract().test_stops_what_is_being_judged_and_what_waits(lambda name: Deaf(), space)


def judge(executor: Executor, space: Space, seed: int = 0) -> Report:
    return executor.submit(Proposal(space.sample(random.Random(seed)), 1.0)).result(timeout=60)


@pytest.mark.parametrize(
    ("evaluator", "error"),
    [
        ("exits", "SystemExit(4)"),
        ("exits_hard", "worker ended with exit code 3"),
        ("is_killed", "worker killed by signal 9"),
        ("is_killed_without_a_name", "worker killed by signal 40"),
        ("forks_and_is_killed", "worker killed by signal 9"),
        ("writes_everywhere", "something else wrote to its connection"),
        ("says_nothing", "the evaluator gave no metrics"),
    ],
)
def test_a_worker_that_ends_costs_its_trial_and_is_replaced(
    pool: Pool, space: Space, evaluator: str, error: str
) -> None:
    executor = pool(evaluator)
    for _ in range(2 if evaluator in ("exits_hard", "forks_and_is_killed") else 1):  # all are replaced by the same rule
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


def test_what_an_evaluator_reads_is_empty(pool: Pool, space: Space) -> None:
    executor = pool("reads", timeout=30.0)
    for _ in range(2):
        assert judge(executor, space).metrics == {"accuracy": 0.5, "bytes": 0.0}


def test_workers_that_cannot_start_end_the_search_and_say_why(
    pool: Pool, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def count(module: str, threads: int) -> tuple[subprocess.Popen[bytes], int]:
        started.append(module)
        return start_child(module, threads)

    monkeypatch.setattr("azora.executors.processes.start_child", count)
    executor = pool("no_such_module:Evaluator")
    study = Study(MemoryJournal(), space)
    with pytest.raises(ConfigError, match=r"no worker could be started: .*importing no_such_module failed"):
        search(RandomSearch(space), executor, study, Budget.of(seconds=60))
    assert not study.trials
    with pytest.raises(ConfigError, match="no worker could be started"):
        judge(executor, space)
    assert len(started) == 1  # the reason is the worker's own: trying again would not change it


def test_a_system_without_processes_to_give_is_no_riddle(
    pool: Pool, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(module: str, threads: int) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("azora.executors.processes.start_child", refuse)
    with pytest.raises(ConfigError, match=r"the system gives no process .Resource temporarily unavailable"):
        judge(pool("chats"), space)


def test_where_one_worker_cannot_start_the_others_work(
    pool: Pool, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = iter(range(100))

    def refuse_after_the_first(module: str, threads: int) -> tuple[subprocess.Popen[bytes], int]:
        if next(tried):
            raise OSError(11, "Resource temporarily unavailable")
        return start_child(module, threads)

    monkeypatch.setattr("azora.executors.processes.start_child", refuse_after_the_first)
    executor = pool("chats", workers=2)
    futures = [executor.submit(Proposal(space.sample(random.Random(seed)), 1.0)) for seed in range(4)]
    time.sleep(2.0)  # longer than the other one tries
    assert all(future.result(timeout=60).ok for future in futures)


def test_many_open_files_are_no_reason_to_wait_for_ever(pool: Pool, space: Space, many_files: None) -> None:
    assert judge(pool("chats"), space).metrics == {"accuracy": 0.5}


def test_what_nobody_foresaw_is_told_and_not_waited_for(
    pool: Pool, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("nobody thought of this")

    monkeypatch.setattr("azora.executors.processes.WorkerProcess.receive", fails)
    with pytest.raises(ConfigError, match="no worker could be started: ValueError: nobody thought of this"):
        search(RandomSearch(space), pool("chats"), Study(MemoryJournal(), space), Budget.of(trials=1))


def test_a_worker_that_cannot_be_killed_does_not_keep_its_report(
    pool: Pool, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill, tried = WorkerProcess.kill, list[WorkerProcess]()

    def fails_at_first(worker: WorkerProcess) -> None:
        kill(worker)
        tried.append(worker)
        if len(tried) == 1:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(WorkerProcess, "kill", fails_at_first)
    executor = pool("is_killed")
    assert "worker killed by signal 9" in str(judge(executor, space).error)
    with pytest.raises(ConfigError, match="OSError"):
        judge(executor, space)


def test_a_cancelled_judgement_does_not_cost_the_worker(pool: Pool, space: Space) -> None:
    executor = pool("chats")
    assert executor.submit(Proposal(space.sample(random.Random(1)), 1.0)).cancel()
    assert judge(executor, space).metrics == {"accuracy": 0.5}


def test_a_users_own_memory_limit_stays_the_lower_one() -> None:
    script = (
        "import resource as r; from azora.executors.worker import _limit;"
        "r.setrlimit(r.RLIMIT_DATA, (4 << 30, 4 << 30)); _limit(8 << 30); print(r.getrlimit(r.RLIMIT_DATA)[0] >> 30);"
        "_limit(2 << 30); print(r.getrlimit(r.RLIMIT_DATA)[0] >> 30)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split() == ["4", "2"]


def test_the_deadline_holds_with_workers_that_hang(pool: Pool, space: Space) -> None:
    executor = pool("sleeps", workers=2)
    executor.wait_for_worker(60.0)
    begun = time.monotonic()
    study = search(RandomSearch(space), executor, Study(MemoryJournal(), space), Budget.of(seconds=1.0))
    executor.shutdown()
    assert 0.9 < time.monotonic() - begun < 2.0
    assert (study.trials, study.pending) == ([], {})


def test_shutdown_is_quick_and_leaves_no_process(pool: Pool, space: Space) -> None:
    executor = pool("sleeps")
    future = executor.submit(Proposal(space.sample(random.Random(0)), 1.0))
    executor.wait_for_worker(60.0)
    time.sleep(0.2)
    begun = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - begun < 2
    assert future.cancelled() or future.done()
    assert not _workers_of(os.getpid())


def test_workers_may_go_over_to_another_executor(pool: Pool, space: Space) -> None:
    left: list[WorkerProcess] = []
    first = pool("raises", spawned=spawn(1), leave=left)
    assert "no such luck" in (judge(first, space).error or "")
    first.shutdown()
    before = _workers_of(os.getpid())
    assert len(left) == len(before) == 1
    second = pool("executors.test_executors:half", spawned=left)
    assert judge(second, space).metrics == {"accuracy": 0.5}
    assert _workers_of(os.getpid()) == before
    second.shutdown()
    assert not _workers_of(os.getpid())


def test_a_worker_that_replaced_another_does_not_go_over(pool: Pool, space: Space) -> None:
    left: list[WorkerProcess] = []
    executor = pool("executors.test_executors:half", leave=left)  # the keeper's own, which would die with it
    assert judge(executor, space).metrics == {"accuracy": 0.5}
    executor.shutdown()
    assert not left and not _workers_of(os.getpid())


def test_a_worker_that_is_not_well_does_not_go_over(pool: Pool, space: Space) -> None:
    left: list[WorkerProcess] = []
    executor = pool("sleeps", spawned=spawn(1), leave=left)
    executor.wait_for_worker(60.0)
    executor.submit(Proposal(space.sample(random.Random(0)), 1.0))
    time.sleep(0.5)
    begun = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - begun < 4.0
    assert not left and not _workers_of(os.getpid())


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
