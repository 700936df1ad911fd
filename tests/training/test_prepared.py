"""Tables as networks take them: against scikit-learn, with holes, and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

from azora.tasks.preparation import ENCODINGS, IMPUTATIONS, SCALINGS, Preparation
from azora.tasks.tables import Column, Table
from azora.training.prepared import Prepared, prepare

TABLE = Table((Column("a", None, True), Column("w", ("", "x", "y")), Column("b"), Column("v", ("p", "q"))))


@pytest.fixture
def x() -> np.ndarray:
    rng = np.random.default_rng(0)
    x = np.stack(
        [rng.gamma(2.0, 3.0, 500), rng.integers(0, 3, 500), rng.normal(5, 2, 500), rng.random(500) < 0.2], axis=1
    ).astype(np.float32)
    x[::9, 0] = np.nan
    return x


@pytest.mark.parametrize("imputation", IMPUTATIONS)
def test_standard_scaling_is_that_of_scikit_learn(x: np.ndarray, imputation: str) -> None:
    found = prepare(Preparation.fit(TABLE, x).taking("standard", "one_hot", imputation), torch.from_numpy(x)).numpy()
    numbers = x[:, [0, 2]].astype(np.float64)
    filled = SimpleImputer(strategy=imputation).fit_transform(numbers)
    np.testing.assert_allclose(found[:, :2], StandardScaler().fit(numbers).transform(filled), atol=1e-4)
    np.testing.assert_array_equal(found[:, 2], np.isnan(x[:, 0]))
    words = OneHotEncoder(sparse_output=False).fit_transform(x[:, [1, 3]])
    np.testing.assert_array_equal(found[:, 3:], words)
    assert found.shape[1] == TABLE.width


def test_quantiles_bring_a_normal_distribution(x: np.ndarray) -> None:
    preparation = Preparation.fit(TABLE, x).taking("quantile", "one_hot", "median")
    found = prepare(preparation, torch.from_numpy(x)).numpy()
    theirs = QuantileTransformer(n_quantiles=33, output_distribution="normal", random_state=0)
    expected = theirs.fit_transform(x[:, [2]].astype(np.float64))[:, 0]
    inside = np.abs(expected) < 1.5
    np.testing.assert_allclose(found[inside, 1], expected[inside], atol=0.05)
    assert np.abs(found[:, :2]).max() < 3.2
    far = prepare(preparation, torch.tensor([[1e9, 0.0, -1e9, 0.0]])).numpy()
    assert far[0, 0] == pytest.approx(3.09, abs=0.01) and far[0, 1] == pytest.approx(-3.09, abs=0.01)


def test_frequencies_are_one_number_a_column(x: np.ndarray) -> None:
    found = prepare(Preparation.fit(TABLE, x).taking("standard", "frequency", "median"), torch.from_numpy(x)).numpy()
    first, rest, second = found[:, 3], found[:, [4, 5, 7]], found[:, 6]
    assert (rest == 0).all()
    for values in (first, second):
        assert abs(values.mean()) < 1e-4 and abs(values.std() - 1) < 1e-3
    common = np.bincount(x[:, 1].astype(int)).argmax()
    assert first[x[:, 1] == common].min() == first.max()


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_unknown_words_and_holes_that_were_never_seen_stay_finite(x: np.ndarray, scaling: str, encoding: str) -> None:
    preparation = Preparation.fit(TABLE, x).taking(scaling, encoding, "mean")
    odd = torch.tensor([[float("nan"), -1.0, float("nan"), -1.0]])
    assert torch.isfinite(prepare(preparation, odd)).all()
    again = Preparation.from_json(json.loads(json.dumps(preparation.to_json())))
    assert again == preparation
    torch.testing.assert_close(Prepared(again)(torch.from_numpy(x)), prepare(preparation, torch.from_numpy(x)))


def test_columns_without_any_spread_or_value_and_few_rows() -> None:
    table = Table((Column("same"), Column("empty", None, True)))
    x = np.array([[4.0, np.nan]] * 5, np.float32)
    for scaling in SCALINGS:
        preparation = Preparation.fit(table, x).taking(scaling, "one_hot", "median")
        assert torch.isfinite(prepare(preparation, torch.tensor([[4.0, float("nan")], [9.0, 1.0]]))).all()


@pytest.mark.parametrize("unit", [2.0**-43, 2.0**-90, 2.0**60])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_unit_of_a_column_does_not_matter(x: np.ndarray, scaling: str, unit: float) -> None:
    def prepared(rows: np.ndarray) -> torch.Tensor:
        return prepare(Preparation.fit(TABLE, rows).taking(scaling, "one_hot", "median"), torch.from_numpy(rows))

    other = x * np.array([unit, 1.0, unit, 1.0], np.float32)
    torch.testing.assert_close(prepared(other), prepared(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "error"),
    [({"scaling": "none"}, ValueError), ({"fits": []}, ValueError), ({"columns": [{}]}, KeyError)],
)
def test_what_is_no_preparation_is_refused(x: np.ndarray, change: dict[str, object], error: type[Exception]) -> None:
    data = Preparation.fit(TABLE, x).to_json()
    with pytest.raises(error):
        Preparation.from_json({**data, **change})
    data["fits"][0]["spread"] = 0.0
    with pytest.raises(ValueError, match="column 'a' has a fit that cannot be"):
        Preparation.from_json(data)
