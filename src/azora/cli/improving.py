"""`azora improve`, `azora rollback` and `azora history`."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from azora.clock import parse_seconds, show_seconds
from azora.errors import BudgetError

if TYPE_CHECKING:
    from azora.improving import Outcome, Versions

ModelWord = Annotated[Path, typer.Argument(help="A model folder, or the folder that a search wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
LOOKS = 5.0  # seconds between looks at the clock, so that the loop ends soon when it is asked to


def improve(
    model: ModelWord,
    data: Annotated[str, typer.Option(help="New data: a task as azora search takes it.")],
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of a CSV: the column to predict.")] = None,
    budget: Annotated[str, typer.Option(help="Time for one look: 60s, 5m, 1h.")] = "5m",
    every: Annotated[str | None, typer.Option(help="Look again and again, so far apart: 1h, 7d.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what is found, and change nothing.")] = False,
    seed: Annotated[int, typer.Option(help="Of the choice of challengers and their training.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the outcome alone.")] = False,
    as_json: AsJson = False,
) -> int:
    """Look for a better network than a deployed one on new data, and deploy it if a test says that it is better."""
    from azora.improving import Versions

    seconds = parse_seconds(budget)
    if every is None:
        return _once(model, data, label, seconds, seed, dry_run, quiet, as_json)
    if dry_run:
        raise BudgetError(f"--every {every} and --dry-run: say one of the two")
    pause, versions = parse_seconds(every), Versions(model)
    while True:
        _wait(versions, pause)
        _once(model, data, label, seconds, seed + len(versions.history()), False, quiet, as_json)


def rollback(
    model: ModelWord,
    to: Annotated[str | None, typer.Option(help="A version's number (default: the one before).")] = None,
) -> int:
    """Deploy an earlier version of a model."""
    from azora.improving import Versions

    versions = Versions(model)
    with versions.locked():
        number = versions.roll_back(to)
    typer.echo(f"{versions.model} is version {number} now")
    return 0


def history(model: ModelWord, as_json: AsJson = False) -> int:
    """List what was decided about a model, and the versions that are kept."""
    from azora.improving import Versions

    versions = Versions(model)
    found = versions.history()
    if as_json:
        typer.echo(json.dumps({"model": str(versions.model), "versions": versions.numbers(), "history": found}))
        return 0
    typer.echo(f"{versions.model}: {len(versions.numbers())} versions kept")
    for each in found:
        moved = f"  {each['from']} → {each['to']}" if "to" in each else ""
        typer.echo(f"{each.get('when', '')}  {each.get('what', ''):<12}{moved}{_told(each)}")
    return 0


def _once(
    model: Path, data: str, label: str | None, seconds: float, seed: int, dry: bool, quiet: bool, as_json: bool
) -> int:
    from azora.automl.threads import one_thread
    from azora.improving import improve as do
    from azora.tasks import Reading, load_task

    def say(line: str) -> None:
        if not quiet:
            sys.stderr.write(f"azora: {line}\n")

    begun = time.monotonic()
    task = load_task(data, seed=0, reading=Reading.of({"label": label} if label else {}))
    with one_thread():
        outcome = do(model, task, seconds - (time.monotonic() - begun), seed=seed, dry=dry, say=say)
    if as_json:
        typer.echo(json.dumps(outcome.to_json()))
    else:
        _tell(outcome, dry)
    return 0


def _tell(outcome: Outcome, dry: bool) -> None:
    for line in outcome.analysis.lines() if dry else ():
        typer.echo(line)
    typer.echo(f"{outcome.what}{_told(outcome.facts)}")


def _told(facts: Any) -> str:
    told = f"  {facts['change']}" if "change" in facts else ""
    if "p" in facts:
        told += f"  loss {facts['test_loss']:.4f} against {facts['deployed_test_loss']:.4f}, p {facts['p']:.2g}"
    return told + (f"  ({facts['why']})" if "why" in facts else "")


def _wait(versions: Versions, pause: float) -> None:
    """Until so long after the last look, whichever process made it."""
    looks = [each["when"] for each in versions.history() if each.get("what") in ("kept", "promoted", "rolled back")]
    if not looks:
        return
    due = datetime.fromisoformat(looks[-1]) + timedelta(seconds=pause)
    left = (due - datetime.now(UTC)).total_seconds()
    if left > 0:
        sys.stderr.write(f"azora: the next look at {versions.model} is in {show_seconds(left)}\n")
    while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(min(LOOKS, left))
