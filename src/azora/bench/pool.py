"""All runs of a comparison, on all cores."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from subprocess import Popen
from typing import Any, TextIO, final

from azora.bench.play import Run
from azora.bench.protocol import Protocol
from azora.bench.setup import Setup
from azora.errors import BenchmarkError
from azora.executors.child import start_child

Job = tuple[str, int]  # a strategy's name and a seed
Seen = Callable[[int, int], None]  # how many runs are finished, of how many


def play_all(setup: Setup, protocol: Protocol, jobs: Sequence[Job], workers: int, seen: Seen) -> dict[Job, Run]:
    """Every run of `jobs`. What a run gives depends on its strategy and seed alone, not on who plays it.

    Args:
        workers: processes of one thread each; 0 plays in this one.

    Raises:
        BenchmarkError: a run failed, or a process was lost.
    """
    if workers == 0:
        runs = {}
        for name, seed in jobs:
            runs[name, seed] = setup.run(name, protocol, seed)
            seen(len(runs), len(jobs))
        return runs
    return _Pool(setup, jobs, min(workers, len(jobs)), seen).play()


@final
class _Pool:
    """Threads of this process, each of which keeps a worker busy."""

    def __init__(self, setup: Setup, jobs: Sequence[Job], workers: int, seen: Seen) -> None:
        self._setup, self._jobs, self._workers, self._seen = setup, jobs, workers, seen
        self._queue: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            self._queue.put(job)
        self._lock = threading.Lock()
        self._processes: list[Popen[bytes]] = []
        self._runs: dict[Job, Run] = {}

    def play(self) -> dict[Job, Run]:
        with ThreadPoolExecutor(self._workers) as threads:
            keepers = [threads.submit(self._keep) for _ in range(self._workers)]
            try:
                wait(keepers, return_when=FIRST_EXCEPTION)
            finally:
                self._end()
        # The failure that came first made the others fail: it has a reason of its own.
        failures = [failure for keeper in keepers if (failure := keeper.exception()) is not None]
        if failures:
            raise min(failures, key=lambda failure: isinstance(failure, _Lost))
        return {job: self._runs[job] for job in self._jobs}

    def _keep(self) -> None:
        process, answers = start_child("azora.bench.worker")
        try:
            with self._lock:
                self._processes.append(process)
            with os.fdopen(answers, encoding="utf-8") as lines, suppress(queue.Empty):
                self._send(process, self._setup.to_json())
                while True:
                    self._play_one(process, lines, *self._queue.get_nowait())
        finally:
            process.kill()
            process.wait()
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()

    def _play_one(self, process: Popen[bytes], lines: TextIO, name: str, seed: int) -> None:
        self._send(process, {"strategy": name, "seed": seed})
        if not (line := lines.readline()):
            raise _Lost(f"the process that played {name} with seed {seed} was lost (exit code {process.wait()})")
        answer = json.loads(line)
        if "error" in answer:
            raise BenchmarkError(answer["error"])
        with self._lock:
            self._runs[name, seed] = Run(**answer["run"])
            self._seen(len(self._runs), len(self._jobs))

    def _send(self, process: Popen[bytes], message: dict[str, Any]) -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # a process that is gone gives no answer, and that is noticed
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()

    def _end(self) -> None:
        """Nothing more is begun, and who waits for an answer finds that there will be none."""
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        with self._lock:
            for process in self._processes:
                process.kill()


class _Lost(BenchmarkError):
    """A worker is gone."""
