"""One architecture is left by a trial of a few at equal time, from the same weights."""

from __future__ import annotations

import math

import pytest
import torch
from tests.adapting.tiny import adapting, episodes, two

from azora.adapting import shortlist as module
from azora.adapting.shortlist import judging, shortlist, trial
from azora.networks.relaxation import Relaxation


def test_the_favoured_is_tried_with_near_ones_and_familiar_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    learner = adapting().learner
    learner.meta_logits.copy_(torch.tensor([2.0, 0.0, 0.0, 1.9, 0.0, 3.0, 0.0, 1.0]))
    assert shortlist(learner) == [
        two("conv_3x3", "depthwise_conv_3x3"),
        two("skip_connect", "depthwise_conv_3x3"),  # where the two best are closest
        two("conv_3x3", "skip_connect"),
        *(two(each, each) for each in ("conv_3x3", "depthwise_conv_3x3")),  # familiar; there are more of these
    ]
    learner.meta_logits.copy_(torch.tensor([2.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 1.0]))
    monkeypatch.setattr(module, "MOST", 9)
    assert len(set(shortlist(learner))) == len(shortlist(learner)) == 6  # none twice


def test_the_better_half_goes_on_for_as_long_and_the_best_from_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, time, judged = adapting().learner, [0.125], [[3.0, 1.0, 2.0], [0.5, 0.75]]
    few = [two(first, "conv_3x3") for first in ("conv_3x3", "skip_connect", "max_pool_3x3")]
    before = learner.meta[0].clone()

    def step(share: float) -> None:
        assert share == time[0] and learner.decided and learner.relaxed is not None
        learner.meta[0] += 1.0
        time[0] += 0.0625 if learner.relaxed.taken["operation_0"] == 0 else 0.03125  # a convolution takes longer

    monkeypatch.setattr(module, "_judged", lambda *words: judged.pop(0))
    found = trial(learner, few, step, episodes(), lambda: time[0], 0.75)
    assert [(each.architecture, each.steps, each.loss, each.rounds) for each in found] == [
        (few[0], 2, 3.0, 1), (few[1], 4 + 6, 0.5, 2), (few[2], 4 + 6, 0.75, 2),
    ]  # fmt: skip
    torch.testing.assert_close(learner.meta[0], before + 10.0)
    learner.restore()
    assert learner.derived() == few[1]


def test_one_whose_loss_is_no_number_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, time = adapting().learner, [0.0]
    few = [two(first, "conv_3x3") for first in ("conv_3x3", "skip_connect", "max_pool_3x3")]
    judged = [[math.nan, 2.0, 1.0], [1.0, math.nan]]

    def step(share: float) -> None:
        time[0] += 0.125

    monkeypatch.setattr(module, "_judged", lambda *words: judged.pop(0))
    found = trial(learner, few, step, episodes(), lambda: time[0], 0.375)
    assert [each.rounds for each in found] == [1, 2, 2]
    learner.restore()
    assert learner.derived() == few[2]


def test_one_option_is_left_however_little_it_weighs() -> None:
    """Or a meta-training would wait for an end of its choices that never comes."""
    least = Relaxation("annealed", (1.0, 0.05), spread=0.0, least=0.3)
    one = adapting(relaxation=least)  # four options of a quarter each
    assert one.learner.take_out() == 6 and one.learner.decided


def test_they_are_judged_by_the_same_tasks_and_learn_nothing_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JUDGED", 2)
    learner, time, drawn = adapting().learner, [0.5], episodes(shots=2, queries=0)
    start = learner.state()

    def step(share: float) -> None:
        time[0] += 0.0625

    few = [two("conv_3x3", "conv_3x3"), two("conv_3x3", "skip_connect")]
    found = trial(learner, few, step, drawn, lambda: time[0], 0.125)
    assert all(torch.equal(now, then) for now, then in zip(learner.meta, start.meta, strict=True))
    for each in found:
        losses = []
        for number in range(2):
            learner.load_state(start)
            learner.choose(each.architecture)
            episode = judging(drawn.draw(module.FIRST + number))
            learner.adapt(episode, 5, torch.Generator().manual_seed(number))
            losses.append(learner.query_loss(episode))
        assert each.loss == pytest.approx(sum(losses) / 2)
        assert each.steps == 1


def test_where_there_are_no_query_rows_they_are_all_but_a_quarter_of_the_support_rows() -> None:
    episode = episodes(shots=8, queries=0).draw(0)
    parted = judging(episode)
    assert torch.equal(torch.cat([parted.x, parted.x_query]), episode.x)
    assert parted.y.tolist() == 2 * [0, 1, 2] and parted.y_query.tolist() == 6 * [0, 1, 2]
    assert judging(episodes(shots=2, queries=0).draw(0)).y.tolist() == [0, 1, 2]
    asked = episodes(shots=2, queries=3).draw(0)
    assert judging(asked) is asked


def test_a_meta_training_leaves_the_best_that_it_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azora.adapting.adapting.LEAST", 1)
    monkeypatch.setattr(module, "JUDGED", 3)
    one = adapting(frozen=0.1, decided=0.2)
    one.learn(episodes(queries=0), steps=10)
    best = min(one.tried, key=lambda each: each.loss)
    assert one.learner.decided and one.taken_out == 6
    assert one.favoured() == best.architecture and one.done == 10
    assert one.adapt(episodes().draw(0), 3).architecture == best.architecture


@pytest.mark.parametrize(("tried", "shots"), [(0.0, 4), (0.1, 1)])
def test_logits_alone_decide_where_nothing_is_to_be_tried_or_there_are_no_rows_to_judge_by(
    tried: float, shots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azora.adapting.adapting.LEAST", 1)
    one = adapting(frozen=0.1, decided=0.2, tried=tried)
    one.learn(episodes(shots, queries=0), steps=4)
    assert one.learner.decided and not one.tried and one.taken_out == 6
