"""Weights and logits are meta-learned over tasks, and a discrete network comes of them in a new one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.adapting.tiny import OPERATIONS, SCALING, STYLES, WAYS, adapting, episodes, rows, space, state, two
from torch import Tensor, nn

from azora.adapting import Adapting, AdaptingSettings, Episode, Episodes
from azora.adapting.learner import OUT
from azora.errors import ConfigError, SpaceError, TaskError
from azora.networks.relaxation import Relaxation

# Meta-training ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", [*STYLES, "fixed"])
def test_a_step_moves_weights_and_logits_toward_the_mean_of_the_adapted(style: str) -> None:
    settings = {"frozen": 0.0, "meta_rate": 0.8, "meta_logits_rate": 0.3, "decided": 1.0}
    one, same = adapting(style, **settings), adapting(style, **settings)
    drawn = [episodes().draw(number) for number in range(3)]
    generator = torch.Generator().manual_seed(0)
    weights: list[list[Tensor]] = []
    logits: list[Tensor] = []
    for episode in drawn:  # by hand, with an optimiser that goes on as well
        same.learner.restore()
        same.learner.adapt(episode, 5, generator)
        weights.append([each.detach().clone() for each in same.learner.weights])
        logits.append(same.learner.logits.detach().clone())
    one.step(drawn, 0.25)
    rate, logits_rate = 0.75 * 0.8, 0.75 * 0.3
    for place, (meta, before) in enumerate(zip(one.learner.meta, same.learner.meta, strict=True)):
        mean = torch.stack([each[place] for each in weights]).mean(0)
        torch.testing.assert_close(meta, before + rate * (mean - before))
    expected = same.learner.meta_logits + logits_rate * (torch.stack(logits).mean(0) - same.learner.meta_logits)
    torch.testing.assert_close(one.learner.meta_logits, expected)
    assert bool((state(one) != state(same)).any())


def test_while_logits_are_frozen_what_a_task_ran_is_what_moves() -> None:
    one = adapting(frozen=0.5, decided=1.0)
    before = [each.clone() for each in one.learner.meta]
    episode = episodes().draw(0)
    one.step([episode], 0.0)
    names = [name for name, _ in one.learner.network.named_parameters()]
    moved = {
        name for name, now, then in zip(names, one.learner.meta, before, strict=True) if not torch.equal(now, then)
    }
    for layer in range(2):
        of = {name.split(".")[1] for name in moved if name.startswith(f"layer_{layer}.")}
        assert len(of) <= 1  # a single path, whose pooling or skip has no weights
    assert {"stem.0.weight", "head.2.weight"} <= moved
    assert bool((one.learner.meta_logits == 0).all())


def test_weights_of_an_option_go_to_the_mean_over_the_tasks_that_ran_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same task along two paths: each path's weights go all the way, and not half of it."""
    one, alone = adapting(frozen=1.0), adapting(frozen=1.0)
    paths = [two("conv_3x3", "conv_3x3"), two("max_pool_3x3", "max_pool_3x3")]
    drawn = iter(paths)
    monkeypatch.setattr(one.learner.space, "sample", lambda rng: next(drawn))
    monkeypatch.setattr(alone.learner.space, "sample", lambda rng: paths[0])
    episode = episodes().draw(0)
    one.step([episode, episode], 0.0)
    alone.step([episode], 0.0)
    names = [name for name, _ in one.learner.network.named_parameters()]
    place = names.index("layer_0.conv_3x3.1.weight")
    torch.testing.assert_close(one.learner.meta[place], alone.learner.meta[place])


def test_an_option_that_is_behind_is_taken_out_for_good() -> None:
    one = adapting(decided=0.5, frozen=0.0, left=4, logits_rate=5e-3)
    one.learner.meta_logits[0] = 1.0  # of the first choice, far before the others at a temperature of 0.05
    one.step([episodes().draw(0)], 0.4)
    assert one.taken_out == 0
    one.step([episodes().draw(0)], 0.6)
    assert one.taken_out == 3
    assert one.learner.meta_logits[1:4].tolist() == [OUT] * 3
    assert all(weight == 0 for weight in list(one.prior()["operation_0"].values())[1:])
    found = [one.adapt(episodes().draw(number), 3) for number in range(3)]
    assert {each.architecture["operation_0"] for each in found} == {"conv_3x3"}


