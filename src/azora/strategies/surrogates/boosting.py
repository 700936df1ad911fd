"""Gradient-boosted trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from azora.errors import ConfigError
from azora.strategies.surrogates.surrogate import Array, Independent, Posterior, Surrogate


@final
class BoostedTrees(Surrogate):
    """Stochastic gradient boosting (Friedman, 2002), several times with other draws: their spread is the doubt.

    Each tree sees 70 % of the observations, and each split the root of the number of columns.

    Args:
        members: how many boosted models.
        trees: trees of each.
        depth: of a tree.

    Raises:
        ConfigError: fewer than 2 members, or no tree or depth.
    """

    def __init__(self, members: int = 5, trees: int = 50, depth: int = 3) -> None:
        if members < 2 or trees < 1 or depth < 1:
            raise ConfigError(f"members={members} must be at least 2, trees={trees} and depth={depth} at least 1")
        self.members, self.trees, self.depth = members, trees, depth

    def fit(self, points: Array, targets: Array, groups: Sequence[slice]) -> Posterior:
        from sklearn.ensemble import GradientBoostingRegressor

        models = [
            GradientBoostingRegressor(
                n_estimators=self.trees,
                max_depth=self.depth,
                learning_rate=0.1,
                subsample=0.7,
                max_features="sqrt",
                random_state=seed,
            ).fit(points, targets)
            for seed in range(self.members)
        ]
        return Independent([model.predict for model in models])
