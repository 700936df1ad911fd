"""Numbers that no strategy could search with are refused when it is made, not by a search that has begun."""

from __future__ import annotations

import math

import numpy as np
import pytest

from azora.errors import ConfigError
from azora.strategies.registry import make_strategy
from azora.testing.strategy_contract import tiny_space
from azora.trial import Objective

TWO = (Objective(), Objective("macs", False))

FRACTIONS = [
    ("evolution", {"population": 20.5}),
    ("evolution", {"population": 2e1}),
    ("evolution", {"population": True}),
    ("evolution", {"population": "20"}),
    ("evolution", {"tournament": 2.5}),
    ("evolution", {"warm": True, "population": 20.5}),
    ("evolution", {"filter": True, "draws": 2.5}),
    ("genetic", {"population": 20.5}),
    ("genetic", {"tournament": 2.5}),
    ("genetic", {"elite": 2.5}),
    ("genetic", {"tournament": None}),
    ("local", {"starts": 2.5}),
    ("reinforce", {"samples": 2.5}),
    ("reinforce", {"hidden": 64.5}),
    ("bayesian", {"start": 10.5}),
    ("transfer", {"start": 10.5}),
    ("portfolio", {"points": 2.5}),
    ("composed", {"start": 10.5}),
    ("composed", {"population": 20.5}),
    ("composed", {"phases": [{"draws": 2.5}]}),
    ("composed", {"phases": [{"guided": 1, "pool": 20.5}]}),
    ("composed", {"phases": [{"refit": 1.5}]}),
    ("composed", {"fidelity": "halving", "eta": 2.5}),
    ("halving", {"eta": 2.5}),
    ("halving", {"rungs": 2.5}),
    ("halving", {"population": 20.5}),
    ("hyperband", {"eta": 2.5}),
    ("hyperband", {"rungs": 2.5}),
    ("bohb", {"start": 10.5}),
    ("optuna", {"population": 20.5}),
    ("optuna", {"start": 10.5}),
]
INFINITE = [
    ("random", {"epochs": math.nan}),
    ("evolution", {"epochs": math.inf}),
    ("composed", {"phases": [{"changes": math.nan}]}),
    ("composed", {"phases": [{"rewiring": math.inf}]}),
    ("halving", {"lowest": math.inf}),
    ("halving", {"lowest": "1"}),
    ("bohb", {"lowest": math.nan}),
    ("stopping", {"lowest": math.nan}),
    ("stopping", {"longest": math.inf}),
    ("reinforce", {"rate": math.nan}),
    ("reinforce", {"entropy": math.inf}),
    ("reinforce", {"clip": math.nan}),
]


def name(case: object) -> str:
    return str(case)


@pytest.mark.parametrize(("strategy", "settings"), FRACTIONS, ids=name)
def test_what_is_counted_must_be_whole(strategy: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]*must be a whole number, at least \d$"):
        make_strategy(strategy, tiny_space(), settings=settings)


@pytest.mark.parametrize(("strategy", "settings"), INFINITE, ids=name)
def test_what_is_measured_must_be_finite(strategy: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]*must be a finite number$"):
        make_strategy(strategy, tiny_space(), settings=settings)


@pytest.mark.parametrize(
    ("strategy", "settings"), [("pareto", {"population": 20.5}), ("bayesian", {"start": 10.5})], ids=name
)
def test_of_several_objectives_too(strategy: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="must be a whole number"):
        make_strategy(strategy, tiny_space(), settings=settings, objectives=TWO)


def test_whole_and_finite_numbers_of_numpy_are_numbers() -> None:
    settings = {"population": np.int64(20), "epochs": np.float32(2.0)}
    assert make_strategy("evolution", tiny_space(), settings=settings).ask() is not None
