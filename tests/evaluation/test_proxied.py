"""Judging without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import azora
from azora.automl.reading import read_events
from azora.errors import ConfigError, StudyError
from azora.evaluation import Evaluator, heeds_budget
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


@pytest.mark.usefixtures("in_process")
def test_nothing_is_judged_twice_for_a_number_that_no_training_changes(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def over(*_: object) -> None:
        raise StudyError("the search is over")

    monkeypatch.setattr("azora.automl.run.LastTraining", over)
    words: dict[str, Any] = {"trials": 30, "workers": 1, "space_settings": SMALL, "evaluator": "zero-cost"}
    with pytest.raises(StudyError, match="the search is over"):
        azora.search(stripes, objective="params", out=tmp_path / "out", recipe=False, **words)
    asked = [event["proposal"] for event in read_events(tmp_path / "out") if event["kind"] == "asked"]
    assert len(asked) == 30 and {proposal["budget"] for proposal in asked} == {None}
    assert len({json.dumps(proposal["architecture"]) for proposal in asked}) == 30


def test_who_heeds_budgets_is_known_by_name() -> None:
    assert heeds_budget("trained") and not heeds_budget("zero-cost")
    assert heeds_budget("evaluators:well")


@pytest.mark.usefixtures("in_process")
def test_a_search_for_no_proxy_says_which_there_are(stripes: Task, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no proxy 'accuracy'"):
        azora.search(stripes, evaluator="zero-cost", trials=2, out=tmp_path / "out")
