"""Rewards from a few minibatches."""

from __future__ import annotations

import math
import random

import pytest
import torch

from azora.errors import ConfigError
from azora.evaluation.inherited import Inherited
from azora.evaluation.minibatches import MinibatchReward
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.strategies.policy_training import Learned, PolicyTraining, enas_policy
from azora.strategies.sampled import Sampled
from azora.tasks import Task
from azora.training import RecipeSettings, SharedTraining, fit_shared, make_paths
from azora.trial import Objective, Proposal


def trained(task: Task, epochs: float = 2) -> SharedTraining:
    space = make_space("cells", task.signature, nodes=2, operations=("conv_3x3", "none"), widths=(4, 8), stages=2)
    data = task.search_data
    return fit_shared(
        SharedWeights(space), data.train, data.signature, data.scaling, make_paths("uniform", space), epochs
    )


def test_on_all_rows_and_recalibrated_it_is_what_inherited_judges(stripes: Task) -> None:
    training, data = trained(stripes), stripes.search_data
    count, calibration = len(data.validation), training.calibration()
    for metric in ("accuracy", "loss"):
        objective = Objective.parse(metric)
        reward = MinibatchReward(
            training.shared, data, calibration, training.scaling, objective=objective, batches=3, rows=count
        )
        judge = Inherited(training.shared, data, calibration, training.scaling, metric=metric)
        assert reward.batches == 1
        for seed in range(3):
            made = training.shared.space.sample(random.Random(seed))
            sign = 1 if objective.maximise else -1
            assert reward(made) == pytest.approx(sign * judge(Proposal(made))[metric], abs=1e-6)


@pytest.mark.parametrize("recalibrated", [True, False])
def test_rows_are_those_of_the_update_and_weights_stay(stripes: Task, recalibrated: bool) -> None:
    training, data = trained(stripes), stripes.search_data
    calibration = training.calibration() if recalibrated else None
    reward = MinibatchReward(
        training.shared, data, calibration, training.scaling, objective=Objective("loss", False), batches=2, rows=5
    )
    before = {name: value.clone() for name, value in training.shared.state_dict().items()}
    made = training.shared.space.sample(random.Random(0))
    found = [reward(made, update) for update in (0, 1, 0)]
    assert found[0] == found[2] != found[1]
    assert all(torch.equal(before[name], value) for name, value in training.shared.state_dict().items())
    assert all(parameter.grad is None or not parameter.grad.isnan().any() for parameter in training.shared.parameters())


def test_batch_statistics_are_those_of_a_network_in_training_mode(stripes: Task) -> None:
    training = trained(stripes)
    made = training.shared.space.sample(random.Random(2))
    batch = training.batches.plain(slice(0, 16))
    (found,) = training.shared.borrow(made, learns=False).by_batch_statistics([batch])
    with torch.no_grad():
        assert torch.equal(found, training.shared.extract(made).train()(batch))


def test_weights_that_are_no_numbers_give_no_reward(stripes: Task) -> None:
    training, data = trained(stripes, 0.1), stripes.search_data
    with torch.no_grad():
        for parameter in training.shared.parameters():
            parameter.fill_(math.nan)
    training.shared.changed()
    reward = MinibatchReward(training.shared, data)
    assert math.isnan(reward(training.shared.space.sample(random.Random(0))))


def test_settings_outside_their_bounds_are_refused(stripes: Task) -> None:
    training, data = trained(stripes, 0.1), stripes.search_data
    for settings in ({"batches": 0}, {"rows": 1}):
        with pytest.raises(ConfigError):
            MinibatchReward(training.shared, data, **settings)  # type: ignore[arg-type]


def test_policy_and_weights_trained_in_turn(stripes: Task) -> None:
    """As one-shot search with a controller does it, an epoch of each at a time."""
    data = stripes.search_data
    space = make_space("cells", stripes.signature, nodes=2, operations=("conv_3x3", "none"), widths=(4, 8), stages=2)
    policy, shared = enas_policy(space), SharedWeights(space)
    recipe = RecipeSettings(augmentation=0.0, label_smoothing=0.0)
    weights = SharedTraining(shared, data.train, data.signature, data.scaling, recipe, Learned(policy), 6)
    controller = PolicyTraining(policy, MinibatchReward(shared, data, scaling=weights.scaling), samples=4)
    means = []
    for epoch in range(1, 7):
        weights.advance(epoch)
        means.append(controller.advance(3))
    assert weights.step == weights.steps and controller.updates == 18
    assert means[-1] > means[0]
    judge = Inherited(shared, data, weights.calibration(), weights.scaling)
    strategy = Sampled(space, policy=policy)
    drawn = [proposal for _ in range(4) if (proposal := strategy.ask()) is not None]
    assert max(judge(proposal)["accuracy"] for proposal in drawn) > 0.7
