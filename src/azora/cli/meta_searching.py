"""`azora meta-search`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from azora.cli.searching import interruptible
from azora.clock import parse_seconds
from azora.cores import usable_cores
from azora.errors import BudgetError, ConfigError

if TYPE_CHECKING:
    from azora.study import Study


def meta_search(
    tables: Annotated[list[str], typer.Argument(help="Tables to score strategies on, as azora bench takes them.")],
    budget: Annotated[str | None, typer.Option(help="Time: 10m, 8h.")] = None,
    trials: Annotated[int | None, typer.Option(help="Instead: judgements of strategies.")] = None,
    queries: Annotated[int, typer.Option(help="Whole trainings that each run may spend.")] = 150,
    strategy: Annotated[str, typer.Option(help="What searches for strategies.")] = "halving",
    fixed: Annotated[
        str | None, typer.Option(help="Keep this structure, and search its numbers alone: evolution or bayesian.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the study and learned.json.")] = Path("runs/meta-search"),
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes (default: as many as cores).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in OUT.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Search for a search strategy: its parts, their order and their numbers, by how it does on tables."""
    if (budget is None) == (trials is None):
        raise BudgetError("say how long to search: --budget 30m, or --trials 100")
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers {workers}: one at least")
    from azora.bench.meta_search import GAIN
    from azora.bench.meta_search import meta_search as do
    from azora.loop import Budget

    limits = Budget.of(trials=trials, seconds=None if budget is None else parse_seconds(budget))

    def told(study: Study) -> None:
        trial = study.trials[-1]
        if not quiet:
            gain = trial.report.metrics.get(GAIN.metric)
            said = trial.report.error or f"{gain:.3f} of random search's regret saved, {trial.proposal.budget:g} runs"
            sys.stderr.write(f"azora: {trial.proposal.architecture.key[:8]}  {said}\n")

    with interruptible() as stop:
        limits.stop = stop
        found = do(
            tables, out=out, budget=limits, queries=queries, strategy=strategy, fixed=fixed, seed=seed, resume=resume,
            workers=workers or usable_cores(), told=told,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"judged": found.judged, "file": str(found.file), **found.learned}))
    else:
        typer.echo(
            f"{found.judged} strategies judged; the best saves {found.gain['gain']:.3f} of random search's regret"
            f" ({found.gain['runs']:.0f} runs on each table)\n{found.file}: use it by"
            f" --strategy composed --set file={found.file}"
        )
    return 130 if stop.is_set() else 0
