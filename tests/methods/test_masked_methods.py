"""Methods that mix numbers of channels too."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from azora.errors import ConfigError, SpaceError
from azora.methods import Method
from azora.methods.differentiable import Differentiable
from azora.methods.numbers import Held, held_numbers
from azora.methods.phases import of_networks
from azora.methods.registry import find_method
from azora.networks.complexity import cost
from azora.networks.masked import maskable
from azora.networks.registry import make_space
from azora.study import SqlJournal, Study
from azora.tasks import Task
from azora.testing import Desk, MethodContract
from azora.training.fit_mixture import MixtureTraining
from azora.training.mixture_settings import MixtureSettings, Stage

BLOCKS = {
    "per_block": True, "candidates": True, "blocks": ["inverted"], "expansions": [1, 2], "kernels": [3],
    "widths": [[4, 8], [6, 8, 12]], "depths": [1, 2],
}  # fmt: skip
ABOUT = {"name": "stages", "settings": BLOCKS, "recipe": True}


@pytest.fixture
def desk(stripes: Task, tmp_path: Path) -> Desk:
    return Desk(stripes, tmp_path, ABOUT)


def small(preset: str = "fbnet", **settings: Any) -> Differentiable:
    return Differentiable(preset, **{"epochs": 2.0, "size": 8, "masked": True, **settings})


class TestMasked(MethodContract):
    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return partial(small)


@pytest.mark.parametrize("preset", ["fbnet", "proxyless", "gdas"])
def test_widths_are_favoured_and_not_held(preset: str, desk: Desk) -> None:
    method = small(preset)
    method.check(desk.sit().space, desk.task.search_data)
    first = method.prepare(desk.sit()).ask()
    study = Study(SqlJournal(desk.folder / "one_shot" / "study.db"), of_networks(desk.sit().space))
    assert first is not None and study.result is not None
    assert set(study.result["numbers"]) == {"network.resolution", "network.depth_0", "network.depth_1"}
    assert first.architecture.key == study.result["derived"]
    assert "network.width_1" in first.architecture


def training_of(task: Task, limited: bool = False) -> MixtureTraining:
    space = make_space("stages", task.signature, **BLOCKS).constrain(None, "", resolution=1.0, depth_0=1, depth_1=1)
    settings = MixtureSettings(masked=True, stages=(Stage(), Stage(options=1)), batch_size=16)
    data = task.search_data
    return MixtureTraining(
        space, data.train, data.signature, data.scaling, settings, 2.0, seed=1, limited=limited
    )  # fmt: skip


@pytest.mark.parametrize(("limited", "left"), [(False, (12,)), (True, (6, 12))])
def test_stages_keep_the_strongest_widths_and_within_limits_the_cheapest(
    stripes: Task, limited: bool, left: tuple[int, ...]
) -> None:
    training = training_of(stripes, limited)
    training.advance(training.batches.steps // 2 / training.batches.steps)
    with torch.no_grad():
        training.relaxed.logits["width_1"].copy_(torch.tensor([-9.0, 0.0, 9.0]))
    kept = training._strongest(1)
    assert kept["width_1"] == left


def test_widths_are_ranked_with_all_other_choices(stripes: Task) -> None:
    training = training_of(stripes)
    assert training.ranking().keys() == training.relaxed.options.keys()
    with torch.no_grad():
        training.relaxed.logits["width_1"].copy_(torch.tensor([0.0, 2.0, 1.0]))
    assert training.ranking()["width_1"] == [1, 2, 0]


@pytest.mark.parametrize("seed", range(3))
def test_held_numbers_are_ordered_by_what_the_widest_networks_cost(stripes: Task, seed: int) -> None:
    space = make_space("stages", stripes.signature, per_block=True, candidates=True)
    mixed = maskable(space)
    ways = held_numbers(space, seed, mixed)
    widest = {name: max(space.choices[name].options()) for name in mixed}

    def costs(way: Held) -> float:
        part = space.constrain(None, "", **{**way.numbers, **widest})
        return sum(cost(space, part.sample(random.Random(draw)))["macs"] for draw in range(12))

    assert max(ways, key=costs) == ways[-1]


def test_a_space_that_narrows_by_nothing_is_refused_and_so_are_sigmoids(stripes: Task) -> None:
    space = make_space("cells", stripes.signature)
    with pytest.raises(SpaceError, match="no number of channels can be masked"):
        small("gdas").check(space, stripes.search_data)
    with pytest.raises(ConfigError, match="masked: what is weighed by a sigmoid"):
        find_method("fair-darts", {"masked": True})
