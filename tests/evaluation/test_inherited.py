"""Judging by shared weights."""

from __future__ import annotations

import random

import pytest
import torch

from azora.errors import ConfigError
from azora.evaluation.inherited import Inherited
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.space import Product, Space
from azora.tasks import Task
from azora.testing import EvaluatorContract
from azora.training import Recipe, fit_shared, make_paths, outputs
from azora.trial import Proposal


def inherited(task: Task, tune: int = 0) -> Inherited:
    """Of a product, as a search with recipes has it; trained for two epochs."""
    cells = make_space("cells", task.signature, nodes=2, operations=("conv_3x3", "none"), widths=(4, 8), stages=2)
    space, data = Product(network=cells, recipe=Recipe(task.signature)), task.search_data
    shared = SharedWeights(space)
    trained = fit_shared(shared, data.train, data.signature, data.scaling, make_paths("uniform", space), 2)
    return Inherited(shared, data, trained.calibration(), trained.scaling, also=["auroc", "loss"], tune=tune)


class TestInherited(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, stripes: Task) -> Inherited:
        return inherited(stripes)

    @pytest.fixture
    def space(self, evaluator: Inherited) -> Space:
        return evaluator.shared.space

    @pytest.fixture
    def metric(self) -> str:
        return "accuracy"


def test_a_judgement_is_that_of_the_recalibrated_network(stripes: Task) -> None:
    evaluate, data = inherited(stripes), stripes.search_data
    architecture = evaluate.shared.space.sample(random.Random(0))
    judged = evaluate(Proposal(architecture))
    alone = evaluate.shared.recalibrate(architecture, evaluate.calibration).extract()
    found = outputs(alone, data.validation.x, data.signature, data.scaling)
    assert judged["accuracy"] == pytest.approx((found.argmax(1) == data.validation.y).mean())
    assert 0 <= judged["auroc"] <= 1
    assert evaluate(Proposal(architecture)) == judged


class TestTuned(TestInherited):
    @pytest.fixture
    def evaluator(self, stripes: Task) -> Inherited:
        return inherited(stripes, tune=3)


def test_a_few_steps_of_its_own_serve_a_network_and_move_nothing_that_is_shared(stripes: Task) -> None:
    plain, tuned = inherited(stripes), inherited(stripes, tune=20)
    assert isinstance(tuned.shared, SharedWeights)
    before = {name: value.clone() for name, value in tuned.shared.state_dict().items()}
    rng = random.Random(1)
    proposals = [Proposal(plain.shared.space.sample(rng)) for _ in range(4)]
    assert sum(tuned(each)["loss"] for each in proposals) < sum(plain(each)["loss"] for each in proposals)
    assert all(torch.equal(value, before[name]) for name, value in tuned.shared.state_dict().items())
    with pytest.raises(ConfigError, match="tune=-1 must be at least 0"):
        inherited(stripes, tune=-1)


def test_without_calibration_networks_see_the_statistics_of_what_is_judged(stripes: Task) -> None:
    evaluate, data = inherited(stripes), stripes.search_data
    quick = Inherited(evaluate.shared, data, None, evaluate.scaling, also=["loss"])
    architecture = evaluate.shared.space.sample(random.Random(0))
    rows = quick._asking.rows.plain(slice(len(data.validation)))
    own = evaluate.shared.recalibrate(architecture, [rows]).extract()
    found = outputs(own, data.validation.x, data.signature, data.scaling)
    judged = quick(Proposal(architecture))
    assert judged["accuracy"] == pytest.approx((found.argmax(1) == data.validation.y).mean())
    assert judged == quick(Proposal(architecture))
