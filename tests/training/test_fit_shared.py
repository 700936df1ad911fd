"""Training of shared weights: it learns, it can be taken up, and it moves what was borrowed."""

from __future__ import annotations

import json
import math
import random
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from azora.errors import ConfigError
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.space import Architecture, Space
from azora.tasks import Signature, Task
from azora.training import RecipeSettings, SharedTraining, TrainingDiverged, fit_shared, make_paths, outputs
from azora.training.paths import extreme
from azora.training.shared_optimiser import SharedOptimiser
from azora.training.sorting import sort_channels

RECIPE = RecipeSettings(batch_size=20, learning_rate=0.1, augmentation=0.5, label_smoothing=0.0)
SETTINGS = {"nodes": 2, "operations": ("conv_3x3", "skip_connect"), "widths": (4, 8), "depths": (1,), "stages": 2}


def cells(task: Task) -> Space:
    return make_space("cells", task.signature, **SETTINGS)


def training(
    task: Task, space: Space, paths: str = "uniform", epochs: float = 2, seed: int = 0, ema: float | None = None
) -> SharedTraining:
    data, drawn = task.search_data, make_paths(paths, space)
    shared = SharedWeights(space)
    return SharedTraining(shared, data.train, data.signature, data.scaling, RECIPE, drawn, epochs, seed=seed, ema=ema)


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
        one.step, one.share = step, step / one.steps
        rates.append(one.rate())
    top, warm = rates.index(max(rates)), one.batches.steps
    assert rates[0] == pytest.approx(0.1 / warm)
    assert top == warm - 1
    assert 0.09 < rates[top] < 0.1
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.001


