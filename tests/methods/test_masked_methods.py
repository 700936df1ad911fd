"""Methods that mix numbers of channels too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from azora.errors import ConfigError, SpaceError
from azora.methods import Method
from azora.methods.differentiable import Differentiable
from azora.methods.phases import of_networks
from azora.methods.registry import find_method
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


def test_stages_keep_the_strongest_widths(stripes: Task) -> None:
    space = make_space("stages", stripes.signature, **BLOCKS).constrain(None, "", resolution=1.0, depth_0=1, depth_1=1)
    settings = MixtureSettings(masked=True, stages=(Stage(), Stage(options=2)), batch_size=16)
    data = stripes.search_data
    training = MixtureTraining(space, data.train, data.signature, data.scaling, settings, 2.0, seed=1)
    assert training.relaxed.options["width_1"] == (6, 8, 12)
    training.advance()
    left = training.relaxed.options["width_1"]
    assert training.stage == 1 and len(left) == 2 and set(left) < {6, 8, 12}


def test_a_space_that_narrows_by_nothing_is_refused_and_so_are_sigmoids(stripes: Task) -> None:
    space = make_space("cells", stripes.signature)
    with pytest.raises(SpaceError, match="no number of channels can be masked"):
        small("gdas").check(space, stripes.search_data)
    with pytest.raises(ConfigError, match="masked: what is weighed by a sigmoid"):
        find_method("fair-darts", {"masked": True})
