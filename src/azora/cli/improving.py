"""`azora improve`, `azora rollback` and `azora history`."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

import typer

from azora.cli.remembering import memory_of
from azora.clock import parse_seconds, show_seconds
from azora.errors import AzoraError, BudgetError, BundleError, KnowledgeError

if TYPE_CHECKING:
    from azora.improving import Outcome, Versions
    from azora.meta import Record

ModelWord = Annotated[Path, typer.Argument(help="A model folder, or the folder that a search wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
DECISIONS = ("kept", "promoted", "rolled back", "failed")
LOOKS = 5.0  # seconds between looks at the clock, so that the loop ends soon when it is asked to
BUSY = 60.0  # seconds, at most, until it is tried again to look at a model that another process improves


def improve(
    model: ModelWord,
    data: Annotated[str, typer.Option(help="New data: a task as azora search takes it.")],
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of a CSV: the column to predict.")] = None,
    budget: Annotated[str, typer.Option(help="Time for one look: 60s, 5m, 1h.")] = "5m",
    every: Annotated[str | None, typer.Option(help="Look again and again, so far apart: 1h, 7d.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what is found, and change nothing.")] = False,
    prefer: Annotated[
        str | None, typer.Option(help="accuracy, or smaller: no worse by the policy's margin, and cheaper.")
    ] = None,
    knowledge: Annotated[
        str | None, typer.Option(metavar="PATH", help="A memory to hear beside the one that the model carries.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of challengers and their training.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the outcome alone.")] = False,
    as_json: AsJson = False,
) -> int:
    """Look for a better network than a deployed one on new data, and deploy it if a test says that it is better."""
    from azora.improving import Versions
    from azora.improving.versions import LOOP

    look = _Look(model, data, label, parse_seconds(budget), prefer, knowledge, quiet, as_json)
    if every is None:
        return look.once(seed, dry_run)
    if dry_run:
        raise BudgetError(f"--every {every} and --dry-run: say one of the two")
    pause, versions = parse_seconds(every), Versions(model)
    looked = bool(versions.history())
    with versions.locked(LOOP):
        while True:
            _wait(versions, pause)
            try:
                look.once(seed + len(versions.history()))
            except AzoraError as error:
                if not looked:
                    raise  # a mistake of the one who asks; after a look, whichever process made it, it is the data's
                _failed(versions, error, pause)
            looked = True


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
    numbers = versions.numbers()
    typer.echo(f"{versions.model}: {len(numbers)} versions kept{': ' if numbers else ''}{', '.join(numbers)}")
    for each in found:
        moved = f"  {each['from']} → {each['to']}" if "to" in each else ""
        typer.echo(f"{each.get('when', '')}  {each.get('what', ''):<12}{moved}{_told(each)}")
    return 0


@final
@dataclass(frozen=True)
class _Look:
    """What is asked for, at every look."""

    model: Path
    data: str
    label: str | None
    seconds: float
    prefer: str | None
    knowledge: str | None
    quiet: bool
    as_json: bool

    def once(self, seed: int, dry: bool = False) -> int:
        from azora.cores import one_thread
        from azora.export.bundle import read_about
        from azora.export.data import read_alike
        from azora.improving import Versions
        from azora.improving import improve as do
        from azora.improving.cycle import put_back
        from azora.tasks import Reading

        begun, versions = time.monotonic(), Versions(self.model)
        if versions.unsettled and not dry:  # what is there now may be no model to read data for
            with versions.locked():
                put_back(versions, self._say)
        about = read_about(versions.model)
        task = read_alike(about, self.data, Reading.of({"label": self.label}))
        records = self._records()
        with one_thread():
            outcome = do(
                self.model, task, self.seconds - (time.monotonic() - begun), seed=seed, dry=dry, prefer=self.prefer,
                records=records, say=self._say,
            )  # fmt: skip
        if self.as_json:
            typer.echo(json.dumps(outcome.to_json()))
        else:
            _tell(outcome, dry)
        return 0

    def _records(self) -> list[Record]:
        from azora.meta import Knowledge

        if (where := self.knowledge and memory_of(self.knowledge)) is None:
            return []
        if isinstance(where, Path) and not where.is_file():
            raise KnowledgeError(f"there is no memory at {where}")
        with Knowledge(where) as found:
            return found.records()

    def _say(self, line: str) -> None:
        if not self.quiet:
            sys.stderr.write(f"azora: {line}\n")


def _tell(outcome: Outcome, dry: bool) -> None:
    for line in outcome.analysis.lines() if dry else ():
        typer.echo(line)
    typer.echo(f"{outcome.what}{_told(outcome.facts)}")


def _told(facts: Any) -> str:
    told = f"  {facts['change']}" if "change" in facts else ""
    if "p" in facts:
        told += f"  loss {facts['test_loss']:.4f} against {facts['deployed_test_loss']:.4f}, p {facts['p']:.2g}"
    return told + (f"  ({facts['why']})" if "why" in facts else "")


def _failed(versions: Versions, error: AzoraError, pause: float) -> None:
    """Tell why a look came to nothing, and wait for the next: the data of a day may be missing or damaged."""
    sys.stderr.write(f"azora: {error}\n")
    try:
        with versions.locked():
            versions.note("failed", {"why": str(error)})
    except BundleError:  # another process looks: its decision counts, and until then there is none to wait from
        time.sleep(min(BUSY, pause))


def _wait(versions: Versions, pause: float) -> None:
    """Until so long after the last look, whichever process made it."""
    looks = [each["when"] for each in versions.history() if each.get("what") in DECISIONS]
    if not looks:
        return
    due = datetime.fromisoformat(looks[-1]) + timedelta(seconds=pause)
    left = (due - datetime.now(UTC)).total_seconds()
    if left > 0:
        sys.stderr.write(f"azora: the next look at {versions.model} is in {show_seconds(left)}\n")
    while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(min(LOOKS, left))
