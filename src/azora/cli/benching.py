"""`azora bench`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from azora.cli.progress import bar
from azora.cores import usable_cores
from azora.errors import BenchmarkError, ConfigError

if TYPE_CHECKING:
    from azora.bench import Comparison
    from azora.bench.curves import Figure

Repeated = list[str] | None
TableWord = Annotated[str, typer.Argument(help="A table (.csv or .csv.gz), a benchmark's name, or module:Name.")]
StrategyWord = Annotated[
    Repeated, typer.Option("--strategy", help="A strategy, or module:Name of your own; again for more (default: all).")
]
CostWord = Annotated[
    str | None,
    typer.Option(metavar="[FILE:]COLUMN", help="A second objective, to be low: scores are shares of a hypervolume."),
]
SetWord = Annotated[
    Repeated,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of all that know it; STRATEGY.NAME=VALUE of one."),
]


def bench(
    table: TableWord,
    strategy: StrategyWord = None,
    queries: Annotated[int | None, typer.Option(help="Distinct networks a run judges (default: 150).")] = None,
    seconds: Annotated[float | None, typer.Option(help="Instead: seconds of training a run may spend.")] = None,
    runs: Annotated[int, typer.Option(help="Runs of each strategy.")] = 30,
    seed: Annotated[int, typer.Option(help="Seed of the first run.")] = 0,
    fidelity: Annotated[float | None, typer.Option(help="Judge by trainings of so many epochs.")] = None,
    noise: Annotated[
        str | None, typer.Option(help="What a search sees: mean or seed (default: mean where there are test scores).")
    ] = None,
    cost: CostWord = None,
    floor: Annotated[float | None, typer.Option(help="With --cost: the score that counts for nothing.")] = None,
    limit: Annotated[
        str | None,
        typer.Option(metavar="MOST", help="With --cost: a limit instead; a number, or 25% of rows."),
    ] = None,
    memory: Annotated[
        Path | None,
        typer.Option(help="What other tasks taught, for transfer: a file of azora memory export."),
    ] = None,
    recall: Annotated[
        int | None, typer.Option(help="With --memory: networks of each search, drawn anew for each run.")
    ] = None,
    settings: SetWord = None,
    predictors: Annotated[
        bool, typer.Option("--predictors", help="Score surrogates instead, by how they rank networks not seen.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Processes (default: as many as cores).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for curves, plots and how they came about.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Score search strategies on a table of networks that were all judged, random search beside them."""
    begun = time.monotonic()
    from azora.bench.predictors import for_ranking_only

    rules = {
        "noise": noise, "fidelity": fidelity, "queries": queries, "seconds": seconds, "cost": cost, "floor": floor,
        "limit": limit, "memory": None if memory is None else str(memory), "recall": recall,
    }  # fmt: skip
    if predictors or for_ranking_only(table):
        _rank(table, {**rules, "strategy": strategy, "set": settings}, runs, seed, out, as_json)
        return 0
    if queries is not None and seconds is not None:
        raise BenchmarkError(f"--queries {queries} and --seconds {seconds:g}: say one of the two")
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers {workers}: one at least")
    found = _compared(table, strategy or [], settings or [], runs, seed, workers or usable_cores(), **rules)
    _deliver(found, time.monotonic() - begun, out, as_json)
    return 0


def _rank(table: str, refused: Mapping[str, Any], runs: int, seed: int, out: Path | None, as_json: bool) -> None:
    """Score surrogates; the options by these names are for what plays."""
    begun = time.monotonic()
    from azora.bench.predictors import find_ranking, predict
    from azora.cli.predicting import refuse_what_plays, show_predictions

    refuse_what_plays(table, {f"--{name}": value for name, value in refused.items()})
    with bar() as seen:
        ranked = predict(find_ranking(table), runs, seed, partial(seen, "runs"))
    show_predictions(ranked, time.monotonic() - begun, out, as_json)


