"""The other side of `Gains`: `python -m azora.bench.gain_worker FD PARENT`.

Reads JSON lines from standard input: the tables, then runs to play. Writes the gain of each as a JSON line to the file
descriptor FD. Ends when its input or its parent does.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from typing import Any

from azora.bench.meta_search import Task
from azora.executors.child import die_with


def main(arguments: list[str]) -> None:
    answers = os.fdopen(int(arguments[0]), "w", encoding="utf-8")
    die_with(int(arguments[1]))
    tables = json.loads(sys.stdin.readline())
    task = cache(lambda place: Task.from_json(tables[place]))
    for line in sys.stdin:
        job = json.loads(line)
        place, seed = job["run"]
        try:
            answer: dict[str, Any] = {"gain": task(place).gain(job["settings"], seed)}
        except Exception as error:  # a strategy that fails is a result
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
