"""`azora bench --predictors`: what it prints and writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from azora.errors import BenchmarkError

if TYPE_CHECKING:
    from azora.bench.predictors import Agreement, Predictions


def refuse_what_plays(table: str, given: Mapping[str, Any]) -> None:
    """Raises BenchmarkError for options of `azora bench` that are for strategies."""
    for option, value in given.items():
        if value:
            raise BenchmarkError(
                f"{option} is for searches; on {table} predictors are scored, which takes --runs, --seed, --out, --json"
            )


def show_predictions(found: Predictions, wall: float, out: Path | None, as_json: bool) -> None:
    """One JSON object or a table on stdout; `predictors.json` in `out`."""
    if out is not None:
        _write(found, out)
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        _print(found, wall)


def _write(found: Predictions, out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(found.to_json(), indent=1) + "\n"
        (out / "predictors.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"{out} cannot be written: {error.strerror}") from error


def _print(found: Predictions, wall: float) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    ranking = found.ranking
    console.print(
        f"{ranking.name}: {len(ranking):,} networks. {found.runs} draws of what is learned from, and of"
        f" {found.judged:,} others that are ranked, in {wall:.1f} s\nscore: {ranking.score}\n",
        markup=False,
    )
    sizes = list(next(iter(found.predictors.values())))
    for title in ("kendall", "spearman"):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
        table.add_column(f"{title}, learned from", no_wrap=True)
        for size in sizes:
            table.add_column(f"{size:,}", justify="right", no_wrap=True)
        for name, by_size in found.predictors.items():
            table.add_row(name, *(_cell(each, title) for each in by_size.values()))
        for name, each in found.free.items():
            table.add_row(f"{name}, nothing learned", *[_cell(each, title)] * len(sizes))
        console.print(table)


def _cell(each: Agreement, title: str) -> str:
    mean, spread = vars(each)[title], vars(each)[f"{title}_std"]
    return f"{mean:.3f}" if spread is None else f"{mean:.3f} ± {spread:.3f}"
