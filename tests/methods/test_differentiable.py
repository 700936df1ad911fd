"""Differentiable methods: the contract for all of them, and what becomes of a search when things go wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from azora.errors import ConfigError, SpaceError
from azora.evaluation.perturbation import Perturbation
from azora.evaluation.sharing import load_state
from azora.methods import Method, differentiable, mixing
from azora.methods.differentiable import Differentiable
from azora.methods.mixture_diagnosis import compared, diagnose_mixture, sentence
from azora.methods.numbers import fitting_numbers, held_numbers, open_numbers
from azora.methods.one_shot import UNTRAINED
from azora.methods.phases import of_networks
from azora.methods.presets import PRESETS
from azora.methods.registry import METHODS, find_method
from azora.networks.derivation import Derivation
from azora.networks.mixture import Relaxed
from azora.networks.registry import make_space
from azora.space import Space
from azora.study import MemoryJournal, Study
from azora.tasks import Signature, Task
from azora.testing import Desk, MethodContract
from azora.trial import Objective, Proposal, Report
from mixtures import ABOUT, SMALL, relaxed, small


@pytest.fixture
def desk(stripes: Task, tmp_path: Path) -> Desk:
    return Desk(stripes, tmp_path, ABOUT)


class TestGdas(MethodContract):
    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return small


class TestPdarts(MethodContract):
    """Of several stages, so that what is put down changes its form."""

    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return partial(small, "p-darts", epochs=3.0)


class TestPerturbed(MethodContract):
    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return partial(small, "darts", derive="perturbed")


@pytest.mark.parametrize(("preset", "share"), [("pc-darts", 15 / 50), ("p-darts", 10 / 25), ("drnas", 10 / 25)])
def test_logits_wait_for_as_much_of_a_stage_as_published(preset: str, share: float) -> None:
    assert PRESETS[preset].settings.frozen == share


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_method_favours_something_after_every_epoch(preset: str, desk: Desk) -> None:
    method = find_method(preset, {"epochs": 2.0, "size": 8})
    assert isinstance(method, Differentiable) and method.name == preset and METHODS[preset].source
    method.check(desk.sit().space, desk.task.search_data)
    strategy = method.prepare(desk.sit())
    first = strategy.ask()
    study = relaxed(desk)
    assert [trial.proposal.budget for trial in study.trials] == [1.0, 2.0]
    assert study.result is not None and first is not None
    assert first.architecture.key == study.result["derived"]
    told = study.trials[-1].report.metrics
    assert {"accuracy", "mixture_accuracy", "gap", "entropy", "skips", "eigenvalue"} <= told.keys()
    assert told["gap"] == pytest.approx(told["mixture_accuracy"] - told["accuracy"])
    assert 0 <= told["entropy"] <= 1


def test_the_shortlist_has_what_was_favoured_with_other_numbers_draws_and_controls(desk: Desk) -> None:
    small(size=12).prepare(desk.sit())
    result = relaxed(desk).result
    assert result is not None
    shortlist = result["shortlist"]
    keys = [desk.sit().space.parse(each).key for each in shortlist]
    assert keys[0] == result["derived"] and len(set(keys)) == len(keys) <= 12
    assert 1 <= len(result["controls"]) <= 3 and set(result["controls"]) < set(keys)
    assert {each["network.width"] for each in shortlist} == {4, 8}
    assert all(each["recipe.learning_rate"] == 0.1 for each in shortlist)


def test_controls_have_the_numbers_that_what_was_derived_has(stripes: Task, tmp_path: Path) -> None:
    about = {**ABOUT, "settings": {**SMALL, "widths": tuple(range(4, 13))}}
    desk = Desk(stripes, tmp_path, about)
    small(size=12).prepare(desk.sit())
    result = relaxed(desk).result
    assert result is not None and result["controls"]
    space = desk.sit().space
    shortlist = [space.parse(each) for each in result["shortlist"]]
    assert len({each["network.width"] for each in shortlist}) > 1
    for each in shortlist:
        if each.key in result["controls"]:
            assert {name: each[name] for name in result["numbers"]} == result["numbers"]


def test_where_next_to_nothing_with_the_held_numbers_is_allowed_controls_have_any(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mixing.Mixing

    def narrow(*about: Any) -> mixing.Mixing:
        mixture = made(*about)
        monkeypatch.setattr(mixture.part, "sample", refuse)
        return mixture

    def refuse(rng: random.Random) -> None:
        raise SpaceError("none of 1000 draws was valid")

    monkeypatch.setattr(differentiable, "Mixing", narrow)
    small(size=12).prepare(desk.sit())
    result = relaxed(desk).result
    assert result is not None and result["controls"]


def test_a_session_after_a_kill_goes_on_from_the_last_epoch_with_the_same_logits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = mixing.save_state, list[dict[str, torch.Tensor]]()

    def killed(state: dict[str, torch.Tensor], folder: Path) -> bool:
        done = save(state, folder)
        saved.append(state)
        if len(saved) == 2:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(mixing, "save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        small(epochs=4.0).prepare(desk.sit())
    state = load_state(desk.folder / "one_shot")
    assert state is not None and torch.equal(state["logits"], saved[-1]["logits"])
    small(epochs=4.0).prepare(desk.sit())
    assert [float(each["step"]) for each in saved] == [float(saved[0]["step"]) * epoch for epoch in (1, 2, 3, 4)]
    monkeypatch.undo()
    whole = Desk(desk.task, desk.folder / "whole", ABOUT)
    small(epochs=4.0).prepare(whole.sit())
    assert [t.proposal for t in relaxed(whole).trials] == [t.proposal for t in relaxed(desk).trials]
    end = load_state(whole.folder / "one_shot")
    assert end is not None and torch.equal(end["logits"], saved[-1]["logits"])


def test_a_space_without_a_choice_of_modules_is_refused(stripes: Task) -> None:
    space = make_space("stages", stripes.signature, blocks=("inverted",))
    with pytest.raises(SpaceError, match="nothing to mix"):
        small().check(space, stripes.search_data)


@pytest.mark.parametrize("preset", ["fbnet", "proxyless"])
def test_published_blocks_are_what_is_mixed_where_no_space_is_named(preset: str, stripes: Task) -> None:
    """Kernels and expansions are weighed, and not held."""
    method = small(preset)
    named = method.space(stripes.signature)
    assert named is not None and method.space(Signature("classification", (5,), 2)) is None
    space = make_space(named[0], stripes.signature, **named[1])
    method.check(space, stripes.search_data)
    assert {name.partition("_")[0] for name in open_numbers(space)} == {"resolution", "width", "depth"}
    options = Relaxed(space.constrain(None, "", **held_numbers(space, 0)[0].numbers)).options
    assert all(name.startswith("block_") and "inverted_k5_e6" in values for name, values in options.items())
    assert all(("skip_connect" in values) != name.endswith("_0") for name, values in options.items())


def test_what_is_derived_keeps_the_limits(desk: Desk) -> None:
    work = desk.sit()
    params = sorted(_params(work.space, random.Random(draw)) for draw in range(40))
    limit = params[4]
    part = work.space.constrain(lambda one: _cost(work.space, one) <= limit, f"params ≤ {limit}")
    strategy = small("fbnet", cost="params").prepare(_with(work, part))
    asked = [proposal for _ in range(6) if (proposal := strategy.ask()) is not None]
    assert asked and all(_cost(work.space, each.architecture) <= limit for each in asked)


def _with(work: Any, space: Space) -> Any:
    from dataclasses import replace

    return replace(work, space=space)


def _cost(space: Space, architecture: Any) -> float:
    from azora.networks.complexity import cost

    return cost(space, architecture)["params"]


def _params(space: Space, rng: random.Random) -> float:
    return _cost(space, space.sample(rng))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"share": 1.0}, "share=1.0 must be between 0 and 1"),
        ({"size": 3}, "size=3 a whole number of at least 4"),
        ({"derive": "strongst"}, "did you mean 'strongest'"),
        ({"stop": "eigenvalues"}, "did you mean 'eigenvalue'"),
        ({"order": 3}, "order=3 must be 1 or 2"),
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"shar": 0.5}, "gdas has no setting 'shar'; did you mean 'share'"),
        ({"epochs": 0.5}, "epochs=0.5 at least 2"),
        ({"size": 8.5}, "size=8.5 a whole number"),
        ({"noise": [0.3]}, r"noise=\(0.3,\) must be two numbers: at the start, and at the end"),
        ({"noise": []}, r"noise=\(\) must be two numbers"),
        ({"temperature": [5]}, r"temperature=\(5,\) must be two numbers"),
        ({"temperature": 5}, "temperature=5 must be two numbers"),
        ({"channels": 2.5}, "channels=2.5 must be a whole number"),
        ({"batch_size": 64.5}, "batch_size=64.5 must be a whole number"),
        ({"logits_rate": 0}, "logits_rate=0 must be above 0"),
        ({"cost": "mac"}, "there is no cost 'mac'; did you mean 'macs'"),
        ({"cost": "macs", "cost_form": "linear", "target": 0}, "target=0 must be above 0"),
        ({"cost": "latency", "cost_form": "power-ratio", "target": 0.5}, "needs a target above 1, and met 0.5"),
        ({"target": 5000}, "target=5000 is of a cost: give cost=macs, params or latency too"),
        ({"adapt": True}, "adapt=true needs stop=eigenvalue, and met stop=never"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_method("gdas", settings)


@pytest.mark.parametrize("preset", ["fbnet", "proxyless"])
def test_a_target_is_of_the_cost_that_a_method_brings(preset: str) -> None:
    method = find_method(preset, {"target": 5000})
    assert isinstance(method, Differentiable) and (method.target, method.settings.cost) == (5000, "macs")


def test_numbers_are_held_at_what_the_time_can_pay_for() -> None:
    space = make_space("cells", Signature("classification", (1, 16, 16), 2), widths=(4, 8, 16), depths=(1, 2))
    assert set(open_numbers(space)) == {"shrink", "width", "depth"}
    ways = held_numbers(space, 0)
    assert 1 < len(ways) <= 6
    assert [way.macs for way in ways] == sorted(way.macs for way in ways)
    enough = 10.5 * ways[2].macs / ways[0].macs
    fit = next(way for way in ways if way.numbers == fitting_numbers(ways, enough, 1.0, 10.0))
    assert fit.macs == max(way.macs for way in ways if way.macs <= 1.05 * ways[2].macs)
    assert fitting_numbers(ways, 1.0, 1.0, 10.0) == ways[0].numbers


def test_figures_compare_what_was_derived_with_random_networks_of_the_same_training(desk: Desk) -> None:
    work = desk.sit()
    study = Study(MemoryJournal(), work.space)
    rng, found = random.Random(0), dict[str, Any]()
    while len(found) < 3:
        found.setdefault((drawn := of_networks(work.space).sample(rng)).key, drawn)
    one, two, three = found.values()
    for architecture, budget, accuracy in ((one, 1.0, 0.8), (two, 1.0, 0.7), (three, 1.0, 0.6), (two, 3.0, 0.95)):
        study.told(study.asked(Proposal(architecture, budget)), Report({"accuracy": accuracy}))
    told = compared(study, Objective(), one.key, [two.key, three.key])
    assert told["derived"] == 0.8 and told["random_mean"] == pytest.approx(0.65) and told["better"]
    assert not compared(study, Objective(), three.key, [two.key])["better"]
    assert (
        sentence(told) == "what the mixture favoured (0.8000) is better than the mean of 2 random networks (0.6500)"
        " after the same 1 epoch"
    )
    assert compared(study, Objective(), "unknown", [two.key]) == {}
    assert sentence({}).endswith("is not known: it was not trained by itself")
    alone = compared(study, Objective(), one.key, ["unknown"])
    assert sentence(alone).endswith("is not known: no random network was trained as long")
    assert diagnose_mixture(desk.folder / "nothing", work.space, study, Objective()) == {}


def test_what_there_was_no_time_to_train_has_no_first_training(desk: Desk) -> None:
    """What a mixture says of its own network has no epochs, and figures must be JSON."""
    work = desk.sit()
    study = Study(MemoryJournal(), work.space)
    one = of_networks(work.space).sample(random.Random(0))
    study.told(study.asked(Proposal(one, UNTRAINED)), Report({"accuracy": 0.8}))
    assert compared(study, Objective(), one.key, []) == {}
    study.told(study.asked(Proposal(one, 2.0)), Report({"accuracy": 0.7}))
    assert compared(study, Objective(), one.key, []) == {"epochs": 2.0, "derived": 0.7}


def test_what_is_settled_for_is_what_was_derived(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not what the last epoch favoured."""

    def weak_ones(self: Perturbation, derivation: Derivation) -> Mapping[str, torch.Tensor]:
        return {name: 1 - weights for name, weights in self.training.strengths().items()}

    monkeypatch.setattr(Perturbation, "strengths", weak_ones)
    method, work = small("darts", derive="perturbed"), desk.sit()
    method.prepare(work)
    study = relaxed(desk)
    assert study.result is not None and study.result["derived"] != study.trials[-1].proposal.architecture.key
    method.settle(work)
    best = work.study.best(Objective())
    assert best is not None and best.proposal.budget == 0 and "gap" in best.report.metrics
    assert work.space.parse(study.result["shortlist"][0]) == best.proposal.architecture


# Limits and costs ---------------------------------------------------------------------------------------------------


def test_latency_in_the_loss_is_no_matter_of_a_thousandth_of_a_second(desk: Desk) -> None:
    assert small("fbnet", cost="latency").prepare(desk.sit()).ask() is not None


def test_all_channels_are_seen_in_every_stage_where_the_user_says_so(stripes: Task) -> None:
    """Such as on spaces whose modules do not say how many channels they have."""
    space = make_space("stages", stripes.signature, widths=((4, 8), (8, 16)), depths=(1, 2))
    method = small("drnas", channels=1)
    method.check(space, stripes.search_data)
    assert [method.settings.relaxation_of(stage).channels for stage in (0, 1)] == [1, 1]
    with pytest.raises(SpaceError, match="does not say how many channels"):
        small("drnas").check(space, stripes.search_data)
    assert [small("drnas").settings.relaxation_of(stage).channels for stage in (0, 1)] == [4, 2]
