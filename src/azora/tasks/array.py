"""The type of what data is kept in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

ROWS_AT_ONCE, VALUES_AT_ONCE = 2048, 2**23  # for work that takes a copy in float64


def blocks(x: Array) -> Iterator[Array]:
    """The rows of `x` in order, some at a time: 2,048, or as many as have 8 million values where rows are large."""
    rows = max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // max(1, math.prod(x.shape[1:]))))
    return (x[start : start + rows] for start in range(0, len(x), rows))
