"""The phase in which a mixture is trained: its time, its rules of an early end, and what is no number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from azora.errors import BudgetError, ConfigError, SpaceError, StudyError
from azora.evaluation.mixing import settings_to_json
from azora.evaluation.sharing import forget, load_state
from azora.methods import Work, mixing
from azora.methods.phases import of_networks, open_inherited
from azora.methods.presets import PRESETS
from azora.networks.choice_costs import choice_costs
from azora.tasks import Task
from azora.testing import Desk
from azora.training.fit_mixture import MixtureTraining
from azora.training.mixture_settings import MixtureSettings, Stage
from mixtures import ABOUT, relaxed, small


@pytest.fixture
def desk(stripes: Task, tmp_path: Path) -> Desk:
    return Desk(stripes, tmp_path, ABOUT)


def test_logits_that_become_nan_end_the_search_in_words(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    step, seen = MixtureTraining._step_logits, list[float]()

    def poisoned(self: MixtureTraining, rate: float, logits_rate: float) -> None:
        seen.append(rate)
        with torch.no_grad():
            self.relaxed.logits.values.fill_(float("nan"))
        step(self, rate, logits_rate)

    monkeypatch.setattr(MixtureTraining, "_step_logits", poisoned)
    with pytest.raises(StudyError, match="became NaN in epoch 1 even at a quarter of the rates"):
        small("darts").prepare(desk.sit())
    assert seen == [seen[0], seen[0] / 2, seen[0] / 4]


def test_one_nan_costs_half_the_rate_and_the_search_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    step, times = MixtureTraining._step_logits, iter([True])

    def poisoned(self: MixtureTraining, rate: float, logits_rate: float) -> None:
        if next(times, False):
            with torch.no_grad():
                self.relaxed.logits.values.fill_(float("nan"))
        step(self, rate, logits_rate)

    monkeypatch.setattr(MixtureTraining, "_step_logits", poisoned)
    assert small("darts").prepare(desk.sit()).ask() is not None
    state = load_state(desk.folder / "one_shot")
    assert state is not None and float(state["halvings"]) == 1.0


def test_rates_at_which_nothing_can_be_timed_are_refused_in_words(desk: Desk) -> None:
    desk.seconds = {"relaxing": 60.0}
    with pytest.raises(ConfigError, match=r"became NaN in epoch [12] even at a quarter of the rates"):
        small("darts", logits_rate=1e39).prepare(desk.sit())


@pytest.mark.parametrize("preset", ["gdas", "proxyless"])
def test_an_epoch_is_timed_with_the_steps_of_the_logits(
    preset: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though they are frozen at first, and though not every step of the weights comes with one."""
    step, learned = MixtureTraining._step_logits, list[int]()

    def watched(self: MixtureTraining, rate: float, logits_rate: float) -> None:
        learned.append(self.step)
        step(self, rate, logits_rate)

    work = desk.sit()
    networks = of_networks(work.space)
    about = mixing.describe(work, networks, settings_to_json(PRESETS[preset].settings), 4.0, None)
    steps = mixing.start_mixing(work.space, work.data, about, 0, "float32").batches.steps
    monkeypatch.setattr(MixtureTraining, "_step_logits", watched)
    monkeypatch.setattr(mixing, "time_of", lambda make: make() or 100.0)
    seconds, look = mixing._epoch_seconds(work, about)
    every = PRESETS[preset].settings.every
    assert every == (2 if preset == "proxyless" else 1)
    assert learned == [0] and seconds == pytest.approx(100 * steps / every) and 0 < look < 60


def test_a_budget_of_less_than_two_epochs_is_refused_with_what_would_do(desk: Desk) -> None:
    desk.seconds = {"relaxing": 1e-3}
    with pytest.raises(BudgetError, match=r"too short for two epochs of it, which take .* give a budget"):
        small().prepare(desk.sit())


