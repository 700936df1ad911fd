"""`azora scorecard`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def scorecard(
    outs: Annotated[
        list[Path] | None, typer.Argument(metavar="[OUT…]", help="What searches and comparisons wrote (default: runs).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Recompute from folders what searches cost and gave: design time, accuracy, efficiency, cost, adaptability."""
    from azora.automl.scoring.card import scorecard as do
    from azora.automl.scoring.card import to_json, to_markdown
    from azora.automl.scoring.reading import find_searches

    lines = do(find_searches(outs or [Path("runs")]))
    typer.echo(json.dumps(to_json(lines)) if as_json else to_markdown(lines), nl=as_json)
    return 0
