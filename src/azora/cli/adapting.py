"""`azora adapt`: learn from many small tasks, and adapt to a new one in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from azora.cli.progress import bar
from azora.clock import parse_seconds
from azora.errors import ConfigError

if TYPE_CHECKING:
    from azora.adapting import Adapting, Episodes

TRAIN_SHOTS, QUERIES, JUDGED = 10, 15, 100
HELD_OUT = 0.1  # of the classes

adapt = typer.Typer(help="Learn from many small tasks, and adapt to a new one in seconds.", add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@adapt.command()
def learn(
    data: Annotated[Path, typer.Argument(help="An .npz file of many classes: x_train, y_train.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    ways: Annotated[int, typer.Option(help="Classes of a task.")] = 5,
    shots: Annotated[int, typer.Option(help="Rows of a class in the tasks that it is judged by at the end.")] = 1,
    budget: Annotated[str, typer.Option(help="Time for the meta-training: 60s, 20m, 1h.")] = "20m",
    style: Annotated[str, typer.Option(help="metanas or base.")] = "metanas",
    width: Annotated[int, typer.Option(help="Channels of every layer.")] = 32,
    turns: Annotated[bool, typer.Option("--turns", help="Quarter turns of a class are other classes.")] = False,
    seed: Annotated[int, typer.Option(help="Of first weights and all draws.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Meta-train weights and architecture on tasks drawn from the classes of a file; a tenth of them is to judge by."""
    from azora.adapting import Adapting, AdaptingSettings, Episodes, Layers, save_adapting
    from azora.adapting.files import held_out, read_classes
    from azora.cores import one_thread
    from azora.tasks import Scaling, Signature

    seconds = parse_seconds(budget)
    if style == "fixed":
        raise ConfigError("style 'fixed' has no architecture to learn; there is base, metanas")
    rows, judged = held_out(read_classes(data), HELD_OUT, ways, seed)
    scaling = Scaling.of(rows, regression=False)
    signature = Signature("classification", tuple(rows.x.shape[1:]), ways, tuple(f"class {way}" for way in range(ways)))
    train = Episodes(rows.x, rows.y, ways, _most(rows.y, TRAIN_SHOTS, shots), 0, scaling, seed=seed, turns=turns)
    queries = _most(judged.y, QUERIES + shots, shots + 1) - shots
    test = Episodes(judged.x, judged.y, ways, shots, queries, scaling, seed=seed + 1)
    with one_thread(), bar() as seen:
        adapting = Adapting(Layers(signature, width), scaling, AdaptingSettings.of(style), seed=seed)
        adapting.learn(train, seconds, seen=lambda share, loss: seen(f"loss {loss:.3f}", int(100 * share), 100))
        figures = {"style": style, "ways": ways, "shots": shots, "steps": adapting.done, **_judged(adapting, test)}
        save_adapting(adapting, out, figures)
    if as_json:
        typer.echo(json.dumps(figures | {"favoured": dict(adapting.favoured()), "out": str(out)}))
    else:
        typer.echo(
            f"{out}: {adapting.done} steps of {adapting.settings.tasks} tasks; on {figures['tasks']} tasks of {ways}"
            f" other classes, {shots} shot{'s' * (shots > 1)}: accuracy {figures['accuracy']:.4f} ±"
            f" {figures['half']:.4f}"
        )
    return 0


@adapt.command()
def to(
    folder: Annotated[Path, typer.Argument(help="What azora adapt learn wrote.")],
    data: Annotated[Path, typer.Option(help="An .npz file of the task: x, y, and perhaps x_test, y_test.")],
    out: Annotated[Path, typer.Option(help="The model folder to write; azora predict takes it.")],
    steps: Annotated[int, typer.Option(help="Of the adaptation.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Of draws.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Adapt the weights of the network that was learned to the few rows of a task; a model folder comes of it."""
    from azora.adapting import load_adapting
    from azora.adapting.files import free_place, read_few, write_model
    from azora.cores import one_thread

    free_place(out)  # a mistake is told before anything is learned
    with one_thread():
        adapting = load_adapting(folder)
        few = read_few(data, adapting)
        found = adapting.adapt(few.episode, steps, seed)
        figures: dict[str, Any] = {"rows": len(few.episode.x), "steps": steps, "decided": round(found.decided, 3)}
        if len(few.episode.x_query):
            told = found.logits(few.episode.x_query, "support").argmax(1)
            figures["test_accuracy"] = float((told == few.episode.y_query).float().mean())
        write_model(adapting, found, few, out, figures)
    if as_json:
        typer.echo(json.dumps(figures | {"architecture": dict(found.architecture), "out": str(out)}))
        return 0
    said = f", test accuracy {figures['test_accuracy']:.4f}" if "test_accuracy" in figures else ""
    typer.echo(f"{out}: {', '.join(map(str, found.architecture.values()))}; adapted to {len(few.episode.x)} rows{said}")
    return 0


def _most(y: Any, wanted: int, least: int) -> int:
    """As many rows of a class as are wanted, where all classes have so many; and no fewer than `least`."""
    import numpy as np

    return max(least, min(wanted, int(np.unique(y, return_counts=True)[1].min())))


def _judged(adapting: Adapting, episodes: Episodes) -> dict[str, Any]:
    """Mean accuracy over tasks of classes that were held out, and the half-width of its 95 % interval."""
    import numpy as np

    each = []
    for number in range(JUDGED):
        episode = episodes.draw(number)
        told = adapting.adapt(episode, seed=number).logits(episode.x_query).argmax(1)
        each.append(float((told == episode.y_query).float().mean()))
    half = float(1.96 * np.std(each, ddof=1) / np.sqrt(len(each)))
    return {"tasks": JUDGED, "accuracy": round(float(np.mean(each)), 4), "half": round(half, 4)}
