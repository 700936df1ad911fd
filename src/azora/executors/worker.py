"""The other side of `ProcessExecutor`: `python -m azora.executors.worker FD PARENT`.

Reads JSON lines from standard input: first a setup, then proposals, or another setup for those that follow. Writes JSON
lines to the file descriptor FD. Ends when its parent does.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from azora.executors.child import die_with
from azora.executors.inline import judge
from azora.trial import Proposal, Report

if TYPE_CHECKING:
    from azora.executors.workplace import Workplace


def main(arguments: list[str]) -> None:
    answers, parent = os.fdopen(int(arguments[0]), "w", encoding="utf-8"), int(arguments[1])
    die_with(parent)
    # Both pipes are ours alone. What an evaluator reads, or starts and what that reads, finds an empty input: it would
    # otherwise take our proposals, or wait for ever.
    os.set_inheritable(answers.fileno(), False)
    asked = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(asked, lines), daemon=True).start()

    def answer(message: Mapping[str, Any]) -> None:
        answers.write(json.dumps(message, allow_nan=False) + "\n")
        answers.flush()

    try:
        # While the parent reads data and measures, what every evaluator needs is imported.
        from azora.executors.workplace import Workplace

        message = json.loads(lines.get())
        while True:
            _settle(message)
            workplace = Workplace.open(message)
            answer({"ready": True})
            while "proposal" in (message := json.loads(lines.get())):
                answer({"report": _judged(workplace, message["proposal"]).to_json()})
            del workplace  # two would take twice the memory
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})


def _judged(workplace: Workplace, proposal: Mapping[str, Any]) -> Report:
    try:
        return judge(workplace.evaluate, Proposal.from_json(proposal, workplace.space))
    except SystemExit as error:
        return Report(error=f"the evaluator ended the process: SystemExit({error.code})")


def _settle(setup: Mapping[str, Any]) -> None:
    """What is printed goes to the log, and memory has its limit."""
    if setup["log"] is not None:
        log = os.open(setup["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
    _limit(2 * setup["memory"])


def _limit(most: int) -> None:
    """A backstop for what grows faster than the parent looks: allocation fails, and the evaluator sees a MemoryError.

    `most` is twice the limit, for the libraries' own mappings count here and not in what the parent measures.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or most < hard:  # else the user's own limit is the lower one
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _listen(asked: TextIO, lines: queue.Queue[str]) -> None:
    """The end of input is the end of the parent, whatever the evaluator is doing just now."""
    for line in asked:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