def test_no_more_options_are_left_than_asked_for() -> None:
    one = adapting(left=2)
    one.learner.meta_logits[:4] = torch.tensor([0.01, 0.03, 0.0, 0.02])  # too near to each other to be taken out else
    assert one.learner.take_out() == 4
    assert (one.learner.meta_logits[:4] > OUT).tolist() == [False, True, False, True]
    assert one.learner.take_out() == 0


@pytest.mark.parametrize("style", [*STYLES, "fixed"])
def test_what_is_learned_serves_classes_that_were_never_seen(style: str, soon: None) -> None:
    one = adapting(style, frozen=0.1, decided=0.2)
    one.learn(episodes(queries=0), steps=20)
    unseen = Episodes(*rows(seed=7), WAYS, 2, 6, SCALING, seed=1)
    correct, before = [], state(one)
    for number in range(5):
        episode = unseen.draw(number)
        told = one.adapt(episode, 10).logits(episode.x_query)
        correct.append(float((told.argmax(1) == episode.y_query).float().mean()))
    assert np.mean(correct) > 0.6  # one in three by chance
    assert torch.equal(state(one), before)  # a task leaves nothing behind


def test_a_meta_training_is_a_function_of_its_seed(soon: None) -> None:
    first, same, other = adapting("base"), adapting("base"), adapting("base", seed=1)
    for each in (first, same, other):
        each.learn(episodes(queries=0), steps=8)
        assert len(each.tried) > 1
    assert torch.equal(state(first), state(same))
    assert not torch.equal(state(first), state(other))


def test_time_ends_a_meta_training() -> None:
    ticks = iter(range(100))
    one = adapting("fixed")
    shares: list[float] = []
    one.learn(
        episodes(queries=0), seconds=4, clock=lambda: float(next(ticks)), seen=lambda share, _: shares.append(share)
    )
    assert shares == [0.25, 0.5, 0.75]
    assert one.done == 3


def test_options_are_taken_out_only_after_logits_have_learned_for_some_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azora.adapting.adapting.LEAST", 2)
    episode, one, late = episodes().draw(0), adapting(frozen=0.0, decided=0.1), adapting(frozen=0.0, decided=0.1)
    for share, out in ((0.2, 0), (0.3, 0), (0.4, 6)):
        one.step([episode], share)
        assert one.taken_out == out
    late.step([episode], 0.6)  # nothing is waited for in the second half
    assert late.taken_out == 6


def test_logits_begin_with_what_single_paths_came_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(episode: Episode, steps: int, generator: torch.Generator, path: Any = None) -> float:
        return 0.0 if path is None else 1.0 + (path["operation_0"] != "conv_3x3")

    for shots, told in ((4, True), (3, False)):  # of 3 shots, the second step has rows of the first one
        one, drawn = adapting(frozen=0.4, decided=0.6, steps=2), [episodes(shots).draw(0)] * 40
        monkeypatch.setattr(one.learner, "adapt", lost)
        for share in (0.1, 0.3):  # the first half is too early
            one.step(drawn, share)
        assert bool((one.learner.meta_logits == 0).all())
        one.step(drawn[:1], 0.5)
        logits = one.learner.meta_logits
        assert float(logits.std()) == pytest.approx(float(told), rel=1e-4)
        assert not told or (int(logits.argmax()) == 0 and float(logits[0]) > 1.5)


# Adapting -----------------------------------------------------------------------------------------------------------


def test_the_temperature_falls_within_an_adaptation_until_one_option_is_left() -> None:
    one = adapting()
    learner = one.learner
    assert learner.relaxed is not None
    with torch.no_grad():
        learner.logits[learner.relaxed.logits.spans["operation_0"]] = torch.tensor([0.3, 0.0, -0.1, 0.1])
    largest, runs = [], []
    for progress in (0.0, 0.5, 1.0):
        learner.weigh(progress, torch.Generator())
        gate = learner.relaxed.gates()["operation_0"]
        own = learner.logits[learner.relaxed.logits.spans["operation_0"]]
        torch.testing.assert_close(gate.weights, torch.softmax(own / (1.0 - 0.95 * progress), 0))
        largest.append(gate.weights.max().item())
        runs.append(len(gate.runs))
    assert largest[0] < largest[1] < largest[2]
    assert largest[2] > 0.97
    assert runs == [4, 4, 2]  # what weighs less than a hundredth is not run


