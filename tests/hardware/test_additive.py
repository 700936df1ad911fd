"""Sums over layers and over choices are found again from whole networks."""

from __future__ import annotations

import numpy as np
import pytest

from azora.hardware.additive import LEAST, START, Additive, ByChoice
from azora.strategies.surrogates import Array

PRICES = {START: 0.2, "conv3.count": 0.01, "conv3.macs": 2e-6, "linear.weights": 5e-6}


def networks(count: int, seed: int = 0) -> list[dict[str, float]]:
    """Layers of two kinds, and totals of all; one network in four has no linear layer."""
    rng = np.random.default_rng(seed)
    made = []
    for place in range(count):
        linear = float(rng.integers(1_000, 100_000)) * (place % 4 > 0)
        each = {"conv3.count": float(rng.integers(1, 20)), "conv3.macs": float(rng.integers(10_000, 1_000_000))}
        each["conv3.traffic"] = float(rng.integers(1_000, 50_000))
        made.append({**each, "all.macs": sum(each.values()), **({"linear.weights": linear} if linear else {})})
    return made


def times(totals: list[dict[str, float]]) -> Array:
    return np.array([PRICES[START] + sum(PRICES.get(name, 0.0) * each[name] for name in each) for each in totals])


def test_prices_are_found_again() -> None:
    found = Additive.fit(networks(30), times(networks(30)))
    assert {name: price for name, price in found.prices.items() if price > 1e-12} == pytest.approx(PRICES, rel=1e-4)
    assert found.r2 == pytest.approx(1.0)
    unseen = networks(20, seed=1)
    assert found(unseen) == pytest.approx(times(unseen), rel=1e-4)


def test_prices_are_near_where_measurements_are_noisy_and_none_is_below_zero() -> None:
    totals, rng = networks(200), np.random.default_rng(0)
    found = Additive.fit(totals, times(totals) * np.exp(0.05 * rng.normal(size=200)))
    assert all(price > 0 for price in found.prices.values())
    assert found.prices["conv3.macs"] == pytest.approx(PRICES["conv3.macs"], rel=0.1)
    assert 0.9 < found.r2 < 1
    assert set(found.to_json()) == {"prices", "r2"}


def test_where_the_active_set_does_not_settle_prices_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsettled(rows: Array, wanted: Array) -> None:
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr("scipy.optimize.nnls", unsettled)
    unseen = networks(20, seed=1)
    found = Additive.fit(networks(30), times(networks(30)))
    assert found(unseen) == pytest.approx(times(unseen), rel=1e-3) and min(found.prices.values()) > 0


def test_errors_count_as_shares_and_not_as_milliseconds() -> None:
    """A thousand times slower network does not outvote the quick ones."""
    totals = [{"a.count": 1.0}] * 9 + [{"a.count": 1000.0}]
    found = Additive.fit(totals, np.array([1.0] * 9 + [2000.0]))
    assert found([{"a.count": 1.0}])[0] == pytest.approx(1.0, rel=0.05)


def test_equal_networks_and_equal_times_do_no_harm() -> None:
    found = Additive.fit([{"a.count": 2.0}] * 8, np.full(8, 3.0))
    assert found([{"a.count": 2.0}])[0] == pytest.approx(3.0)
    assert 0 <= found.r2 <= 1
    assert (found([{}, {"b.count": 1.0}]) > 0).all()


def test_options_of_choices_have_their_prices() -> None:
    rng = np.random.default_rng(0)
    options = rng.integers(0, 3, (60, 4))
    rows = np.eye(3)[options].reshape(60, 12)
    costs = rng.random(12)
    by_choice = ByChoice(rows[:40], 1.0 + rows[:40] @ costs)
    assert by_choice(rows[40:]) == pytest.approx(1.0 + rows[40:] @ costs, rel=0.01)


def test_a_sum_over_choices_stays_above_zero() -> None:
    by_choice = ByChoice(np.arange(10.0)[:, None], 1.0 + np.arange(10.0))
    assert by_choice(np.array([[-100.0]]))[0] == LEAST