def _deliver(found: Comparison, wall: float, out: Path | None, as_json: bool) -> None:
    if out is not None:
        from azora.bench.writing import write

        write(found, out, wall)
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        _print(found, wall)


def _compared(
    table: str, strategies: list[str], settings: list[str], runs: int, seed: int, workers: int, **rules: Any
) -> Comparison:
    """What is compared by these `rules`, in the words of `Setup`."""
    from azora.bench import Setup, compare
    from azora.bench.comparison import contestants
    from azora.bench.setup import share_settings
    from azora.cli.searching import read_settings
    from azora.strategies.registry import STRATEGIES

    names = contestants(
        strategies, several=rules["cost"] is not None and rules["limit"] is None, recalls=rules["memory"] is not None
    )
    setup = Setup(table, share_settings(names, read_settings(settings)), **rules)
    # Who names a strategy means all of its runs; where none is named, those that think long make fewer.
    most = {} if strategies else {name: entry.runs for name, entry in STRATEGIES.items() if entry.runs is not None}
    with bar() as seen:
        return compare(setup, runs=runs, seed=seed, workers=workers, most=most, seen=partial(seen, "runs"))


def _print(found: Comparison, wall: float) -> None:
    from rich.console import Console

    protocol = found.protocol
    budget = f"{protocol.queries:,} queries" if found.by_queries else f"{protocol.seconds:,.10g} s of training"
    # A file or a pipe has no width; names of strategies may be long.
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    console.print(
        f"{protocol.table.name}: {len(protocol.table):,} rows. {found.count} runs of {budget}, in {wall:.1f} s\n"
        f"search sees: {protocol.describe_search()}\n"
        f"score: {protocol.describe_score()}; the best is {protocol.best:.4g}\n",
        markup=False,
    )
    console.print(_results(found))
    console.print(_regrets(found, "regret at", lambda figure: figure.regret))
    if found.protocol.costs is None:
        console.print(_regrets(found, "of what is seen", lambda figure: figure.seen_regret))
    if found.published:
        console.print(_papers(found))
    elif found.protocol.table.space.name == "nb201":
        console.print("published for this protocol: nothing that is known here")


def _results(found: Comparison) -> Any:
    held_out = ("held out",) if found.held_out else ()
    table = _table(
        "strategy", "runs", "mean", "std", "95 % interval", "as random\nafter", "p", "better\nthan it", *held_out
    )
    for name, figures in found.figures.items():
        last, beside = list(figures.values())[-1], found.beside[name]
        interval = "" if last.low is None or last.high is None else f"{last.low:.3f}–{last.high:.3f}"
        reached = "never" if beside.reached is None else f"{beside.reached:,.0f}"
        ended = f" ({beside.ended} ended early)" if beside.ended else ""
        table.add_row(
            name, f"{beside.runs}{ended}", _show(last.mean), _show(last.std), interval, reached,
            "" if beside.p is None else f"{beside.p:.2g}", "" if beside.better is None else f"{beside.better:.0%}",
            *([_show(found.held_out[name].mean)] if held_out else []),
        )  # fmt: skip
    return table


def _regrets(found: Comparison, title: str, regret: Callable[[Figure], float | None]) -> Any:
    unit = "" if found.by_queries else " s"
    places = list(next(iter(found.figures.values())))
    table = _table(title, *(f"{place:,.10g}{unit}" for place in places))
    for name, figures in found.figures.items():
        table.add_row(name, *(_show(regret(figure)) for figure in figures.values()))
    return table


def _papers(found: Comparison) -> Any:
    table = _table("published", "at", "mean", "std", "runs", "source")
    for row in found.published:
        runs = "" if row.runs is None else str(row.runs)
        table.add_row(row.method, f"{row.budget:,.10g}", _show(row.mean), _show(row.std), runs, row.source)
    return table


def _table(first: str, *columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="left" if column == "source" else "right", no_wrap=column != "source")
    return table


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
