"""What turns the cells of a table into numbers for a network: fitted by scikit-learn, kept as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from azora.tasks.array import Array
from azora.tasks.tables import Column, Table

SCALINGS = ("standard", "quantile")
ENCODINGS = ("one_hot", "frequency")
IMPUTATIONS = ("median", "mean")
KNOTS = 33
RAREST = 1e-3  # quantiles beyond this are as far out as it


@final
@dataclass(frozen=True)
class Preparation:
    """How each column is prepared, fitted on search-train; of the choices that remain, one is taken.

    Args:
        fits: for a column of numbers `mean`, `median`, `spread` and `knots` (its quantiles), for one of words `shares`
            (of the rows that have each word).
        scaling: "standard" (to mean 0 and spread 1) or "quantile" (by quantiles to a normal distribution).
        encoding: of words: "one_hot", or "frequency" (one number: how common the word is).
        imputation: what stands for a missing number: the column's "median" or "mean". That it was missing is told the
            network beside it. A missing word is a word of its own.
    """

    table: Table
    fits: tuple[Mapping[str, Any], ...]
    scaling: str = SCALINGS[0]
    encoding: str = ENCODINGS[0]
    imputation: str = IMPUTATIONS[0]

    @classmethod
    def fit(cls, table: Table, x: Array) -> Preparation:
        """From rows (N, columns) as `Table.rows` gives them."""
        return cls(table, tuple(_fit(column, x[:, place]) for place, column in enumerate(table.columns)))

    def taking(self, scaling: str, encoding: str, imputation: str) -> Preparation:
        """With these choices."""
        return replace(self, scaling=scaling, encoding=encoding, imputation=imputation)

    def sample(self, rng: np.random.Generator, rows: int) -> Array:
        """Made-up rows (`rows`, columns) in the range of the data, with holes where it has them."""
        columns = []
        for column, fit in zip(self.table.columns, self.fits, strict=True):
            if column.categories is not None:
                columns.append(rng.integers(0, len(column.categories), rows).astype(np.float32))
            else:
                values = np.interp(rng.random(rows), np.linspace(0, 1, KNOTS), fit["knots"])
                columns.append(np.where(column.holes & (rng.random(rows) < 0.1), np.nan, values).astype(np.float32))
        return np.stack(columns, axis=1)

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": self.table.to_json(),
            "fits": [dict(fit) for fit in self.fits],
            "scaling": self.scaling,
            "encoding": self.encoding,
            "imputation": self.imputation,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Preparation:
        """Raises ValueError, KeyError or TypeError where `data` is not what `to_json` gives."""
        table = Table.from_json(data["columns"])
        fits = tuple(_read(column, fit) for column, fit in zip(table.columns, data["fits"], strict=True))
        taken = {name: str(data[name]) for name in ("scaling", "encoding", "imputation")}
        for name, known in (("scaling", SCALINGS), ("encoding", ENCODINGS), ("imputation", IMPUTATIONS)):
            if taken[name] not in known:
                raise ValueError(f"{name} {taken[name]!r} is not known")
        return cls(table, fits, **taken)


def _fit(column: Column, values: Array) -> dict[str, Any]:
    if column.categories is not None:
        known = values[values >= 0].astype(np.int64)  # new rows may have words that a model does not know
        counts = np.bincount(known, minlength=len(column.categories))
        return {"shares": [float(share) for share in counts / len(values)]}
    if np.isnan(values).all():  # rows with a value may all have gone to the other splits
        return {"mean": 0.0, "median": 0.0, "spread": 1.0, "knots": [0.0] * KNOTS}
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import QuantileTransformer, StandardScaler

    column_of = values.reshape(-1, 1).astype(np.float64)
    scaler = StandardScaler().fit(column_of)
    quantiles = QuantileTransformer(n_quantiles=min(KNOTS, len(values)), subsample=100_000, random_state=0)
    knots = quantiles.fit(column_of).quantiles_[:, 0]
    fine = np.interp(np.linspace(0, 1, KNOTS), np.linspace(0, 1, len(knots)), knots)
    return {
        "mean": float(SimpleImputer(strategy="mean").fit(column_of).statistics_[0]),
        "median": float(SimpleImputer(strategy="median").fit(column_of).statistics_[0]),
        # A column without any spread carries nothing; dividing by one keeps it at zero.
        "spread": float(scaler.scale_[0]) if scaler.var_[0] > 0 else 1.0,
        "knots": [float(knot) for knot in fine],
    }


def _read(column: Column, fit: Mapping[str, Any]) -> dict[str, Any]:
    if column.categories is not None:
        shares = [float(share) for share in fit["shares"]]
        if len(shares) != len(column.categories):
            raise ValueError(f"column {column.name!r} has {len(shares)} shares of {len(column.categories)} words")
        return {"shares": shares}
    read: dict[str, Any] = {name: float(fit[name]) for name in ("mean", "median", "spread")}
    read["knots"] = [float(knot) for knot in fit["knots"]]
    numbers = [read["mean"], read["median"], read["spread"], *read["knots"]]
    if len(read["knots"]) != KNOTS or not all(map(math.isfinite, numbers)) or read["spread"] <= 0:
        raise ValueError(f"column {column.name!r} has a fit that cannot be")
    return read