def test_where_two_epochs_do_not_fit_those_of_a_part_of_the_rows_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.seconds = {"relaxing": 10.0}
    work = desk.sit()
    monkeypatch.setattr(mixing, "_epoch_seconds", lambda work, about: (8.0, 0.5))
    about = mixing.describe(work, of_networks(work.space), settings_to_json(PRESETS["darts"].settings), 4.0, None)
    assert about["part"] == pytest.approx((0.9 * 10 / 2 - 0.5) / 8) and "sees 50% of the rows" in desk.notes[0]
    one, again = (mixing.start_mixing(work.space, work.data, about, 0, "float32") for _ in range(2))
    rows = len(one.batches.x) + len(one.logits_batches.x)
    assert rows == round(about["part"] * len(work.data.train))
    assert torch.equal(one.batches.x, again.batches.x)


def test_time_that_is_over_before_a_step_is_no_epoch(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.seconds = {"relaxing": 60.0}
    monkeypatch.setattr(Work, "gone", lambda self, phase: 1.0)
    assert small("darts").prepare(desk.sit()).ask() is not None
    assert not relaxed(desk).trials and "no time for an epoch of the mixture" in desk.notes[0]


def test_where_curvature_grew_it_goes_back_with_more_decay_and_leaves_who_stands_elsewhere(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    grew, hardened = iter([False, True]), list[tuple[float, Any]]()
    monkeypatch.setattr(mixing, "eigenvalue_grew", lambda seen, epochs: next(grew, False))
    harden = mixing.Mixing._harden

    def watched(self: mixing.Mixing, seen: int) -> bool:
        self.training.link = object()  # type: ignore[assignment]
        done = harden(self, seen)
        hardened.append((self.training.decay_factor, self.training.link))
        return done

    monkeypatch.setattr(mixing.Mixing, "_harden", watched)
    small("r-darts", epochs=4.0).prepare(desk.sit())
    assert hardened == [(3.0, None)]
    state = load_state(desk.folder / "one_shot")
    assert state is not None and float(state["decay_factor"]) == 3.0 and float(state["share"]) == 1.0


def test_after_kills_it_goes_back_when_and_as_far_as_a_search_that_was_not_killed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, saves, save = list[int](), list[int](), mixing.save_state
    steps, grown = list[float](), list[int]()

    def grew(seen: Sequence[float], epochs: int) -> bool:
        looked.append(len(seen))
        grown.extend([6] * (len(seen) == 6))
        return len(seen) == 6 and len(grown) == 1

    def killed(state: dict[str, torch.Tensor], folder: Path) -> bool:
        done = save(state, folder)
        saves.append(len(saves))
        if len(saves) in (4, 8):  # before the curvature grew, and after
            raise KeyboardInterrupt
        return done

    def noted(state: dict[str, torch.Tensor], folder: Path) -> bool:
        steps.append(float(state["step"]))
        return save(state, folder)

    def search(at: Desk) -> None:
        looked.clear()
        small("r-darts", epochs=9.0).prepare(at.sit())

    monkeypatch.setattr(mixing, "eigenvalue_grew", grew)
    monkeypatch.setattr(mixing, "save_state", noted)
    whole = Desk(desk.task, desk.folder / "whole", ABOUT)
    search(whole)
    assert looked == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 7]
    # After the sixth epoch it stands where it stood after the second, and goes on epoch by epoch.
    assert [step / steps[0] for step in steps] == [1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 7, 8, 9]
    grown.clear()
    monkeypatch.setattr(mixing, "save_state", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            search(desk)
    search(desk)
    assert looked == [2, 3, 4, 5, 6, 7]
    ends = [load_state(each.folder / "one_shot") for each in (whole, desk)]
    assert ends[0] is not None and ends[1] is not None and ends[0].keys() == ends[1].keys()
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    assert [t.proposal for t in relaxed(whole).trials] == [t.proposal for t in relaxed(desk).trials]
    for each in (whole, desk):
        left = {path.name for path in (each.folder / "one_shot").glob("*.safetensors*")}
        assert left == {"shared.safetensors", *(f"state-{epoch}.safetensors" for epoch in (9, 10, 11, 12, 13))}
        forget(each.folder / "one_shot")
        assert not list((each.folder / "one_shot").glob("*.safetensors*"))


def learning(desk: Desk, settings: MixtureSettings, epochs: float) -> mixing.Mixing:
    """A mixture that is trained by hand."""
    work = desk.sit()
    networks = of_networks(work.space)
    about = mixing.describe(work, networks, settings_to_json(settings), epochs, None)
    return mixing.Mixing(work, networks, about, open_inherited(work, networks))


def test_gone_back_across_a_stage_costs_are_those_of_the_options_that_are_left_then(desk: Desk) -> None:
    stages = Stage(), Stage(options=2)
    made = learning(desk, MixtureSettings(stages=stages, stop="eigenvalue", adapt=True, frozen=0.9), 6.0)

    def prefer(*values: str) -> None:
        with torch.no_grad():
            for name, options in made.training.relaxed.options.items():
                made.training.relaxed.logits[name].copy_(torch.tensor([5.0 * (each in values) for each in options]))

    prefer("skip_connect", "none")
    assert all(made.learn(epoch) for epoch in range(1, 6))
    assert made.training.stage == 1
    before = made.derivation().costs
    assert made._harden(5) and made.training.stage == 0
    prefer("skip_connect", "conv_3x3")
    assert all(made.learn(epoch) for epoch in range(6, 9)) and made.training.stage == 1
    relaxed = made.training.relaxed
    assert all(set(values) == {"skip_connect", "conv_3x3"} for values in relaxed.options.values())
    expected = choice_costs(made.part, "macs", made.training.signature.shape, relaxed.kept)
    found = made.derivation().costs
    assert before is not None and found is not None
    for name, costs in expected.options.items():
        assert torch.equal(found.options[name], costs) and not torch.equal(before.options[name], costs)


def test_out_of_time_growing_curvature_is_the_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixing, "eigenvalue_grew", lambda seen, epochs: len(seen) == 2)
    small("r-darts", epochs=2.0).prepare(desk.sit())
    result = relaxed(desk).result
    assert result is not None and result["stopped"] == "eigenvalue"


# Rules --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["ranking", "skips", "eigenvalue"])
def test_rules_look_at_epochs_in_which_logits_learned(rule: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[int]()
    monkeypatch.setattr(mixing, "ranking_is_stable", lambda rankings, epochs: looked.append(len(rankings)))
    monkeypatch.setattr(mixing, "eigenvalue_grew", lambda seen, epochs: looked.append(len(seen)))
    monkeypatch.setattr(mixing, "too_many_skips", lambda skips: looked.append(len(looked) + 1))
    small("gdas", stop=rule, frozen=0.5, epochs=4.0).prepare(desk.sit())
    assert looked == ([1, 2, 3] if rule == "skips" else [1, 2, 2])  # at the end it is asked once more


def test_a_ranking_is_of_one_stage(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[int]()
    monkeypatch.setattr(mixing, "ranking_is_stable", lambda rankings, epochs: looked.append(len(rankings)))
    made = learning(desk, MixtureSettings(stages=(Stage(), Stage(options=2)), stop="ranking"), 4.0)
    assert all(made.learn(epoch) for epoch in range(1, 5)) and not made.learn(5)
    assert looked == [1, 2, 1, 2]


def test_a_limit_that_nothing_meets_is_told_of_in_its_own_quantity(desk: Desk) -> None:
    made = learning(desk, MixtureSettings(), 2.0)
    for reason, said in (
        ("params ≤ 1", r"; params ≤ 1\): the cheapest has [0-9,]+ params$"),
        ("macs ≤ 1", r"; macs ≤ 1\): the cheapest has [0-9,]+ macs$"),
        ("memory ≤ 1", "; memory ≤ 1$"),
    ):
        made.part = made.part.root.constrain(lambda each: False, reason, **made.about["numbers"])
        with pytest.raises(SpaceError, match=said):
            made.favoured()
