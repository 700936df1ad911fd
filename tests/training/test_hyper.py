"""Training of a hypernetwork: it learns, it can be taken up, and its networks can be judged."""

from __future__ import annotations

import random

import pytest
import torch

from azora.evaluation.inherited import Inherited
from azora.networks.hypernetwork import Hypernetwork
from azora.networks.registry import make_space
from azora.space import Space
from azora.tasks import Task
from azora.testing import EvaluatorContract
from azora.training import HyperOptimiser, RecipeSettings, SharedTraining, TrainingDiverged, fit_shared, make_paths
from azora.trial import Proposal

RECIPE = RecipeSettings(batch_size=20, learning_rate=3e-3, augmentation=0.5, label_smoothing=0.0)
SETTINGS = {"nodes": 2, "operations": ("conv_3x3", "skip_connect"), "widths": (4, 8), "depths": (1,), "stages": 2}


def cells(task: Task) -> Space:
    return make_space("cells", task.signature, **SETTINGS)


def training(task: Task, paths: str = "uniform", epochs: float = 2) -> SharedTraining:
    data, space = task.search_data, cells(task)
    hyper = Hypernetwork(space)
    return SharedTraining(hyper, data.train, data.signature, data.scaling, RECIPE, make_paths(paths, space), epochs)


def judge(task: Task, epochs: float) -> Inherited:
    space, data = cells(task), task.search_data
    hyper = Hypernetwork(space)
    fitted = fit_shared(hyper, data.train, data.signature, data.scaling, make_paths("uniform", space), epochs)
    return Inherited(hyper, data, fitted.calibration(), fitted.scaling, also=["auroc"])


class TestJudging(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, stripes: Task) -> Inherited:
        return judge(stripes, 1)

    @pytest.fixture
    def space(self, evaluator: Inherited) -> Space:
        return evaluator.shared.space

    @pytest.fixture
    def metric(self) -> str:
        return "accuracy"


def test_written_weights_know_what_was_learned(stripes: Task) -> None:
    evaluate = judge(stripes, 20)
    found = [evaluate(Proposal(evaluate.shared.space.sample(random.Random(seed))))["accuracy"] for seed in range(6)]
    assert sum(found) / len(found) > 0.9


@pytest.mark.parametrize("paths", ["uniform", "sandwich"])
def test_training_goes_on_exactly_where_its_state_was_taken(stripes: Task, paths: str) -> None:
    whole, first, second = (training(stripes, paths) for _ in range(3))
    whole.advance()
    first.advance(1)
    state = first.state_tensors()
    first.advance()
    torch.manual_seed(77)
    second.load_state(state)
    second.advance()
    assert second.step == whole.step == whole.steps
    expected, got = whole.state_tensors(), second.state_tensors()
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        assert torch.equal(got[name], value), name


def test_moments_of_another_network_are_refused(stripes: Task) -> None:
    state = training(stripes).optimiser.state()
    assert state == {}  # before the first step there are none
    one = training(stripes)
    one.advance(0.5)
    moments = one.optimiser.state()
    other = HyperOptimiser(Hypernetwork(make_space("mlp", stripes.signature, widths=(4, 8))))
    with pytest.raises(KeyError):
        other.load(moments)


def test_a_state_from_a_file_lies_beside_the_weights_its_count_too(stripes: Task) -> None:
    one = training(stripes)
    one.advance(0.5)
    optimiser, state = one.optimiser, one.optimiser.state()
    assert isinstance(optimiser, HyperOptimiser)
    optimiser.names = {name: each.to("meta") for name, each in optimiser.names.items()}  # type: ignore[misc]
    optimiser.load(state)
    assert {each.device.type for each in optimiser.state().values()} == {"meta"}


def test_options_that_were_not_taken_stay_where_they_are(stripes: Task) -> None:
    one = training(stripes)
    before = {name: value.detach().clone() for name, value in one.shared.named_parameters()}
    drawn = one.paths.draw(random.Random(f"{one.seed}:0"))
    one._step(drawn, 0.003)
    taken = {slot.name for each in drawn for slot in one.shared.borrow(each).structure.parameters}
    stayed = [name for name, value in one.shared.named_parameters() if torch.equal(value, before[name])]
    left = [name for name in before if name.startswith("shared.whole.") and name.split(".", 2)[2] not in taken]
    assert left and set(left) <= set(stayed)


def test_a_loss_that_is_no_number_is_said(stripes: Task) -> None:
    one = training(stripes)
    with torch.no_grad():
        one.shared.get_parameter("codes.weight").fill_(torch.nan)
    one.shared.changed()
    with pytest.raises(TrainingDiverged, match="loss became nan"):
        one.advance()


def test_regression_learns_too(slopes: Task) -> None:
    space, data = make_space("mlp", slopes.signature, depths=(1, 2), widths=(8, 16)), slopes.search_data
    drawn = make_paths("uniform", space)
    trained = fit_shared(Hypernetwork(space), data.train, data.signature, data.scaling, drawn, 100)
    assert trained.loss < 0.7  # a network that says the mean: 1
