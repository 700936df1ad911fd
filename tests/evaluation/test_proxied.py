"""Judging without training."""

from __future__ import annotations

from pathlib import Path

import pytest

import azora
from azora.errors import ConfigError
from azora.evaluation import Evaluator
from azora.evaluation.proxied import ZeroCost
from azora.networks.registry import make_space
from azora.space import Product, Space
from azora.tasks import Task
from azora.testing import EvaluatorContract
from azora.training import Recipe

SMALL = {"widths": [4], "depths": [1], "stages": 2}


class TestZeroCost(EvaluatorContract):
    @pytest.fixture
    def space(self, stripes: Task) -> Space:
        return Product(network=make_space("cells", stripes.signature, **SMALL), recipe=Recipe(stripes.signature))

    @pytest.fixture
    def evaluator(self, space: Space, stripes: Task, metric: str) -> Evaluator:
        return ZeroCost(space, stripes.search_data, metric=metric)

    @pytest.fixture(params=["params", "naswot", "trainability"])
    def metric(self, request: pytest.FixtureRequest) -> str:
        name: str = request.param
        return name


@pytest.mark.slow
def test_a_search_may_be_for_a_proxy_and_trains_what_it_found(stripes: Task, tmp_path: Path) -> None:
    words = {"trials": 12, "workers": 1, "space_settings": SMALL, "evaluator": "zero-cost"}
    result = azora.search(stripes, strategy="random", objective="naswot", out=tmp_path / "out", **words)
    assert result.judged == 12
    assert result.test_accuracy > 0.5
    assert result.validation_naswot > 0


def test_a_search_for_no_proxy_says_which_there_are(stripes: Task, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no proxy 'accuracy'"):
        azora.search(stripes, evaluator="zero-cost", trials=2, out=tmp_path / "out")
