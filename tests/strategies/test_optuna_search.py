"""Optuna's samplers as a strategy."""

from __future__ import annotations

import pytest

from azora.strategies.optuna_search import OptunaSearch
from azora.testing.strategy_contract import Make, StrategyContract, judge, tiny_space
from azora.trial import Objective, Proposal, Report

BOTH = (Objective(), Objective("width", maximise=False))
SAMPLERS = ["tpe", "gp", "cmaes", "nsga2", "nsga3"]


class TestOptunaSearch(StrategyContract):
    @pytest.fixture(params=[*SAMPLERS, "two"])
    def make(self, request: pytest.FixtureRequest) -> Make:
        if request.param == "two":
            return lambda space, seed: OptunaSearch(space, seed, (Objective(), Objective("loss", False)), "nsga3", population=6)
        # A Gaussian process thinks for a second: a few asks of it are enough here.
        start = 23 if request.param == "gp" else 6
        return lambda space, seed: OptunaSearch(space, seed, sampler=request.param, start=start, population=6)
