"""What every evaluator holds to."""

from __future__ import annotations

import math
import random

from azora.evaluation import Evaluator
from azora.space import Space
from azora.trial import Proposal


class EvaluatorContract:
    """Subclass, and return from `evaluator` yours, from `space` the space that it judges, and from `metric` the metric
    that a search would be for."""

    def test_gives_finite_numbers_by_name(self, evaluator: Evaluator, space: Space, metric: str) -> None:
        found = evaluator(_proposal(space, 0))
        assert metric in found
        assert all(isinstance(name, str) and math.isfinite(value) for name, value in found.items())

    def test_judges_the_same_alike(self, evaluator: Evaluator, space: Space, metric: str) -> None:
        first, second = evaluator(_proposal(space, 1)), evaluator(_proposal(space, 1))
        assert first[metric] == second[metric]

    def test_takes_a_larger_budget_after_a_smaller(self, evaluator: Evaluator, space: Space, metric: str) -> None:
        architecture = space.sample(random.Random(2))
        for budget in (1.0, 2.0):
            assert math.isfinite(evaluator(Proposal(architecture, budget))[metric])


def _proposal(space: Space, seed: int) -> Proposal:
    return Proposal(space.sample(random.Random(seed)), 1.0)
