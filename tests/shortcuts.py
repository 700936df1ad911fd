"""What takes seconds and is not what a test is about, without them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, final

from azora.errors import BundleError
from azora.executors import Executor, judge
from azora.executors.workplace import Workplace
from azora.trial import Proposal, Report


@final
class Here(Executor):
    """Judges in this process what workers would: to start one takes seconds. It is made as a `ProcessExecutor` is."""

    workers = 1

    def __init__(
        self,
        setup: Mapping[str, Any],
        workers: int = 1,
        *,
        complete: Callable[[Proposal, Report], Report] | None = None,
        **more: Any,
    ) -> None:
        self._evaluate = Workplace.open(json.loads(json.dumps({**setup, "threads": 1}))).evaluate
        self._complete = complete

    def submit(self, proposal: Proposal) -> Future[Report]:
        future, report = Future[Report](), judge(self._evaluate, proposal)
        future.set_result(report if self._complete is None else self._complete(proposal, report))
        return future

    def wait_for_worker(self, timeout: float) -> None:
        """None has to start."""

    def shutdown(self) -> None:
        """There is nothing to stop."""


def refuse(*words: Any) -> float:
    """In place of `export_onnx`, which takes longer than a small search: as where ONNX has no word for a layer."""
    raise BundleError("no operator for it")
