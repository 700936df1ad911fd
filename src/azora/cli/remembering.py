"""`azora memory`: what searches have found, and leave to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from azora.errors import ConfigError, KnowledgeError
from azora.settings import home

if TYPE_CHECKING:
    from azora.meta import Knowledge, Record

FILE = "memory.db"
TABLES = (".csv", ".csv.gz")

memory = typer.Typer(help="What searches have found, and leave to the next.", add_completion=False)

KnowledgeWord = Annotated[
    str | None, typer.Option(metavar="PATH", help="The memory: a file, or a database's URL (default: the user's).")
]
NoMemoryWord = Annotated[bool, typer.Option("--no-memory", help="Take nothing from memory, leave nothing there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def memory_of(knowledge: str | None, no_memory: bool = False) -> str | Path | None:
    """Where the memory is that these options name; None for none.

    Raises:
        ConfigError: they contradict each other.
    """
    if no_memory:
        if knowledge is not None:
            raise ConfigError(f"--knowledge {knowledge} and --no-memory: say one of the two")
        return None
    if knowledge is None:
        return home() / FILE
    return knowledge if "://" in knowledge else Path(knowledge)


@memory.command()
def show(knowledge: KnowledgeWord = None, as_json: AsJson = False) -> int:
    """List the searches that are remembered."""
    with _opened(knowledge) as found:
        records = found.records()
        where = str(found.where)
    if as_json:
        typer.echo(json.dumps({"memory": where, "studies": [_shown(each) for each in records]}))
        return 0
    typer.echo(f"{where}: {len(records):,} searches")
    for each in records:
        told = _shown(each)
        best = "" if told["best"] is None else f"  best {told['metric']} {told['best']:.4f}"
        typer.echo(
            f"{told['id']:<18}{told['task']:<24}{told['space']:<24}{told['networks']:>6,} networks"
            f"{best}  {told['when']}"
        )
    return 0


@memory.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="The file to write (default: stdout).")] = None,
    knowledge: KnowledgeWord = None,
) -> int:
    """Write the whole memory as JSON, to take it elsewhere."""
    from azora.meta import write_records

    with _opened(knowledge) as found:
        text = write_records(found.records())
    if file is None:
        typer.echo(text, nl=False)
        return 0
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise KnowledgeError(f"{file} cannot be written: {error.strerror or error}") from error
    typer.echo(f"{file} written")
    return 0


@memory.command("import")
def take(
    file: Annotated[
        Path, typer.Argument(help="A file of azora memory export, or a benchmark's table (.csv, .csv.gz).")
    ],
    knowledge: KnowledgeWord = None,
) -> int:
    """Take in searches that others made, or a table of networks that were all judged."""
    from azora.meta import read_records

    if file.name.endswith(TABLES):
        from azora.bench.memory import record_of
        from azora.bench.registry import find_table

        records = [record_of(find_table(str(file)))]
    else:
        records = read_records(file)
    with _opened(knowledge) as found:
        for each in records:
            found.remember(each)
    typer.echo(f"{len(records):,} searches taken in")
    return 0


@memory.command()
def forget(
    names: Annotated[list[str] | None, typer.Argument(help="Ids of searches, or names of tasks.")] = None,
    all_of_it: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    knowledge: KnowledgeWord = None,
) -> int:
    """Drop searches from memory."""
    if bool(names) == all_of_it:
        raise ConfigError("say which searches to forget, by id or task, or --all")
    with _opened(knowledge) as found:
        gone = found.forget(names) if names else found.forget_all()
    typer.echo(f"{gone:,} searches forgotten")
    return 0


def _opened(knowledge: str | None) -> Knowledge:
    from azora.meta import Knowledge

    where = memory_of(knowledge)
    assert where is not None
    return Knowledge(where)


def _shown(record: Record) -> dict[str, Any]:
    longest = max(record.trials, key=record.standing, default=None)
    return {
        "id": record.id,
        "task": record.task,
        "space": record.space["name"],
        "networks": len(record.trials),
        "metric": record.metric,
        "best": None if longest is None else longest.score,
        "strategy": record.facts.get("strategy", ""),
        "when": record.facts.get("when", ""),
        "features": dict(record.features),
    }
