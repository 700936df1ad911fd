"""The systems that are compared, and the words that make them."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from azora.automl.comparing.comparison import able_of
from azora.automl.comparing.scaling import MOST, Scale, epoch, largest_scale
from azora.automl.comparing.systems import RANDOM, SCALED, find_systems, scaled, systems
from azora.automl.pace import Pace
from azora.automl.pacing import FINAL_EPOCHS
from azora.cli.searching import _settings
from azora.errors import ConfigError
from azora.networks.complexity import cost
from azora.networks.registry import make_space
from azora.strategies.registry import make_strategy
from azora.tasks import Task
from azora.training import Mode


def test_random_search_is_always_among_them_and_first() -> None:
    assert [system.name for system in find_systems(["spos", "halving", "spos"])] == [RANDOM, "spos", "halving"]


def test_the_usual_choice_has_all_kinds() -> None:
    found = {system.name: system for system in find_systems([])}
    assert found.keys() >= {"random", "random-full", "reinforce", "genetic", "differentiable", "spos", "resnet", SCALED}
    assert {name for name, system in found.items() if system.by_hand} == {"resnet", SCALED, "perceptron"}
    assert found["random-full"].settings == {"epochs": FINAL_EPOCHS}
    # A judgement that is cut short is one of many, but of a network by hand it is the only one.
    assert {name for name, system in found.items() if system.patient} == {"random-full", "resnet", SCALED, "perceptron"}


@pytest.mark.parametrize(("name", "near"), [("rezinforce", "reinforce"), ("resnt", "resnet"), ("pareto", "")])
def test_an_unknown_system_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"no system '{name}' to compare.*{near}"):
        find_systems([name])


def test_words_are_those_that_the_command_line_reads() -> None:
    words = systems()["resnet"].words()
    of_strategy, of_space = _settings([after for word, after in pairwise(words) if word == "--set"])
    assert of_strategy == {"epochs": 3.0}
    assert of_space["widths"] == [[16], [32], [64]] and of_space["blocks"] == ["residual"]
    assert "--no-recipe" in words and words[:4] == ["--strategy", "random", "--space", "stages"]


@pytest.mark.parametrize("name", ["resnet", SCALED])
def test_a_network_by_hand_is_the_only_one_of_its_space(name: str, stripes: Task) -> None:
    system = systems()[name]
    space = make_space("stages", stripes.signature, **system.space_settings)
    assert space.size() == 1
    strategy = make_strategy("random", space, settings=system.settings)
    first = strategy.ask()
    assert first is not None and first.budget == 3.0
    assert strategy.ask() is None


def test_the_residual_network_is_the_familiar_one(stripes: Task) -> None:
    small = make_space("stages", stripes.signature, **systems()["resnet"].space_settings)
    known = make_space("stages", stripes.signature)
    assert dict(next(iter(small))) == dict(known.architecture(**known.familiar()[0]))


def test_the_perceptron_is_the_first_that_people_would_try(slopes: Task) -> None:
    space = make_space("mlp", slopes.signature)
    strategy = make_strategy("evolution", space, seed=7, settings=systems()["perceptron"].settings)
    first = strategy.ask()
    assert first is not None and (first.architecture["width_0"], first.architecture["width_1"]) == (128, 64)
    assert "1" in systems()["perceptron"].words()[-1:]


def test_what_a_task_cannot_have_is_left_out_in_words(stripes: Task, slopes: Task) -> None:
    able, left_out = able_of(find_systems([]), slopes)
    assert left_out.keys() == {"resnet", SCALED, "random-cells"} and "pictures" in left_out["resnet"]
    assert len({system.searched for system in able}) == 1, "on tables all choose in the same space"
    assert {system.name for system in able} >= {"spos", "differentiable", "perceptron"}
    able, left_out = able_of(find_systems([]), stripes)
    assert left_out == {"perceptron": "it is for tables"} and len(able) == 9
    searched = {system.name: system.searched for system in able}
    assert searched["random"] == searched["genetic"] == searched["random-full"] != searched["spos"]
    assert searched["random-cells"] == searched["spos"] == searched["differentiable"]


def test_scales_grow_in_everything(stripes: Task) -> None:
    costs = []
    for step in range(MOST + 1):
        space = make_space("stages", stripes.signature, **Scale(step).settings())
        costs.append(cost(space, space.sample(random.Random(0)))["macs"])
    assert costs == sorted(costs) and len(set(costs)) == MOST + 1
    assert Scale(0).resolution == 0.5 and Scale(MOST).resolution == 1.0
    assert str(Scale(3)) in scaled(Scale(3)).about


def test_time_decides_the_scale(stripes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    pace, data = Pace(1e-3, 1e-9, 1e-8), stripes.search_data
    monkeypatch.setattr("azora.automl.comparing.scaling.measure_pace", lambda *_: pace)
    monkeypatch.setattr("azora.automl.comparing.scaling.choose_mode", lambda *_: Mode())
    rows = 1 + len(data.validation) / len(data.train)
    enough = 40 * rows * epoch(Scale(4, 1.0), pace, data)
    assert largest_scale(data, enough * 1.0001) == Scale(4, 1.0)
    assert largest_scale(data, enough * 0.9999).step == 3
    # Pictures of 8 pixels a side are not made smaller.
    assert largest_scale(data, 1e-6) == Scale(0, 1.0)
