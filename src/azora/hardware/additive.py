"""Latency as a sum: over layers, so much for each of a kind and for each multiply-accumulate, value and weight of it;
or over choices, so much for each option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from azora.strategies.surrogates import Array

SHRINKAGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
LEAST = 0.3  # of the quickest network that was measured: a sum may go below it
START = "start"  # what an answer takes whatever the network


@final
@dataclass(frozen=True)
class Additive:
    """Milliseconds for each unit of each quantity, none below zero.

    Args:
        prices: by `kind.quantity`, and `start`.
        r2: of the networks that it was fitted to, the share of their variance that it explains.
    """

    prices: Mapping[str, float]
    r2: float

    @classmethod
    def fit(cls, totals: Sequence[Mapping[str, float]], times: Array) -> Additive:
        """Non-negative least squares of relative errors (Lawson & Hanson, 1974).

        Args:
            totals: of each network, by `kind.quantity`.
            times: (n,) milliseconds.
        """
        names = sorted({name for each in totals for name in each if not name.startswith("all.")})
        rows = np.array([[1.0, *(each.get(name, 0.0) for name in names)] for each in totals])
        scale = np.maximum(rows.max(0), 1e-12)
        found = _non_negative(rows / scale / times[:, None], np.ones(len(times))) / scale
        left = times - rows @ found
        away = times - times.mean()
        r2 = 1.0 - float(left @ left) / max(float(away @ away), 1e-12)
        prices = dict(zip([START, *names], map(float, found), strict=True))
        return cls({name: price for name, price in prices.items() if price > 0}, r2)

    def __call__(self, totals: Sequence[Mapping[str, float]]) -> Array:
        """(n,) milliseconds, above zero."""
        sums = [
            sum(price * (1.0 if name == START else each.get(name, 0.0)) for name, price in self.prices.items())
            for each in totals
        ]
        found: Array = np.maximum(np.array(sums), 1e-9)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"prices": dict(self.prices), "r2": self.r2}


def _non_negative(rows: Array, wanted: Array) -> Array:
    """Non-negative least squares; where the active set does not settle, by reflecting at the bounds (Branch et al.,
    1999)."""
    from scipy.optimize import lsq_linear, nnls

    try:
        found: Array = nnls(rows, wanted)[0]
    except RuntimeError:
        found = np.maximum(lsq_linear(rows, wanted, bounds=(0.0, np.inf)).x, 0.0)
    return found


@final
class ByChoice:
    """Milliseconds for each option of each choice (as FBNet's table, Wu et al., 2019, but fitted to whole networks), by
    ridge regression; how much it shrinks is chosen by leaving one out.

    Args:
        rows: (n, columns), as `Features.choices` or `Features.read` have them.
        times: (n,) milliseconds.
    """

    def __init__(self, rows: Array, times: Array) -> None:
        from sklearn.linear_model import RidgeCV

        self._model: Any = RidgeCV(alphas=SHRINKAGES).fit(rows, times)
        self._least = LEAST * float(times.min())

    def __call__(self, rows: Array) -> Array:
        """(n,) milliseconds, above zero."""
        found: Array = np.maximum(self._model.predict(rows), self._least)
        return found
