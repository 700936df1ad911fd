"""The training loop: continuation, the average, the rate, memory, and what it learns."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from torch import nn

from azora.tasks import Signature, Split, Task, evaluate, from_arrays, load_task
from azora.training import MODES, Mode, Recipe, RecipeSettings, Training, TrainingDiverged, outputs
from azora.training import fit as fitting
from azora.training.distilling import distilled


def network(task: Task, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    channels = task.signature.shape[0]
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, task.signature.outputs),
    )


def training(task: Task, recipe: RecipeSettings | None = None, dropout: float = 0.0, **more: object) -> Training:
    recipe = recipe or RecipeSettings(batch_size=16, learning_rate=0.05)
    net = network(task, dropout)
    return Training(net, task.train, task.signature, task.scaling, recipe, seed=3, **more)  # type: ignore[arg-type]


def rows_mlp(task: Task) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, task.signature.outputs))


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_one_epoch_and_then_two_are_bit_for_bit_three(stripes: Task, optimiser: str, name: str) -> None:
    rows = stripes.everything()  # in colour: of one channel both layouts are one
    task, mode = from_arrays(np.repeat(rows.x, 3, axis=1), rows.y, channels_last=False), Mode.parse(name)
    recipe = RecipeSettings(optimiser, 0.01, 1e-3, 16, 0.1, augmentation=1.0, flip=True)
    whole = training(task, recipe, dropout=0.2, mode=mode)
    whole.advance(3)
    first = training(task, recipe, dropout=0.2, mode=mode)
    first.advance(1)
    saved = first.state_tensors()
    second = training(task, recipe, dropout=0.2, mode=mode)
    second.load_state(saved)
    assert all(each.stride() == first.average[weight].stride() for weight, each in second.average.items())
    second.advance(1.5)
    second.advance(3)
    one, other = whole.state_tensors(), second.state_tensors()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    mine, theirs = whole.judging_network().state_dict(), second.judging_network().state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_state_is_a_copy_which_going_on_does_not_change(stripes: Task) -> None:
    first, second = training(stripes), training(stripes)
    first.advance(1)
    state = first.state_tensors()
    kept = {name: value.clone() for name, value in state.items()}
    first.advance(2)
    second.load_state(state)
    second.advance(2)
    assert all(torch.equal(state[name], kept[name]) for name in kept)


def test_the_order_of_rows_in_a_split_does_not_reach_the_judged_network(stripes: Task) -> None:
    """Given splits are often sorted by class, and batches of one class would measure the normalisations wrongly."""
    order = np.argsort(stripes.train.y, kind="stable").repeat(20)
    by_class = Split(stripes.train.x[order], stripes.train.y[order])
    recipe = RecipeSettings(batch_size=64, learning_rate=0.1, augmentation=0.0)
    trained = Training(network(stripes), by_class, stripes.signature, stripes.scaling, recipe)
    trained.advance(1)
    judged = trained.judging_network()
    x = trained.batches.plain(slice(None))
    seen = judged[0](x)
    torch.testing.assert_close(judged[1].running_mean, seen.mean(dim=(0, 2, 3)), rtol=0.05, atol=0.05)
    torch.testing.assert_close(judged[1].running_var, seen.var(dim=(0, 2, 3)), rtol=0.05, atol=0.05)


def test_what_others_draw_from_the_global_generator_is_left_alone(stripes: Task) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    training(stripes).advance(1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    made = training(stripes)
    torch.set_rng_state(before)
    made.advance(1)
    assert torch.equal(torch.rand(3), expected)


def test_learns_stripes(stripes: Task) -> None:
    trained = training(stripes, RecipeSettings(batch_size=16, learning_rate=0.1, augmentation=0.0))
    trained.advance(4)
    trained.finish(epochs=6)
    found = outputs(trained.judging_network(), stripes.validation.x, stripes.signature, stripes.scaling)
    assert evaluate(stripes.signature, found, stripes.validation.y)["accuracy"] >= 0.95


def test_learns_slopes_in_the_targets_own_unit(slopes: Task) -> None:
    recipe = RecipeSettings("adamw", 1e-2, 1e-3, 16)
    trained = Training(rows_mlp(slopes), slopes.train, slopes.signature, slopes.scaling, recipe)
    trained.finish(epochs=30)
    found = outputs(trained.judging_network(), slopes.validation.x, slopes.signature, slopes.scaling)
    assert 95 < found.mean() < 105
    assert evaluate(slopes.signature, found, slopes.validation.y)["r2"] > 0.9


def test_the_rate_warms_up_stays_and_comes_down_to_nothing(stripes: Task) -> None:
    rates: list[float] = []
    trained = training(stripes, RecipeSettings(batch_size=16, learning_rate=0.2, warmup=1.0))
    step = trained.optimiser.step

    def record(rate: float) -> None:
        rates.append(rate)
        step(rate)

    trained.optimiser.step = record  # type: ignore[method-assign]
    steps = trained.batches.steps
    trained.advance(2)
    trained.finish(epochs=5)
    assert rates[:steps] == pytest.approx([0.2 * (place + 1) / steps for place in range(steps)])
    assert rates[steps : 3 * steps] == pytest.approx([0.2] * (2 * steps))
    assert rates[-1] < 0.02
    assert all(later <= earlier for earlier, later in zip(rates[2 * steps :], rates[2 * steps + 1 :], strict=False))


def test_a_training_by_the_clock_ends_in_time_with_its_rate_down(stripes: Task) -> None:
    trained = training(stripes)
    begun = time.monotonic()
    trained.finish(seconds=0.7)
    assert 0.65 < time.monotonic() - begun < 1.5
    assert trained.optimiser.rate < 0.01


def test_the_watcher_may_end_it(stripes: Task) -> None:
    trained, seen = training(stripes), list[float]()

    def watch(progress: float, loss: float) -> bool:
        seen.append(progress)
        return False

    trained.finish(seconds=60, watch=watch)
    assert len(seen) == 1


def test_the_average_follows_and_steadies(stripes: Task) -> None:
    trained = training(stripes)
    trained.advance(2)
    live = dict(trained.network.named_parameters())
    far = [float((trained.average[name] - live[name].detach()).abs().max()) for name in live]
    assert 0 < max(far) < 1


def test_a_loss_that_is_no_number_ends_the_training_early(stripes: Task) -> None:
    trained = training(stripes, RecipeSettings(batch_size=16, learning_rate=1e30))
    with pytest.raises(TrainingDiverged, match="the training loss became"):
        trained.advance(20)
    assert trained.step < 40


def test_a_batch_too_large_for_memory_is_taken_in_pieces_with_the_same_gradient(
    stripes: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RecipeSettings(batch_size=32, learning_rate=0.05, augmentation=0.0)
    without_norm = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    plain = Training(without_norm, stripes.train, stripes.signature, stripes.scaling, recipe)
    x, y = plain.batches.batch(0, recipe)
    plain._gradients(x, y)
    expected = without_norm[1].weight.grad.clone()

    gradients, sizes = Training._gradients, list[int]()

    def short(self: Training, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        sizes.append(math.ceil(len(x) / self.pieces))
        if sizes[-1] > 8:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        return gradients(self, x, y)

    monkeypatch.setattr(Training, "_gradients", short)
    monkeypatch.setattr(fitting.nn.utils, "clip_grad_norm_", lambda *some, **more: None)
    plain._step(0.05)
    assert len(x) == 38
    assert plain.pieces == 8
    assert sizes == [38, 19, 10, 5]
    torch.testing.assert_close(without_norm[1].weight.grad, expected)


def test_other_errors_are_not_taken_for_a_lack_of_memory(stripes: Task) -> None:
    wrong = nn.Sequential(nn.Flatten(), nn.Linear(63, 2))
    trained = Training(wrong, stripes.train, stripes.signature, stripes.scaling, RecipeSettings())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        trained.advance(1)


@pytest.mark.parametrize("name", MODES)
def test_every_mode_learns_alike(stripes: Task, name: str) -> None:
    recipe = RecipeSettings(batch_size=16, learning_rate=0.1, augmentation=0.0)
    trained = training(stripes, recipe, mode=Mode.parse(name))
    trained.advance(5)
    assert trained.loss < 0.6


def test_all_batches_of_an_epoch_are_of_one_size_and_hold_every_row_once(stripes: Task) -> None:
    batches = training(stripes, RecipeSettings(batch_size=13)).batches
    rows = [batches._rows(step) for step in range(batches.steps)]
    assert max(map(len, rows)) - min(map(len, rows)) <= 1
    assert sorted(torch.cat(rows).tolist()) == list(range(len(stripes.train)))
    assert not torch.equal(batches._rows(0), batches._rows(batches.steps))


def test_recipes_of_the_space_are_settings_that_a_training_takes() -> None:
    import random

    for task in (load_task("digits"),):
        space = Recipe(task.signature)
        for seed in range(20):
            settings = space.settings(space.sample(random.Random(seed)))
            assert settings.optimiser in ("sgd", "adamw")
            assert 1e-3 <= settings.learning_rate <= 0.3
            assert not settings.flip  # a mirrored digit is none
    assert RecipeSettings.default(task.signature).optimiser == "sgd"


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch(stripes: Task) -> None:
    net = network(stripes).eval()
    whole = outputs(net, stripes.train.x, stripes.signature, stripes.scaling)
    pieces = outputs(net, stripes.train.x, stripes.signature, stripes.scaling, batch_size=7)
    assert np.allclose(whole.sum(axis=1), 1)
    assert np.allclose(whole, pieces, atol=1e-6)


def test_half_of_what_is_learned_is_what_a_teacher_answers(slopes: Task) -> None:
    """Of rows whose targets are all the mean, and a teacher who says otherwise, the middle of both."""
    torch.manual_seed(1)
    teacher = nn.Linear(5, 1).eval()
    split = Split(slopes.train.x, np.full_like(slopes.train.y, slopes.scaling.target_mean[0]))
    recipe = RecipeSettings("adamw", 0.01, 0.0, 16, 0.0, 0.0)
    taught = Training(nn.Linear(5, 1), split, slopes.signature, slopes.scaling, recipe, teacher=teacher)
    taught.finish(epochs=40)
    torch.testing.assert_close(taught.judging_network().weight, teacher.weight / 2, atol=0.02, rtol=0)
    assert teacher.weight.grad is None


def test_a_teacher_of_fewer_classes_teaches_those() -> None:
    """Logits of the first two are brought to its odds; the third is the targets' alone."""
    signature = Signature("classification", (2,), 3, ("a", "b", "c"))
    told = torch.tensor([[1.0, 3.0], [2.0, 0.0]])
    said = torch.tensor([[0.5, 2.5, 9.0], [2.0, 0.0, -4.0]], requires_grad=True)
    loss = distilled(signature, said, told)
    assert float(loss.detach()) == pytest.approx(
        float(torch.distributions.Categorical(logits=told).entropy().mean()), abs=1e-6
    )
    loss.backward()
    assert said.grad is not None and said.grad.abs().max() < 1e-6