def test_the_first_of_a_sandwich_learns_the_targets_and_the_others_its_outputs_too(
    stripes: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = cells(stripes)
    one, other = training(stripes, space, "sandwich"), training(stripes, space, "sandwich")
    seen = list[bool]()

    def distilled(signature: Signature, outputs: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        seen.append(teacher.requires_grad)
        return outputs.square().mean()

    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules[SharedTraining.__module__], "distilled", distilled)
    drawn = one.paths.draw(random.Random(0))
    x, y = one.batches.batch(0, one.recipe)
    one._gradients(x, y, drawn)
    assert seen == [False, False, False]

    parts = []
    for place, architecture in enumerate(drawn):
        other.optimiser.zero_grad()
        outputs = other.shared.borrow(architecture)(x)
        loss = nn.functional.cross_entropy(outputs, y)
        (loss if place == 0 else (loss + outputs.square().mean()) / 2).backward()
        parts.append(other.shared.get_parameter("whole.head.4.bias").grad.clone())  # type: ignore[union-attr]
    torch.testing.assert_close(one.shared.get_parameter("whole.head.4.bias").grad, sum(parts))


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


@pytest.mark.parametrize("paths", ["uniform", "fair"])
def test_an_average_goes_on_exactly_where_its_state_was_taken(stripes: Task, paths: str) -> None:
    space = cells(stripes)
    whole, first, second = (training(stripes, space, paths, ema=0.9) for _ in range(3))
    whole.advance()
    first.advance(1)
    state = first.state_tensors()
    second.load_state(state)
    second.advance()
    for name, value in whole.state_tensors().items():
        assert torch.equal(second.state_tensors()[name], value), name
    plain = training(stripes, space, paths)
    with pytest.raises(RuntimeError):
        second.load_state(plain.state_tensors())


def test_the_average_is_over_the_steps_that_moved_a_weight(stripes: Task) -> None:
    one = training(stripes, cells(stripes), ema=0.5)
    assert one.averaged is not None
    expected = {name: each.detach().clone() for name, each in one.shared.named_parameters()}
    rested = False
    for step in range(6):
        before = {name: each.detach().clone() for name, each in one.shared.named_parameters()}
        one._step(one.paths.draw(random.Random(step)), 0.1)
        one.step += 1
        share = 1 - min(0.5, (1 + step) / (10 + step))
        for name, each in one.shared.named_parameters():
            moved = each.detach() != before[name]
            rested = rested or not bool(moved.any())
            expected[name] = torch.where(moved, torch.lerp(expected[name], each.detach(), share), expected[name])
    assert rested
    for name, each in one.judged.named_parameters():
        # A weight may have had a gradient and not moved, if the gradient was zero: the mean is then drawn to it.
        assert torch.allclose(each, expected[name], atol=1e-6), name
    assert one.judged is not one.shared


def test_gradients_are_clipped_by_their_networks_or_as_said(stripes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[float]()
    space = cells(stripes)
    data = stripes.search_data
    paths, shared = make_paths("fair", space), SharedWeights(space)
    for clip in (None, 0.5):
        made = SharedTraining(shared, data.train, data.signature, data.scaling, RECIPE, paths, 1, clip=clip)
        monkeypatch.setattr(made.optimiser, "clip", asked.append)
        made.advance(1 / made.batches.steps)
    networks = len(paths.draw(random.Random(0)))
    assert asked == [5.0 * networks, 0.5] and networks > 1
    with pytest.raises(ConfigError, match="clip=0 must be above 0"):
        SharedTraining(shared, data.train, data.signature, data.scaling, RECIPE, paths, 1, clip=0)


def test_averaged_weights_know_what_was_learned(stripes: Task) -> None:
    space, data = cells(stripes), stripes.search_data
    shared, paths = SharedWeights(space), make_paths("uniform", space)
    trained = fit_shared(shared, data.train, data.signature, data.scaling, paths, 12, ema=0.9)
    right = []
    for seed in range(6):
        network = trained.judged.recalibrate(space.sample(random.Random(seed)), trained.calibration())
        found = outputs(network, data.validation.x, data.signature, data.scaling)
        right.append((found.argmax(1) == data.validation.y).mean())
    assert sum(right) / len(right) > 0.9


def test_without_an_average_the_trained_weights_are_judged(stripes: Task) -> None:
    one = training(stripes, cells(stripes))
    assert one.judged is one.shared
    assert not any(name.startswith("averaged.") for name in one.state_tensors())


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_averages_nothing_is_refused(stripes: Task, decay: float) -> None:
    with pytest.raises(ConfigError, match="ema="):
        training(stripes, cells(stripes), ema=decay)


STAGES = {
    "depths": (1, 2), "widths": ((4, 8), (8, 16)), "kernels": (3, 5), "expansions": (1, 2), "blocks": ("inverted",),
    "resolutions": (1.0,),
}  # fmt: skip


class Largest:
    """The largest network alone."""

    distils = False

    def __init__(self, space: Space) -> None:
        self.one = extreme(space, 1)

    def draw(self, rng: random.Random, share: float = 0.0) -> list[Architecture]:
        return [self.one]


def test_sorting_channels_in_training_changes_neither_the_largest_network_nor_what_it_learns_next(
    stripes: Task,
) -> None:
    space, data = make_space("stages", stripes.signature, **STAGES), stripes.search_data
    paths, x = Largest(space), torch.randn(4, *stripes.signature.shape)
    answers = []
    for sorts in (False, True):
        shared = SharedWeights(space)
        one = SharedTraining(shared, data.train, data.signature, data.scaling, RECIPE, paths, 4, ema=0.5, clip=math.inf)
        one.advance(1)
        before = one.state_tensors()
        assert isinstance(one.optimiser, SharedOptimiser)
        if sorts:
            sort_channels(shared, one.optimiser, one.averaged)
            after = one.state_tensors()
            moved = {name.partition(".")[0] for name in after if not torch.equal(after[name], before[name])}
            assert moved == {"shared", "moments", "averaged"}
        found = [each.borrow(paths.one, learns=False)(x) for each in (shared, one.judged)]
        one.advance(2)
        answers.append([*found, *(each.borrow(paths.one, learns=False)(x) for each in (shared, one.judged))])
    for plain, as_sorted in zip(*answers, strict=True):
        torch.testing.assert_close(as_sorted, plain, rtol=1e-3, atol=1e-4)


def test_channels_are_sorted_once_when_widths_are_opened(stripes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    space = make_space("stages", stripes.signature, **STAGES)
    at = list[float]()
    module = sys.modules[SharedTraining.__module__]  # the package has a function of the module's name
    monkeypatch.setattr(module, "sort_channels", lambda shared, optimiser, averaged: at.append(one.share))
    one = training(stripes, space, "shrinking", epochs=4)
    assert one.widens == 0.75
    one.advance(2)
    state = one.state_tensors()
    one.advance()
    assert at == [0.75]
    one = training(stripes, space, "shrinking", epochs=4)
    one.load_state(state)
    one.advance()
    assert at == [0.75, 0.75]
    one = training(stripes, space, "shrinking", epochs=4)
    one.load_state({**state, "share": torch.tensor(0.8)})
    one.advance(2.2, clock=lambda: 0.8)
    assert at == [0.75, 0.75]


class Together:
    """The leader's end of a link, and what is told by it."""

    rank, count = 0, 1

    def __init__(self) -> None:
        self.told = list[str]()

    def tell(self, rate: float, note: str = "") -> None:
        self.told.append(note)

    def hear(self) -> tuple[float, str] | None:
        return None

    def add(self, parts: list[torch.Tensor]) -> None:
        pass


def test_those_that_follow_hear_when_to_sort(stripes: Task) -> None:
    one, link = training(stripes, make_space("stages", stripes.signature, **STAGES), "shrinking", epochs=4), Together()
    one.advance(join=lambda: link)
    sorts = [json.loads(note)[0] for note in link.told]
    assert sorts.index(True) == 0.75 * one.steps and sum(sorts) == 1
