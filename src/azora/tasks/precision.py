"""What 32 bits leave of numbers."""

from __future__ import annotations

import numpy as np

from azora.tasks.array import Array

KEPT = 0.9  # of the different values: where so many are left, nothing is said
ROOM = 100  # times as many values as there are rows fit between the ends: then hardly two of them fall together


def rounded_together(values: Array) -> str | None:
    """What becomes of numbers (N,) in float32, in words; None where nearly all that differ still do."""
    if values.dtype.kind not in "iuf" or (values.dtype.itemsize <= 4 and values.dtype.kind == "f"):
        return None
    numbers = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not len(numbers):
        return None
    low, high = float(numbers.min()), float(numbers.max())
    step = max(abs(low), abs(high)) * float(np.finfo(np.float32).eps)
    if high - low >= ROOM * len(numbers) * step:
        return None
    different, left = len(np.unique(numbers)), len(np.unique(numbers.astype(np.float32)))
    if left >= KEPT * different:
        return None
    return f"{different:,} different values, of which 32 bits tell {left:,} apart; subtract what they have in common"
