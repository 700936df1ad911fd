"""Training of shared weights: it learns, it can be taken up, and it moves what was borrowed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.space import Space
from azora.tasks import Task
from azora.training import RecipeSettings, SharedTraining, TrainingDiverged, fit_shared, make_paths, outputs

RECIPE = RecipeSettings(batch_size=20, learning_rate=0.1, augmentation=0.5, label_smoothing=0.0)
SETTINGS = {"nodes": 2, "operations": ("conv_3x3", "skip_connect"), "widths": (4, 8), "depths": (1,), "stages": 2}


def cells(task: Task) -> Space:
    return make_space("cells", task.signature, **SETTINGS)


def training(task: Task, space: Space, paths: str = "uniform", epochs: float = 2, seed: int = 0) -> SharedTraining:
    data, drawn = task.search_data, make_paths(paths, space)
    shared = SharedWeights(space)
    return SharedTraining(shared, data.train, data.signature, data.scaling, RECIPE, drawn, epochs, seed=seed)


def test_inherited_weights_know_what_was_learned(stripes: Task) -> None:
    space, data = cells(stripes), stripes.search_data
    shared = SharedWeights(space)
    trained = fit_shared(shared, data.train, data.signature, data.scaling, make_paths("uniform", space), 12)
    assert trained.epochs == 12
    assert trained.loss < 0.3
    right = []
    for seed in range(6):
        network = shared.recalibrate(space.sample(random.Random(seed)), trained.calibration())
        found = outputs(network, data.validation.x, data.signature, data.scaling)
        right.append((found.argmax(1) == data.validation.y).mean())
    assert sum(right) / len(right) > 0.9


@pytest.mark.parametrize("paths", ["uniform", "fair", "sandwich"])
def test_training_goes_on_exactly_where_its_state_was_taken(stripes: Task, paths: str) -> None:
    space = cells(stripes)
    whole, first, second = (training(stripes, space, paths) for _ in range(3))
    whole.advance()
    first.advance(1)
    state = first.state_tensors()
    first.advance()
    torch.manual_seed(77)
    second.load_state(state)
    second.advance()
    assert second.step == whole.step == whole.steps
    for name, value in whole.state_tensors().items():
        assert torch.equal(second.state_tensors()[name], value), name


def test_the_seed_decides(stripes: Task) -> None:
    space = cells(stripes)
    states = []
    for seed in (0, 0, 1):
        one = training(stripes, space, epochs=1, seed=seed)
        one.advance()
        states.append(one.state_tensors()["shared.whole.head.4.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_the_rate_warms_up_and_falls_to_zero(stripes: Task) -> None:
    one = training(stripes, cells(stripes), epochs=10)
    one.recipe = replace(RECIPE, warmup=1.0)
    rates = []
    for step in range(one.steps):
        one.step = step
        rates.append(one.rate())
    top, warm = rates.index(max(rates)), one.batches.steps
    assert rates[0] == pytest.approx(0.1 / warm)
    assert top == warm - 1
    assert 0.09 < rates[top] < 0.1
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.001


def test_only_the_first_of_a_sandwich_learns_the_targets(stripes: Task) -> None:
    space = cells(stripes)
    one = training(stripes, space, "sandwich")
    seen = []
    one._loss = lambda outputs, y: seen.append("targets") or outputs.square().mean()  # type: ignore
    one._distilled = lambda outputs, teacher: seen.append(teacher.requires_grad) or outputs.square().mean()  # type: ignore
    one._step()
    assert seen == ["targets", False, False, False]


def test_a_loss_that_is_no_number_is_said(stripes: Task) -> None:
    one = training(stripes, cells(stripes))
    with torch.no_grad():
        next(one.shared.parameters()).fill_(torch.nan)
    one.shared.changed()
    with pytest.raises(TrainingDiverged, match="shared weights' loss became nan"):
        one.advance()


def test_regression_learns_too(slopes: Task) -> None:
    space, data = make_space("mlp", slopes.signature, depths=(1, 2), widths=(8, 16)), slopes.search_data
    shared, recipe = SharedWeights(space), RecipeSettings(learning_rate=0.02, augmentation=0.0)
    for paths in ("uniform", "sandwich"):
        drawn = make_paths(paths, space)
        trained = fit_shared(shared, data.train, data.signature, data.scaling, drawn, 6, recipe=recipe)
        assert trained.loss < 1.0
