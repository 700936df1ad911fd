"""Runs that score strategies, on all cores."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, final

from azora.errors import BenchmarkError
from azora.executors.child import start_child

if TYPE_CHECKING:
    from azora.bench.meta_search import Task

Run = tuple[int, int]  # a table's place, and a seed


@final
class Gains:
    """Plays runs of composed strategies. What a run gives depends on table, strategy and seed alone, not on who plays.

    Args:
        tasks: the tables.
        workers: processes of one thread each, which read the tables once; 0 plays in this one.
    """

    def __init__(self, tasks: Sequence[Task], workers: int) -> None:
        self._tasks, self._workers = tasks, workers
        self._threads = ThreadPoolExecutor(max(1, workers))
        self._own = threading.local()  # a player ends with the thread that started it, so each thread has its own
        self._players: list[_Player] = []

    def play(self, settings: Mapping[str, Any], runs: Sequence[Run]) -> list[float]:
        """The gain of each run.

        Raises:
            BenchmarkError: a run failed, or its process was lost.
        """
        if not self._workers:
            return [self._tasks[place].gain(settings, seed) for place, seed in runs]
        return list(self._threads.map(lambda run: self._played(settings, run), runs))

    def close(self) -> None:
        """Nothing is left running: whoever waits for an answer finds that there will be none."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for player in list(self._players):
            player.kill()
        self._threads.shutdown()
        for player in self._players:
            player.close()

    def _played(self, settings: Mapping[str, Any], run: Run) -> float:
        player: _Player | None = getattr(self._own, "player", None)
        if player is None or player.lost:
            player = self._own.player = _Player(self._tasks)
            self._players.append(player)
        return player.gain(settings, run)


@final
class _Player:
    """A process, `azora.bench.gain_worker`."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._process, answers = start_child("azora.bench.gain_worker")
        self._lines = os.fdopen(answers, encoding="utf-8")
        self.lost = False
        self._send([task.to_json() for task in tasks])

    def gain(self, settings: Mapping[str, Any], run: Run) -> float:
        self._send({"settings": settings, "run": run})
        if not (line := self._lines.readline()):
            self.lost = True
            raise BenchmarkError(f"the process that played a run was lost (exit code {self._process.wait()})")
        answer = json.loads(line)
        if "error" in answer:
            raise BenchmarkError(answer["error"])
        return float(answer["gain"])

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self.kill()
        self._process.wait()
        self._lines.close()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # a process that is gone gives no answer, and that is noticed
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
