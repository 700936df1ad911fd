"""What runs came to, by system: means, spread, intervals, and differences from random search."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from azora.automl.comparing.systems import RANDOM
from azora.bench.curves import student

ROWS = "rows"  # an interval over resamples of the test's rows (Efron's bootstrap), where there is one seed
SEEDS = "seeds"  # Student's, over seeds
Runs = Mapping[int, Mapping[str, Any]]
"""By seed."""


@final
@dataclass(frozen=True)
class Estimate:
    """A mean, the deviation of what it is of (n - 1), and the ends of its 95 % interval, as far as they are known.

    Args:
        over: what the interval is over, "seeds" or "rows".
    """

    values: Sequence[float]
    mean: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None
    over: str | None = None

    @classmethod
    def of(cls, values: Sequence[float], rows: tuple[float, float] | None = None) -> Estimate | None:
        """By Student's t over the values. Of a single one the interval is `rows`, of resampled rows; of none there
        is no estimate."""
        if not values:
            return None
        if len(values) == 1:
            low, high = rows or (None, None)
            return cls(values, values[0], None, low, high, None if rows is None else ROWS)
        mean, deviation = statistics.mean(values), statistics.stdev(values)
        half = student(len(values) - 1) * deviation / math.sqrt(len(values))
        return cls(values, mean, deviation, mean - half, mean + half, SEEDS)


@final
@dataclass(frozen=True)
class Row:
    """A system in the table.

    Args:
        runs: by seed: `test`, `validation`, `epochs` (that validation followed), `parameters`, `macs`, `seconds` and
            more; see `of_run`.
        above: test score minus that of random search with the same seed; positive is better, also where the metric is
            to be low. None where no seed has both.
        alike: the same, of random search in the same space; of a search in a space of its own.
    """

    system: str
    about: str
    by_hand: bool
    runs: Runs
    failed: Mapping[int, str]
    test: Estimate | None
    above: Estimate | None
    alike: Estimate | None = None

    def mean(self, name: str) -> float | None:
        """Of a figure over the runs that have it."""
        values = [run[name] for run in self.runs.values() if run.get(name) is not None]
        return statistics.mean(values) if values else None


def of_run(figures: Mapping[str, Any], metric: str, sessions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the table needs of one run: `result.json`'s figures, and what was seen from outside."""
    walls = [session["wall"] for session in sessions]
    processor = [session["processor"] for session in sessions]
    loads = [load for session in sessions for load in session["load"] if load is not None]
    interval = figures.get("test_interval", {})
    return {
        "test": figures[f"test_{metric}"],
        "rows": [interval["low"], interval["high"]] if interval.get("metric") == metric else None,
        "validation": figures.get(f"validation_{metric}"),
        "parameters": figures["parameters"],
        "macs": figures["macs"],
        "judged": figures["judged"],
        "trials": figures["trials"],
        "failed": figures["failed"],
        "seconds": figures["seconds"],
        "final_seconds": figures["final_seconds"],
        "final_epochs": figures["final_epochs"],
        "wall": None if None in walls else round(sum(walls), 2),
        "processor": None if None in processor else round(sum(processor), 2),
        "load": [min(loads), max(loads)] if loads else None,
        "key": figures["key"],
        "architecture": figures["architecture"],
        "azora": figures.get("azora"),
        "machine": figures.get("machine"),
    }


def rows(
    named: Sequence[tuple[str, str, bool]],
    runs: Mapping[str, Runs],
    failed: Mapping[str, Mapping[int, str]],
    maximise: bool = True,
    apart: Mapping[str, str | None] | None = None,
) -> list[Row]:
    """A row for each of `named` (name, about, by hand), from the runs of each by seed; `apart` are names of searches in
    a space of their own, each with the name of random search there."""
    sign, found = 1 if maximise else -1, []
    for name, about, by_hand in named:
        some = runs.get(name, {})
        alone = next(iter(some.values()))["rows"] if len(some) == 1 else None
        above = None if name == RANDOM else _above(some, runs.get(RANDOM, {}), sign)
        alike = _above(some, runs.get((apart or {}).get(name) or "", {}), sign)
        test = Estimate.of([run["test"] for run in some.values()], alone and (alone[0], alone[1]))
        found.append(Row(name, about, by_hand, some, failed.get(name, {}), test, above, alike))
    return found


def _above(some: Runs, others: Runs, sign: int) -> Estimate | None:
    """By how much the runs `some` are better than the others of the same seed; None where no seed has both."""
    return Estimate.of([sign * (some[seed]["test"] - others[seed]["test"]) for seed in some if seed in others])
