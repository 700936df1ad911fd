"""`azora show`, `spaces`, `strategies`, `tasks`: what there is to see."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Annotated

import typer

from azora.errors import StudyError


def show(
    out: Annotated[Path, typer.Argument(help="The folder that a search wrote.")],
    top: Annotated[int, typer.Option(help="How many trials to list.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Show what a search found: its result, or how far it has come."""
    from azora.automl.reading import read_out

    seen = read_out(out, top)
    typer.echo(json.dumps(seen.figures) if as_json else seen.text())
    return 0


def spaces(
    name: Annotated[str | None, typer.Argument(help="A space, or module:Name of your own.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the architecture that is drawn.")] = 0,
    task: Annotated[str, typer.Option(help="The task whose shape the networks have.")] = "digits",
) -> int:
    """List the search spaces, or show one: its choices, its size, and one architecture drawn."""
    from azora.networks.registry import SPACES, make_space

    if name is None:
        for each, kind in SPACES.items():
            typer.echo(f"{each:<8} {_first_line(kind)}")
        return 0
    from azora.networks.complexity import cost
    from azora.networks.drawing import to_text
    from azora.tasks import load_task

    space = make_space(name, load_task(task).signature)
    size = space.size()
    typer.echo(f"{space.name}: {'endless' if size is None else f'{size:,}'} points, {len(space.choices)} choices\n")
    for choice in space.choices.values():
        typer.echo(f"  {_show_choice(choice)}")
    architecture = space.sample(random.Random(seed))
    figures = cost(space, architecture)
    typer.echo(f"\n{architecture.key}: {figures['params']:,} parameters, {figures['macs']:,} multiply-accumulates\n")
    typer.echo(to_text(space.graph(architecture)))
    return 0


def strategies() -> int:
    """List strategies, one-shot and differentiable methods: what each is, where it comes from, when to use it."""
    from azora.methods import METHODS
    from azora.strategies.registry import DEFAULT, STRATEGIES, offered

    for name, entry in STRATEGIES.items():
        typer.echo(
            f"{name}{' (default)' if name == DEFAULT else ''}\n  {entry.summary}\n  {entry.source}; {entry.advice}"
        )
    for name, method in METHODS.items():
        typer.echo(f"{name} ({method.kind})\n  {method.summary}\n  {method.source}; {method.advice}")
    for name, point in offered().items():
        typer.echo(f"{name}\n  {point.value}, offered by {point.dist.name if point.dist else 'an installed package'}")
    return 0


def tasks() -> int:
    """List the tasks that need no file."""
    from azora.tasks import TASKS

    for name, (summary, _) in TASKS.items():
        typer.echo(f"{name:<8} {summary}")
    for form in (
        "FILE.csv --label COLUMN",
        "FILE.npz with x_train, y_train, x_test, y_test",
        "FOLDER/CLASS/PICTURE.png",
    ):
        typer.echo(form)
    return 0


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0] if thing.__doc__ else ""


def _show_choice(choice: object) -> str:
    from azora.space import Categorical, Choice, Integer, Real, Subset

    if not isinstance(choice, Choice):
        raise StudyError(f"{choice!r} is no choice")
    when = "".join(f"  if {each.choice} has {' or '.join(map(str, each.among))}" for each in choice.when)
    if isinstance(choice, Categorical):
        shown = ", ".join(map(str, choice.values))
    elif isinstance(choice, Subset):
        shown = f"{choice.low} to {choice.high} of {', '.join(map(str, choice.items))}"
    elif isinstance(choice, Integer | Real):
        shown = f"{choice.low:g} to {choice.high:g}{' (logarithmic)' if choice.log else ''}"
    else:
        shown = type(choice).__name__
    return f"{choice.name:<20} {shown}{when}"
