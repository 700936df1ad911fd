"""Judging in worker processes that may fail in any way they like."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from azora.executors.child import start_child
from azora.executors.executor import Executor
from azora.trial import Proposal, Report

TICK = 0.05  # seconds between looks at a worker's time and memory
START_TIMEOUT = 120.0
START_FAILURES = 3  # in a row: then it is not the trials' fault


@dataclass
class _Job:
    proposal: Proposal
    future: Future[Report] = field(default_factory=Future)


class _Lost(Exception):
    """The worker is gone, or had to go."""


@final
class ProcessExecutor(Executor):
    """A pool of `python -m azora.executors.worker`, each with its own thread here that watches over it.

    A worker that crashes, is killed, hangs or takes too much memory costs its one judgement, and is replaced. Workers
    speak JSON lines over their own pipes; what an evaluator prints goes to the log file.

    Args:
        setup: what a worker needs to know (see `azora.executors.workplace`), as JSON.
        workers: number of processes, each with `threads` torch threads.
        memory: bytes that a worker may use; None is four fifths of what is free, shared equally.
        timeout: seconds for one judgement; None is no limit.
        log: file for what workers print.
        spawned: processes from `spawn`, started while nobody knew yet what they would work on.
    """

    def __init__(
        self,
        setup: Mapping[str, Any],
        workers: int = 1,
        *,
        threads: int = 1,
        memory: int | None = None,
        timeout: float | None = None,
        log: Path | None = None,
        spawned: Sequence[WorkerProcess] = (),
    ) -> None:
        self._spawned = list(spawned)
        self.workers, self.timeout = workers, timeout
        self.memory = memory or max(512 * 2**20, int(0.8 * free_memory() / workers))
        about = {**setup, "threads": threads, "memory": self.memory, "log": None if log is None else str(log)}
        self._setup = json.dumps(about)
        self._threads = threads
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._stopping = threading.Event()
        self._failures = 0
        self._keepers = [threading.Thread(target=self._keep, daemon=True) for _ in range(workers)]
        for keeper in self._keepers:
            keeper.start()

    def submit(self, proposal: Proposal) -> Future[Report]:
        job = _Job(proposal)
        self._jobs.put(job)
        return job.future

    def shutdown(self) -> None:
        self._stopping.set()
        for _ in self._keepers:
            self._jobs.put(None)
        for keeper in self._keepers:
            keeper.join(timeout=5.0)
        while self._spawned:
            self._spawned.pop().kill()
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    job.future.cancel()

    # The life of one worker, in the thread that keeps it ------------------------------------------------------------

    def _keep(self) -> None:
        worker: WorkerProcess | None = None
        while not self._stopping.is_set():
            # A worker is started before there is work for it: the start takes seconds, and the first ask waits for it.
            if worker is None and self._failures < START_FAILURES:
                worker = self._start()
            job = self._jobs.get()
            if job is None:
                break
            begun = time.perf_counter()
            if worker is None:
                job.future.set_result(Report(error=f"no worker could be started: {self._why}"))
                continue
            try:
                job.future.set_result(self._judge(worker, job.proposal))
            except _Lost as lost:
                worker.kill()
                worker = None
                if self._stopping.is_set():
                    job.future.cancel()
                    break
                job.future.set_result(Report(seconds=time.perf_counter() - begun, error=str(lost)))
        if worker is not None:
            worker.kill()

    _why = "it ended at once"

    def _start(self) -> WorkerProcess | None:
        try:
            worker = self._spawned.pop()
        except IndexError:
            worker = WorkerProcess(self._threads)
        try:
            worker.send_line(self._setup)
            answer = worker.receive(START_TIMEOUT, self._watch(worker, None))
        except _Lost as lost:
            answer = {"error": str(lost)}
        if answer.get("ready"):
            self._failures = 0
            return worker
        worker.kill()
        self._why, self._failures = str(answer.get("error")), self._failures + 1
        return None

    def _judge(self, worker: WorkerProcess, proposal: Proposal) -> Report:
        worker.send({"proposal": proposal.to_json()})
        answer = worker.receive(self.timeout, self._watch(worker, self.memory))
        return Report.from_json(answer["report"])

    def _watch(self, worker: WorkerProcess, memory: int | None) -> Any:
        def look() -> None:
            if self._stopping.is_set():
                raise _Lost("the search is over")
            used = worker.memory() if memory is not None else 0
            if memory is not None and used > memory:
                raise _Lost(f"out of memory: used {used / 1e9:.1f} GB of the {memory / 1e9:.1f} GB allowed")

        return look


def spawn(workers: int, threads: int = 1) -> list[WorkerProcess]:
    """Processes for a `ProcessExecutor` to come. They import what they will need, which takes seconds, and wait."""
    return [WorkerProcess(threads) for _ in range(workers)]


@final
class WorkerProcess:
    """One process and the two pipes to it."""

    def __init__(self, threads: int = 1) -> None:
        self._process, from_worker = start_child("azora.executors.worker", threads)
        os.set_blocking(from_worker, False)
        self._answers, self._buffer, self._closed = from_worker, b"", threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a message; raises _Lost."""
        self.send_line(json.dumps(message))

    def send_line(self, line: str) -> None:
        """Write a message that is JSON already; raises _Lost."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise _Lost(self._how_it_ended()) from None

    def receive(self, timeout: float | None, look: Any) -> dict[str, Any]:
        """The next line that the worker writes, `look` being called every now and then; raises _Lost."""
        begun = time.monotonic()
        while b"\n" not in self._buffer:
            look()
            if timeout is not None and time.monotonic() - begun > timeout:
                raise _Lost(f"no answer in {timeout:g} s")
            if self._wait():
                part = os.read(self._answers, 65536)
                if not part:
                    raise _Lost(self._how_it_ended())
                self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def memory(self) -> int:
        """Resident bytes."""
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # All that the evaluator may have started goes with it.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with self._closed:
            if self._answers >= 0:
                os.close(self._answers)
                self._answers = -1
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _wait(self) -> bool:
        import select

        return bool(select.select([self._answers], [], [], TICK)[0])

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            return "the worker closed its connection"
        if code < 0:
            name = signal.Signals(-code).name
            hint = ", as the system does when memory is short" if -code == signal.SIGKILL else ""
            return f"worker killed by signal {-code} ({name}{hint})"
        return f"worker ended with exit code {code}"


def free_memory() -> int:
    """Bytes that this machine can still give, or 4 GiB where it does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 4 * 2**30
