"""How well surrogates rank networks that they have not seen, with what is free beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from azora.bench.once_for_all import OnceForAll, is_once_for_all, read_architectures
from azora.bench.registry import find_table
from azora.bench.sheet import Sheet, read_header, read_sheet
from azora.bench.table import Numbers, Table, masked_mean
from azora.errors import BenchmarkError
from azora.space import Architecture, Space
from azora.strategies.bayesian import SURROGATES
from azora.strategies.surrogates import Description, normal_ranks

Places = NDArray[np.int64]

SIZES = (50, 100, 200, 400)
"""From how many rows surrogates learn."""
JUDGED = 1_000
"""Rows that they are judged on, at most."""
FEWEST = 50
"""Rows that they are judged on, at least."""
COUNTS = ("params", "macs", "flops")
"""Columns of a file that are known without training."""


@final
@dataclass(frozen=True, eq=False)
class Ranking:
    """Networks, each once, with what is known of them.

    Args:
        rows: (n, columns), as a surrogate is told them; `groups` are the columns that belong together.
        truth: (n,), more is better.
        counts: (n,) each: what is free.
        score: what the truth is, for the reader.
    """

    name: str
    rows: Numbers
    groups: Sequence[slice]
    truth: Numbers
    counts: Mapping[str, Numbers]
    score: str

    def __len__(self) -> int:
        return len(self.truth)


@final
@dataclass(frozen=True)
class Agreement:
    """Rank correlations with the truth: mean and standard deviation over runs (none of one run)."""

    kendall: float
    spearman: float
    kendall_std: float | None
    spearman_std: float | None

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float]]) -> Agreement:
        each = np.array(pairs)
        spread = each.std(0, ddof=1) if len(pairs) > 1 else (None, None)
        return cls(*map(_short, (*each.mean(0), *spread)))  # type: ignore[arg-type]


@final
@dataclass(frozen=True)
class Predictions:
    """What came of it: by predictor and number of rows learned from; `free` by count."""

    ranking: Ranking
    runs: int
    seed: int
    judged: int
    predictors: Mapping[str, Mapping[int, Agreement]]
    free: Mapping[str, Agreement]

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "table": self.ranking.name,
            "runs": self.runs,
            "seed": self.seed,
            "networks": len(self.ranking),
            "judged": self.judged,
            "score": self.ranking.score,
            "predictors": {
                name: {str(size): vars(each) for size, each in found.items()} for name, found in self.predictors.items()
            },
            "free": {name: vars(each) for name, each in self.free.items()},
        }


def for_ranking_only(word: str) -> bool:
    """Whether `word` is a file of some networks of a space that no table holds: no search can be played on it."""
    path = Path(word)
    return path.is_file() and is_once_for_all(read_header(path))


def find_ranking(word: str) -> Ranking:
    """The networks of a table, of whatever kind.

    Raises:
        BenchmarkError, ConfigError: see `find_table`.
    """
    path = Path(word)
    sheet = read_sheet(path) if path.is_file() else None
    if sheet is not None and is_once_for_all(sheet.header):
        name, truth = path.name.split(".")[0], sheet.numbers("top1_imagenet")
        architectures = read_architectures(sheet)
        return _ranking(name, OnceForAll(), architectures, truth, _columns(sheet), "top1_imagenet")
    table = find_table(word)
    truth, score = _truth(table)
    architectures = [table.architecture(row) for row in range(len(table))]
    counts = {} if sheet is None or len(sheet.rows) != len(table) else _columns(sheet)
    return _ranking(table.name, table.space, architectures, truth, counts, score)


def predict(
    ranking: Ranking, runs: int, seed: int = 0, seen: Callable[[int, int], None] = lambda done, of: None
) -> Predictions:
    """Fit every surrogate to 50, 100, 200 and 400 networks drawn at random, `runs` times, and see how it ranks up to a
    thousand others, the same for all of a run. As in a search, the ranks of scores are what is learned.

    Raises:
        BenchmarkError: fewer than one run, or too few networks.
    """
    if runs < 1:
        raise BenchmarkError(f"{runs} runs: one at least")
    sizes = [size for size in SIZES if size + FEWEST <= len(ranking)]
    if not sizes:
        raise BenchmarkError(f"{ranking.name}: has {len(ranking)} networks; to rank them takes {SIZES[0] + FEWEST}")
    judged = min(JUDGED, len(ranking) - sizes[-1])
    found: dict[str, dict[int, list[tuple[float, float]]]] = {name: {size: [] for size in sizes} for name in SURROGATES}
    free: dict[str, list[tuple[float, float]]] = {name: [] for name in ranking.counts}
    for run in range(runs):
        order = np.random.default_rng(seed + run).permutation(len(ranking))
        others = order[sizes[-1] : sizes[-1] + judged]
        for name, count in ranking.counts.items():
            free[name].append(_agree(count[others], ranking.truth[others]))
        for name, by_size in found.items():
            for size, pairs in by_size.items():
                pairs.append(_agree(_predicted(ranking, name, order[:size], others), ranking.truth[others]))
        seen(run + 1, runs)
    predictors = {name: {size: Agreement.of(each) for size, each in some.items()} for name, some in found.items()}
    return Predictions(
        ranking, runs, seed, judged, predictors, {name: Agreement.of(each) for name, each in free.items()}
    )


def _predicted(ranking: Ranking, name: str, known: Places, others: Places) -> Numbers:
    targets = normal_ranks([(float(score),) for score in ranking.truth[known]])
    mean, _ = SURROGATES[name]().fit(ranking.rows[known], targets, ranking.groups).predict(ranking.rows[others])
    return mean


def _agree(guess: Numbers, truth: Numbers) -> tuple[float, float]:
    """Kendall's τ-b and Spearman's ρ; zero for a guess that is the same for all."""
    from scipy.stats import kendalltau, spearmanr

    if np.ptp(guess) == 0:
        return 0.0, 0.0
    return float(kendalltau(guess, truth).statistic), float(spearmanr(guess, truth).statistic)


def _ranking(
    name: str,
    space: Space,
    architectures: Sequence[Architecture],
    truth: Numbers,
    columns: Mapping[str, Numbers],
    score: str,
) -> Ranking:
    """Of each network the first row: what is learned from must not be judged on."""
    firsts: dict[str, int] = {}
    for row, architecture in enumerate(architectures):
        if np.isfinite(truth[row]):
            firsts.setdefault(architecture.key, row)
    kept = list(firsts.values())
    some = [architectures[row] for row in kept]
    describe = Description(space)
    rows, groups = describe(some), describe.groups(some[0])
    counts: dict[str, Numbers] = {each: column[kept] for each, column in columns.items()}
    if space.root.cost(some[0]) is not None:
        costs = [space.root.cost(each) or {} for each in some]
        counts = {each: np.array([float(cost[each]) for cost in costs]) for each in ("params", "macs")}
    if counts and not any(group.split(".")[-1] == "size" for group in space.features(some[0])):
        size = np.log(np.stack(list(counts.values()), 1))
        groups = [*groups, slice(rows.shape[1], rows.shape[1] + size.shape[1])]
        rows = np.column_stack([rows, size])
    return Ranking(name, rows, groups, truth[kept], counts, score)


def _columns(sheet: Sheet) -> dict[str, Numbers]:
    found = {column: sheet.numbers(column) for column in COUNTS if column in sheet.header}
    return {column: numbers for column, numbers in found.items() if bool((numbers > 0).all())}


def _truth(table: Table) -> tuple[Numbers, str]:
    sign = 1.0 if table.maximise else -1.0
    if table.test is not None:
        return sign * table.test, table.test_column
    last = table.fidelities[-1]
    mean = masked_mean(last.validation, ~np.isnan(last.validation))
    return sign * mean, " and ".join(last.columns) + (", their mean" if len(last.columns) > 1 else "")


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
