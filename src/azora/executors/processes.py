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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from azora.errors import ConfigError
from azora.executors.child import readable, start_child
from azora.executors.executor import Executor
from azora.memory import free_memory
from azora.trial import Proposal, Report

TICK = 0.05  # seconds between looks at a worker's time and memory
START_TIMEOUT = 120.0
STOP_TIMEOUT = 5.0
LEAVE_TIMEOUT = 2.0  # for the last judgement of workers that another executor takes over: a new one takes longer
START_FAILURES = 3  # in a row: then it is not the trials' fault
PAUSE = 0.5  # seconds before the next try, longer each time: memory may be short just now

Complete = Callable[[Proposal, Report], Report]


@dataclass
class _Job:
    proposal: Proposal
    future: Future[Report] = field(default_factory=Future)

    def answer(self, report: Report) -> None:
        with contextlib.suppress(InvalidStateError):  # whoever asked has cancelled it
            self.future.set_result(report)

    def fail(self, error: Exception) -> None:
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)


class _Lost(Exception):
    """The worker is gone, or had to go."""


class _Refused(_Lost):
    """The worker itself says that it cannot work here."""


@final
class ProcessExecutor(Executor):
    """A pool of `python -m azora.executors.worker`, each with its own thread here that watches over it.

    A worker that crashes, is killed, hangs or takes too much memory costs its one judgement, and is replaced. Where
    none can be started, futures raise ConfigError with the reason. Workers speak JSON lines over their own pipes; what
    an evaluator prints goes to the log file, and what it reads is empty.

    Args:
        setup: what a worker needs to know (see `azora.executors.workplace`), as JSON.
        workers: number of processes, each with `threads` torch threads.
        memory: bytes that a worker may use; None is four fifths of what is free (see `free_memory`), shared equally.
        timeout: seconds for one judgement; None is no limit.
        log: file for what workers print.
        spawned: processes from `spawn` or left by another executor, started while nobody knew yet what they would work
            on.
        leave: a list to which workers that are well go after `shutdown`, for another executor, in place of their end;
            a last judgement may take a moment. Their `threads` and `memory` must be the same there. Those that replaced
            others end: the system ends a process with the thread that started it.
        complete: adds to a report what this process knows of the proposal; called from the workers' threads.
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
        leave: list[WorkerProcess] | None = None,
        complete: Complete | None = None,
    ) -> None:
        self._spawned, self._left_to = list(spawned), leave
        self.workers, self.timeout = workers, timeout
        self.memory = memory or max(512 * 2**20, int(0.8 * free_memory() / workers))
        about = {**setup, "threads": threads, "memory": self.memory, "log": None if log is None else str(log)}
        self._setup, self._complete = json.dumps(about), complete
        self._threads = threads
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._stopping = threading.Event()
        self._worked = False  # whether any worker was ever ready
        self._known = threading.Event()  # one is, or none can be
        self._lock = threading.Lock()  # of the next two, and of what a submit does by them
        self._keeping = workers
        self._broken: ConfigError | None = None
        self._keepers = [threading.Thread(target=self._keep, daemon=True) for _ in range(workers)]
        for keeper in self._keepers:
            keeper.start()

    def submit(self, proposal: Proposal) -> Future[Report]:
        job = _Job(proposal)
        with self._lock:
            if self._broken is None:
                self._jobs.put(job)
            else:
                job.future.set_exception(self._broken)
        return job.future

    def wait_for_worker(self, timeout: float) -> None:
        """Until one is ready, or none can be started, or `timeout` seconds have passed."""
        self._known.wait(timeout)

    def shutdown(self) -> None:
        for job in self._waiting():
            job.future.cancel()
        if self._left_to is None:
            self._stopping.set()
        for _ in self._keepers:
            self._jobs.put(None)
        if self._left_to is not None:
            self._join(LEAVE_TIMEOUT)
            self._stopping.set()
        self._join(STOP_TIMEOUT)
        while self._spawned:
            self._spawned.pop().kill()
        for job in self._waiting():
            job.future.cancel()

    def _join(self, timeout: float) -> None:
        latest = time.monotonic() + timeout
        for keeper in self._keepers:
            keeper.join(timeout=max(0.0, latest - time.monotonic()))

    def _waiting(self) -> Iterator[_Job]:
        """Take what nobody has begun."""
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    yield job

    # The life of one worker, in the thread that keeps it ------------------------------------------------------------

    def _keep(self) -> None:
        """Workers, one after the other, until there is no more work."""
        try:
            while not self._stopping.is_set() and not self._keep_one():
                pass
        except _Lost as lost:
            self._leave(str(lost))
        except Exception as error:  # a mistake of ours: a thread that ends in silence is waited for
            self._leave(f"{type(error).__name__}: {error}")

    def _keep_one(self) -> bool:
        """One worker, for as long as it is well; whether it was to the end of the work."""
        # It is started before there is work for it: the start takes seconds, and the first ask waits for it.
        worker = self._start()
        well = True
        while well and (job := self._jobs.get()) is not None:
            well = self._serve(worker, job)
        if well and self._left_to is not None and worker.maker is not threading.current_thread():
            self._left_to.append(worker)
        else:
            worker.kill()
        return well

    def _serve(self, worker: WorkerProcess, job: _Job) -> bool:
        """Do a job; whether the worker can do another."""
        begun = time.perf_counter()
        try:
            report = self._judge(worker, job.proposal)
            job.answer(report if self._complete is None else self._complete(job.proposal, report))
        except _Lost as lost:
            if self._stopping.is_set():
                job.future.cancel()
                return False
            report = Report(seconds=time.perf_counter() - begun, error=str(lost))
            try:
                worker.kill()  # before the report is out: what takes memory or time must not outlive its trial
            finally:
                job.answer(report)
            return False
        except Exception as error:  # a mistake of ours: it must be seen, not waited for
            job.fail(error)
            return False
        return True

    def _start(self) -> WorkerProcess:
        """A worker that is ready; raises _Lost when several in a row were not, or the very first gives its reason."""
        why = ""
        for failures in range(START_FAILURES):
            if self._stopping.wait(PAUSE * failures):
                break
            try:
                worker = self._started()
            except _Lost as lost:
                why = str(lost)
                if isinstance(lost, _Refused) and not self._worked:
                    break  # a module or data that is not there: trying again takes seconds and changes nothing
            else:
                self._worked = True
                self._known.set()
                return worker
        raise _Lost(why)

    def _started(self) -> WorkerProcess:
        try:
            worker = self._spawned.pop()
        except IndexError:
            worker = self._new()
        try:
            worker.send_line(self._setup)
            answer = worker.receive(START_TIMEOUT, self._watch(worker, None))
            if not answer.get("ready"):
                raise _Refused(str(answer.get("error")))
        except BaseException:
            worker.kill()
            raise
        return worker

    def _new(self) -> WorkerProcess:
        try:
            return WorkerProcess(self._threads)
        except OSError as error:
            raise _Lost(f"the system gives no process ({error.strerror})") from None

    def _leave(self, why: str) -> None:
        """A keeper that can have no worker leaves the work to the others; the last one says why there are none."""
        with self._lock:
            self._keeping -= 1
            if self._keeping or self._stopping.is_set():
                return
            self._broken = ConfigError(f"no worker could be started: {why}")
            self._known.set()
        for job in self._waiting():
            job.fail(self._broken)

    def _judge(self, worker: WorkerProcess, proposal: Proposal) -> Report:
        worker.send({"proposal": proposal.to_json()})
        answer = worker.receive(self.timeout, self._watch(worker, self.memory))
        try:
            return Report.from_json(answer["report"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise _Lost("the worker's answer was no report") from None

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
    """One process and the two pipes to it. It ends with the thread that makes it (see `die_with`)."""

    def __init__(self, threads: int = 1) -> None:
        self.maker = threading.current_thread()
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
            # Not only the end of the pipe tells: what an evaluator forked may hold it open. Asked before the pipe is
            # looked at, so that what the worker wrote last is still read.
            ended = self._process.poll() is not None
            if readable(self._answers, TICK):
                part = os.read(self._answers, 65536)
                if not part:
                    raise _Lost(self._how_it_ended())
                self._buffer += part
            elif ended:
                raise _Lost(self._how_it_ended())
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise _Lost("the worker's answer was no message: something else wrote to its connection")
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

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            return "the worker closed its connection"
        if code < 0:
            known = {
                each.value: each.name for each in signal.Signals
            }  # not all of them: real-time signals have no name
            hint = ", as the system does when memory is short" if -code == signal.SIGKILL else ""
            return f"worker killed by signal {-code} ({known.get(-code, 'a real-time signal')}{hint})"
        return f"worker ended with exit code {code}"
