"""`azora discover`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from azora.cli.reading import FlipsWord, GroupWord, IgnoreWord, KindWord, LabelWord, SizeWord, SkipBadWord, said
from azora.cli.remembering import KnowledgeWord, NoMemoryWord, memory_of
from azora.cli.searching import (
    BoostingWord,
    BudgetWord,
    CarryingWord,
    EnsembleWord,
    LimitWord,
    PolicyWord,
    TargetWord,
    TaskWord,
    interruptible,
    policy_of,
)
from azora.clock import process_start
from azora.errors import AzoraError
from azora.job import Job


def discover(
    task: TaskWord,
    label: LabelWord = None,
    kind: KindWord = None,
    group: GroupWord = None,
    ignore: IgnoreWord = None,
    size: SizeWord = None,
    skip_bad: SkipBadWord = False,
    flips: FlipsWord = None,
    budget: BudgetWord = None,
    target: TargetWord = None,
    limit: LimitWord = None,
    strategy: Annotated[str, typer.Option(help="A strategy, or auto: chosen by evidence or rules, and why.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Folder for everything (default: runs/TASK).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    boosting: BoostingWord = True,
    ensemble: EnsembleWord = 0,
    self_improving: CarryingWord = False,
    policy: PolicyWord = None,
    knowledge: KnowledgeWord = None,
    no_memory: NoMemoryWord = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in OUT.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Choose a strategy, search, fit to the device, ship, and compare with a usual network."""
    started = process_start()
    job = Job.parse(
        task=task, budget=budget, out=out, strategy=strategy, limits=limit or [], target=target, seed=seed,
        resume=resume, boosting=boosting, ensemble=ensemble, knowledge=memory_of(knowledge, no_memory),
        policy=policy_of(self_improving, policy),
        reading=said(label, kind, group, ignore, size, skip_bad, flips),
    )  # fmt: skip
    from azora.automl.discover import discover as do
    from azora.cli.progress import watcher

    with interruptible() as stop:
        try:
            result = do(job, started=started, stop=stop, watch=watcher(quiet=quiet))
        except AzoraError as error:
            if not stop.is_set():
                raise
            sys.stderr.write(f"azora: {error}\n")
            return 130
    sys.stdout.write((json.dumps(result.figures) if as_json else result.summary()) + "\n")
    deployed = result.figures["deployed"]
    good = deployed.get("within", True) and deployed["holds"]
    return 130 if stop.is_set() else 0 if good else 1
