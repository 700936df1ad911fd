"""What random search has to be for a comparison with a strategy to say something."""

from __future__ import annotations

from typing import Any

from azora.errors import ConfigError
from azora.strategies.halving import SuccessiveHalving
from azora.strategies.hyperband import Hyperband
from azora.strategies.level import Level
from azora.strategies.random_search import RandomSearch
from azora.strategies.stopping import EarlyStopping
from azora.strategies.strategy import Strategy

Named = tuple[str, dict[str, Any]]


def random_in_place_of(strategy: Strategy) -> Named:
    """The name and the settings of the strategy that draws at random what `strategy` chooses, and trains as it trains.

    Scores after trainings of different lengths do not compare, so lengths and rungs are those that `strategy` has
    fitted to its budget. Where all that it chooses is who is trained longer, it is compared with trainings that are
    all as long as its longest.

    Raises:
        ConfigError: it is random search already.
    """
    if isinstance(strategy.inner if isinstance(strategy, Level) else strategy, RandomSearch):
        raise ConfigError("the strategy is random search already, so there is nothing to compare it with")
    if isinstance(strategy, Level):
        return "random", {"epochs": strategy.length}
    if isinstance(strategy, EarlyStopping):
        if isinstance(strategy.inner, RandomSearch):
            return "random", {"epochs": strategy.end}
        return "stopping", {
            "inner": "random", "rule": strategy.rule, "lowest": strategy.lowest, "longest": strategy.end,
        }  # fmt: skip
    if isinstance(strategy, SuccessiveHalving | Hyperband):
        first = strategy if isinstance(strategy, SuccessiveHalving) else strategy.brackets[0]
        if isinstance(strategy.inner, RandomSearch):
            return "random", {"epochs": first.budget(len(first.ladder) - 1)}
        settings = {"inner": "random", "lowest": first.lowest, "eta": first.eta, "rungs": len(first.ladder)}
        return ("halving" if first is strategy else "hyperband"), settings
    return "random", {}
