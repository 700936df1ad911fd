"""Strategies side by side on one table, random search always among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, final

import numpy as np

from azora.bench.curves import Beside, Curve, Figure, beside_random, checkpoints, front_of
from azora.bench.play import Run
from azora.bench.pool import Seen, play_all
from azora.bench.protocol import Protocol
from azora.bench.published import Published, published
from azora.bench.setup import Setup
from azora.errors import BenchmarkError
from azora.strategies.registry import STRATEGIES

RANDOM = "random"


@final
@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Args:
        curves: by strategy and seed.
        figures: by strategy and checkpoint (queries or seconds).
        beside: every strategy beside random search.
        published: what papers say of the same protocol.
        held_out: of two objectives, each strategy's front in the end by scores that it did not see (`Cost.held_out`).
    """

    setup: Setup
    protocol: Protocol
    seed: int
    count: int
    runs: Mapping[str, Mapping[int, Run]]
    curves: Mapping[str, Mapping[int, Curve]]
    figures: Mapping[str, Mapping[float, Figure]]
    beside: Mapping[str, Beside]
    published: Sequence[Published]
    held_out: Mapping[str, Figure]

    @property
    def by_queries(self) -> bool:
        """Whether the budget is queries; else it is seconds of training."""
        return self.protocol.queries is not None

    def to_json(self) -> dict[str, Any]:
        """One JSON object. The same words give the same object on any machine, whatever the number of processes."""
        return {
            "table": self.protocol.table.name,
            "runs": self.count,
            "seed": self.seed,
            "at": "queries" if self.by_queries else "seconds",
            "search": self.protocol.describe_search(),
            "score": self.protocol.describe_score(),
            "best": _short(self.protocol.best),
            "strategies": {
                name: {f"{place:.10g}": _plain(figure) for place, figure in figures.items()}
                for name, figures in self.figures.items()
            },
            "against_random": {name: _plain(beside) for name, beside in self.beside.items()},
            "published": [_plain(row) for row in self.published],
            **({"held_out": {name: _plain(each) for name, each in self.held_out.items()}} if self.held_out else {}),
        }


def compare(
    setup: Setup,
    *,
    runs: int = 30,
    seed: int = 0,
    workers: int = 0,
    most: Mapping[str, int] | None = None,
    seen: Seen = lambda done, of: None,
) -> Comparison:
    """Play every strategy of `setup`, and random search whether it is among them or not, with the seeds from `seed` to
    `seed + runs - 1`.

    Args:
        workers: processes; 0 plays in this one. The result is the same.
        most: fewer runs for some strategies (the first seeds).
        seen: told how many runs are finished, of how many.

    Raises:
        BenchmarkError: see `find_table`, `Protocol` and `play_all`; fewer than one run.
        ConfigError: an unknown strategy or setting.
    """
    if runs < 1:
        raise BenchmarkError(f"{runs} runs: one at least")
    protocol = setup.protocol()
    protocol.check_queries()
    strategies: Mapping[str, Mapping[str, Any]] = setup.strategies
    if RANDOM not in strategies:
        strategies = {RANDOM: {}, **strategies}
    # Queries as they were found out: others need not find it out again.
    setup = replace(setup, queries=protocol.queries, strategies=strategies)
    for name in setup.strategies:
        setup.strategy(name, protocol, seed)
    counts = {name: min(runs, (most or {}).get(name, runs)) for name in setup.strategies}
    jobs = [(name, each) for each in range(seed, seed + runs) for name in counts if each < seed + counts[name]]
    played = play_all(setup, protocol, jobs, workers, seen)
    return summarise(setup, protocol, seed, runs, played)


def summarise(
    setup: Setup, protocol: Protocol, seed: int, count: int, played: Mapping[tuple[str, int], Run]
) -> Comparison:
    """Curves and figures of runs."""
    places = checkpoints(protocol)
    runs = {name: {each: run for (other, each), run in played.items() if other == name} for name in setup.strategies}
    curves = {name: {each: Curve.of(run, protocol) for each, run in some.items()} for name, some in runs.items()}
    figures, beside, held_out = {}, {}, {}
    for name, some in curves.items():
        figures[name] = _figures(list(some.values()), protocol, places)
        ended = sum(bool(run.ended) for run in runs[name].values())
        beside[name] = beside_random(some, curves[RANDOM], protocol, ended, name == RANDOM)
        if (cost := protocol.cost_of) is not None:
            held_out[name] = Figure.of([cost.held_out(front_of(run, protocol, cost)) for run in runs[name].values()], 1)
    # Papers searched all of the space.
    papers = published(setup.table, protocol, places) if setup.limit is None else []
    return Comparison(setup, protocol, seed, count, runs, curves, figures, beside, papers, held_out)


def _figures(curves: Sequence[Curve], protocol: Protocol, places: Sequence[float]) -> dict[float, Figure]:
    """By checkpoint."""
    scores, seen = (
        np.array([curve.at(places, protocol.queries is not None, known) for curve in curves]) for known in (False, True)
    )
    by_seen = [Figure.of(seen[:, at], protocol.best_seen).regret for at in range(len(places))]
    figures = [Figure.of(scores[:, at], protocol.best) for at in range(len(places))]
    return {
        place: replace(figure, seen_regret=regret)
        for place, figure, regret in zip(places, figures, by_seen, strict=True)
    }


def contestants(names: Sequence[str], several: bool = False, recalls: bool = False) -> list[str]:
    """The strategies that were named, each once, or all of azora's own that are for one objective (or for several);
    random search first. Without a memory, those that need one are others under another name, and are left out."""
    own = {
        name: entry
        for name, entry in STRATEGIES.items()
        if entry.extra is None and not entry.kit and (recalls or not entry.recalls)  # the same wherever azora is
    }
    fitting = [name for name, entry in own.items() if (entry.several if several else entry.single)]
    return list(dict.fromkeys([RANDOM, *(names or fitting)]))


def _plain(figure: Figure | Beside | Published) -> dict[str, Any]:
    return {name: _short(value) if isinstance(value, float) else value for name, value in asdict(figure).items()}


def _short(value: float) -> float:
    """Six significant digits: sums of floats may differ in the last ones from machine to machine."""
    return float(f"{value:.6g}")
