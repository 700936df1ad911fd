"""`azora compare`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from azora.cli.reading import LabelWord
from azora.cli.remembering import KnowledgeWord, memory_of
from azora.cli.searching import TaskWord
from azora.clock import parse_seconds
from azora.errors import AzoraError, StudyError


def compare(
    task: TaskWord,
    label: LabelWord = None,
    budget: Annotated[str, typer.Option(help="Wall-clock time of each run: 60s, 10m, 2h.")] = "10m",
    seeds: Annotated[int, typer.Option(help="Runs of each system.")] = 3,
    systems: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Systems or strategies (default: a usual choice).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for everything (default: runs/compare-TASK).")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes of a run (default: as many as cores).")] = None,
    knowledge: KnowledgeWord = None,
    no_memory: Annotated[bool, typer.Option("--no-memory", help="Leave nothing in memory.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Put searches, random search and networks by hand side by side, each for the same time; call again to go on.

    Each of the searches begins cold; when all are over, what they found is left in memory.
    """
    from azora.automl.comparing.comparison import Asked, plan
    from azora.automl.comparing.comparison import compare as do
    from azora.automl.comparing.remembering import leave
    from azora.automl.comparing.writing import TABLE, summarise, write

    def say(line: str) -> None:
        if not quiet:
            print(f"azora: {line}", file=sys.stderr, flush=True)

    memory = memory_of(knowledge, no_memory)
    seconds, names = parse_seconds(budget), [name.strip() for name in (systems or "").split(",") if name.strip()]
    folder = out or Path("runs") / f"compare-{Path(task).stem}"
    planned = plan(Asked(task, seconds, seeds, names, folder, label, workers), say)
    failed, stopped = [], False
    try:
        failed = do(planned, say, lambda: write(planned, summarise(planned)))
        if memory is not None:
            _remember(lambda: leave(planned, memory), say)
    except KeyboardInterrupt:
        stopped = True
        say(f"interrupted: what is finished stays, and the same words do the rest in {folder}")
    except StudyError:
        write(planned, summarise(planned))
        say(f"what is finished is in {folder / TABLE}")
        raise
    told = write(planned, summarise(planned))
    sys.stdout.write(json.dumps(told) + "\n" if as_json else (folder / TABLE).read_text(encoding="utf-8"))
    return 130 if stopped else 1 if failed else 0


def _remember(leave: Callable[[], int], say: Callable[[str], None]) -> None:
    """A comparison is not lost for a memory that cannot be written, or for data that are gone by now."""
    try:
        say(f"{leave()} searches are left in memory")
    except AzoraError as error:
        say(f"nothing was left in memory: {error}")
