"""`azora specialise`: networks for several limits out of one training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from azora.clock import parse_seconds
from azora.errors import ConfigError
from azora.trial import Limit


def specialise(
    out: Annotated[Path, typer.Argument(help="The folder of a search that keeps its shared weights (--strategy ofa).")],
    limit: Annotated[
        list[str],
        typer.Option(metavar="QUANTITY=MOST[,…]", help="One network within this: macs=5M or macs=5M,params=90k."),
    ],
    to: Annotated[Path | None, typer.Option(help="Folder for the model folders (default: OUT/specialised).")] = None,
    tune: Annotated[str | None, typer.Option(metavar="TIME", help="Train each for so long; needs --task.")] = None,
    task: Annotated[str | None, typer.Option(help="The task of the search, to train on.")] = None,
    target: Annotated[str | None, typer.Option(help="Where they will run, for latency and size: onnxruntime …")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Take a network out of shared weights for each --limit; nothing is trained, unless --tune says so."""
    limits = [(text, [Limit.parse(each) for each in text.split(",")]) for text in limit]
    seconds = None if tune is None else parse_seconds(tune)
    if (seconds is None) != (task is None):
        raise ConfigError("--tune and --task go together: a time to train for, and what to train on")
    from azora.automl.specialise import Specialiser
    from azora.cores import one_thread

    with one_thread():
        specialiser = Specialiser(out, target)
        for _, wanted in limits:
            specialiser.within(wanted)  # a limit that nothing meets is told before anything is written
        data = None if task is None else specialiser.find(task)  # so is another task
        networks = []
        for text, wanted in limits:
            made = specialiser.specialise(wanted)
            networks.append((text, made if seconds is None else specialiser.tune(made, data, seconds)))
        found = []
        for text, made in networks:  # only now: a limit that fails leaves nothing of the others
            folder = (to or out / "specialised") / text.replace("=", "-").replace(",", "-").replace(" ", "")
            figures = specialiser.write(made, folder)
            found.append(figures | {"out": str(folder)})
            if not as_json:
                metric = specialiser.objective.metric
                there = "" if made.measured is None else f"{made.measured.latency.median:.4g} ms, "
                typer.echo(
                    f"{text}: {there}{made.cost['macs']:,} multiply-accumulates, {made.cost['params']:,} parameters,"
                    f" validation {metric} {made.metrics[metric]:.4f}, in {made.seconds:.1f}s; {folder}"
                    f"{''.join(f' ({note})' for note in figures['notes'])}"
                )
    if as_json:
        typer.echo(json.dumps({"networks": found}))
    return 0
