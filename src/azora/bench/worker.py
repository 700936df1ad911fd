"""The other side of `play_all`: `python -m azora.bench.worker FD PARENT`.

Reads JSON lines from standard input: the setup, then runs to play. Writes what came of each as a JSON line to the file
descriptor FD. Ends when its input or its parent does.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from azora.bench.setup import Setup
from azora.errors import AzoraError
from azora.executors.child import die_with


def main(arguments: list[str]) -> None:
    answers = os.fdopen(int(arguments[0]), "w", encoding="utf-8")
    die_with(int(arguments[1]))
    setup = Setup(**json.loads(sys.stdin.readline()))
    protocol = None
    for line in sys.stdin:
        job = json.loads(line)
        try:
            protocol = protocol or setup.protocol()
            answer: dict[str, Any] = {"run": setup.run(job["strategy"], protocol, job["seed"]).to_json()}
        except AzoraError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