@pytest.mark.parametrize("style", STYLES)
def test_the_derived_network_is_the_mixture_at_a_temperature_of_nothing(style: str) -> None:
    relaxation = Relaxation("annealed", temperature=(1.0, 1e-3), least=0.01, spread=1.0)
    one = adapting(style, frozen=0.0, decided=1.0, relaxation=relaxation)
    one.learn(episodes(queries=0), steps=3)
    learner, episode = one.learner, episodes().draw(5)
    for operations in (("conv_3x3", "max_pool_3x3"), ("skip_connect", "depthwise_conv_3x3")):
        learner.restore()
        assert learner.relaxed is not None
        with torch.no_grad():
            for layer, operation in enumerate(operations):
                learner.logits[learner.relaxed.logits.spans[f"operation_{layer}"]] = torch.tensor(
                    [float(name == operation) for name in OPERATIONS]
                )
        learner.weigh(1.0, torch.Generator())
        derived = learner.derived()
        assert tuple(derived.values()) == operations
        network = learner.extract(derived)
        torch.testing.assert_close(network(episode.x_query), learner.network(episode.x_query), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("style", STYLES)
def test_adapting_ends_in_one_network_that_is_exported_with_the_support_rows_statistics(style: str) -> None:
    one, episode = adapting(style), episodes().draw(0)
    found = one.adapt(episode, 6)
    assert set(found.strengths) == {"operation_0", "operation_1"}
    assert found.decided == min(float(each.max()) for each in found.strengths.values())
    frozen = found.frozen()
    assert not any(module.training for module in frozen.modules())
    alone = torch.cat([frozen(row[None]) for row in episode.x_query])
    torch.testing.assert_close(found.logits(episode.x_query, "support"), alone, rtol=1e-4, atol=1e-4)
    together = found.logits(episode.x_query)
    assert not torch.allclose(together[:1], found.logits(episode.x_query[:WAYS])[:1])  # transductive


def test_in_base_options_are_drawn_and_the_loss_has_the_divergence_from_the_prior() -> None:
    episode, one = episodes().draw(0), adapting("base")
    first, second = (one.adapt(episode, 6, seed) for seed in (0, 1))
    assert not torch.equal(first.strengths["operation_0"], second.strengths["operation_0"])
    learner = one.learner
    learner.weigh(0.0, torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = learner.loss(episode, 0).item()  # logits are the prior's
        learner.logits[:4] += torch.tensor([2.0, 0.0, 0.0, 0.0])
        learner.weigh(0.0, torch.Generator().manual_seed(0))
        crossed = learner.loss(episode, 0).item()
    own = torch.softmax(torch.tensor([2.0, 0.0, 0.0, 0.0]), 0)
    divergence = float((own * (own / 0.25).log()).sum()) / len(episode.x)
    assert learner.divergence(episode).item() == pytest.approx(divergence, rel=1e-3) and crossed != alone
    assert learner.adapt(episode, 1, torch.Generator().manual_seed(0)) == pytest.approx(crossed + divergence, rel=1e-3)


@pytest.mark.parametrize("style", STYLES)
def test_the_temperature_is_divided_out_of_the_gradient_of_the_logits(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the last step of an adaptation alone would move them: Adam has one second moment for all."""
    one, episode, found = adapting(style, variance=0.0), episodes().draw(0), list[Tensor]()
    learner = one.learner
    with torch.no_grad():
        learner.logits += torch.linspace(-0.2, 0.2, len(learner.logits))

    def kept() -> None:
        assert learner.logits.grad is not None
        found.append(learner.logits.grad.clone())

    monkeypatch.setattr(learner.optimiser, "step", kept)
    learner.adapt(episode, 3, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    for step, heat in enumerate((1.0, 0.525, 0.05) if style == "metanas" else (1.0, 0.55, 0.1)):
        learner.weigh(step / 2, generator)
        (expected,) = torch.autograd.grad(learner.loss(episode, step), [learner.logits])
        expected = heat * expected
        if style == "base":
            expected += torch.autograd.grad(learner.divergence(episode), [learner.logits])[0]
        torch.testing.assert_close(found[step], expected)


def test_normalisations_of_what_is_left_learn_a_scale_and_a_shift() -> None:
    one, episode = adapting(), episodes().draw(0)
    learner, chosen = one.learner, two("conv_3x3", "depthwise_conv_3x3")
    assert learner.relaxed is not None
    learner.relaxed.decide(chosen)
    before = learner.network(episode.x)
    learner.choose(chosen)
    learner.weigh(0.0, torch.Generator())
    torch.testing.assert_close(learner.network(episode.x), before)
    one.step([episode], 0.5)
    meta = dict(zip([name for name, _ in learner.network.named_parameters()], learner.meta, strict=True))
    learned = {
        tuple(name.split(".")[:2])
        for name, module in learner.network.named_modules()
        if isinstance(module, nn.BatchNorm2d) and module.affine and name.startswith("layer_")
        if bool((meta[f"{name}.weight"] != 1).any()) and bool((meta[f"{name}.bias"] != 0).any())
    }
    assert learned == {("layer_0", "conv_3x3"), ("layer_1", "depthwise_conv_3x3")}
    found = one.adapt(episode, 3)
    assert found.architecture == chosen
    assert bool((found.network.get_parameter("layer_0.conv_3x3.2.weight") != 1).any())


def test_what_is_decided_is_weighed_once_and_without_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    one, episode = adapting("base"), episodes().draw(0)
    learner, settled = one.learner, list[int]()
    learner.choose(two("conv_3x3", "skip_connect"))
    relaxed = learner.relaxed
    assert relaxed is not None and learner.decided
    settle = relaxed.settle

    def once() -> None:
        settled.append(1)
        settle()

    monkeypatch.setattr(relaxed, "draw", None)
    monkeypatch.setattr(relaxed, "settle", once)
    learner.restore()
    learner.adapt(episode, 5, torch.Generator())
    assert settled == [1] and learner.logits.grad is None
    assert not any(gate.weights.requires_grad for gate in relaxed.gates().values())
    assert [gate.runs for gate in relaxed.gates().values()] == [(0,), (3,)]


# Folders ------------------------------------------------------------------------------------------------------------


# Mistakes -----------------------------------------------------------------------------------------------------------


def test_mistakes_are_told_in_a_line() -> None:
    one = adapting()
    with pytest.raises(TaskError, match=r"the shape \(1, 8, 9\), and this was meta-trained on \(1, 8, 8\)"):
        one.adapt(Episode(torch.zeros(3, 1, 8, 9), torch.arange(3), torch.zeros(0), torch.zeros(0), 3))
    with pytest.raises(TaskError, match="has 2 classes, and this was meta-trained on tasks of 3"):
        one.adapt(Episode(torch.zeros(2, 1, 8, 8), torch.arange(2), torch.zeros(0), torch.zeros(0), 2))
    with pytest.raises(TaskError, match="needs an end"):
        one.learn(episodes())
    with pytest.raises(SpaceError, match="belongs to the style 'fixed'"):
        Adapting(space(), SCALING, AdaptingSettings.of("fixed"))
    with pytest.raises(ConfigError, match="did you mean 'metanas'"):
        AdaptingSettings(style="metanass")
    with pytest.raises(ConfigError, match="frozen=2"):
        AdaptingSettings(frozen=2)
    with pytest.raises(ConfigError, match="steps=0"):
        AdaptingSettings(steps=0)
    with pytest.raises(ConfigError, match=r"frozen=0.3 must be below decided=0.11"):
        AdaptingSettings(frozen=0.3)


def test_where_tasks_decide_the_temperature_falls_exponentially() -> None:
    assert AdaptingSettings.of("metanas").relaxation.cooling == "linear"
    for style in STYLES:
        assert AdaptingSettings.of(style, left=2).relaxation.cooling == "exponential"
    given = Relaxation("annealed", temperature=(1.0, 0.1))
    assert AdaptingSettings.of("metanas", left=2, relaxation=given).relaxation == given


def test_what_was_taken_out_is_no_longer_carried_along() -> None:
    learner = adapting().learner
    assert len(learner.running[0]) == len(learner.weights)
    start, architecture = learner.state(), two("conv_3x3", "max_pool_3x3")
    learner.choose(architecture)
    shapes = [each.shape for each in learner.extract(architecture).parameters()]
    assert [each.shape for each in learner.running[0]] == [each.shape for each in learner.running[1]] == shapes
    learner.load_state(start)
    assert len(learner.running[0]) == len(learner.weights), "as it was"
