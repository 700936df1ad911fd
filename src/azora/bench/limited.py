"""The part of a table that costs no more than a limit."""

from __future__ import annotations

import math

import numpy as np

from azora.bench.listed import Listed
from azora.bench.table import Numbers, Table
from azora.errors import BenchmarkError


def limited(table: Table, costs: Numbers, name: str, limit: str) -> Table:
    """The rows of `table` that cost at most `limit`; its space has no others.

    Args:
        costs: (rows,) of any unit.
        name: what the costs are called.
        limit: a number of that unit, or, as `25%`, what so many of the rows cost at most.

    Raises:
        BenchmarkError: the limit is neither, or nothing is within it.
    """
    most = _most(costs, limit)
    kept = np.flatnonzero(costs <= most).tolist()
    if not kept:
        raise BenchmarkError(f"--limit {limit}: the least {name} in {table.name} is {float(costs.min()):.4g}")
    within = table.taking(kept, [table.points[row] for row in kept])
    return within.within(Listed(within, f"{name} is above {most:.4g}"))


def _most(costs: Numbers, limit: str) -> float:
    share = limit.endswith("%")
    try:
        said = float(limit.removesuffix("%"))
    except ValueError:
        said = math.nan
    if not math.isfinite(said) or said <= 0 or (share and said > 100):
        raise BenchmarkError(f"--limit {limit}: must be a number above zero, or a share of the rows such as 25%")
    return float(np.percentile(costs, said)) if share else said
