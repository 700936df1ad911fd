"""The contract of the other one-shot methods."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azora.errors import ConfigError
from azora.evaluation.sharing import start_sharing
from azora.methods import Method
from azora.methods.enas import UPDATES, Enas, _Turn
from azora.methods.ofa import Ofa
from azora.methods.phases import of_networks
from azora.methods.smash import Smash
from azora.networks.complexity import cost
from azora.space import Space
from azora.strategies.policy_training import PolicyTraining, enas_policy
from azora.study import SqlJournal, Study
from azora.tasks import Task
from azora.testing import Desk, MethodContract
from azora.training.paths import extreme

CELLS = {"nodes": 2, "operations": ("conv_3x3", "skip_connect"), "widths": (4, 8), "depths": (1,), "stages": 2}
STAGES = {
    "depths": (1, 2), "widths": ((4, 8), (8, 16)), "kernels": (3, 5), "expansions": (1, 2), "blocks": ("inverted",),
}  # fmt: skip


class TestSmash(MethodContract):
    each = 0.4

    @pytest.fixture
    def desk(self, stripes: Task, tmp_path: Path) -> Desk:
        return Desk(stripes, tmp_path, {"name": "cells", "settings": CELLS, "recipe": True})

    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return lambda: Smash(bases=2, hidden=8, samples=6, perturbations=3, epochs=2.0, judged=12, size=4)


def test_smash_tells_what_fair_paths_leave_out(stripes: Task, tmp_path: Path) -> None:
    desk = Desk(stripes, tmp_path, {"name": "cells", "settings": CELLS, "recipe": True})
    work = desk.sit()
    narrow = work.space.constrain(lambda each: each["network.width"] == 4, "narrow")
    method = Smash(bases=2, hidden=8, samples=6, perturbations=3, epochs=1.0, judged=12, size=4, paths="fair")
    method.learn(replace(work, space=narrow), of_networks(narrow))
    assert any("network.width=8" in note and "fair paths leave that out" in note for note in desk.notes)


class TestSmashOfRows(MethodContract):
    each = 0.4

    @pytest.fixture
    def desk(self, stripes: Task, tmp_path: Path) -> Desk:
        return Desk(stripes, tmp_path, {"name": "mlp", "settings": {"widths": (4, 8)}, "recipe": True})

    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return lambda: Smash(bases=2, hidden=8, samples=6, perturbations=3, epochs=2.0, judged=12, size=4)


class TestEnas(MethodContract):
    each = 0.4

    @pytest.fixture
    def desk(self, stripes: Task, tmp_path: Path) -> Desk:
        return Desk(stripes, tmp_path, {"name": "cells", "settings": CELLS, "recipe": True})

    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return lambda: Enas(samples=2, batches=1, epochs=2.0, judged=10, size=4)


class TestEnasAtRandom(TestEnas):
    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return lambda: Enas(controller="random", epochs=2.0, judged=10, size=4)


class TestOfa(MethodContract):
    each = 0.4

    @pytest.fixture
    def desk(self, stripes: Task, tmp_path: Path) -> Desk:
        return Desk(stripes, tmp_path, {"name": "stages", "settings": STAGES, "recipe": False})

    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return lambda: Ofa(population=4, epochs=1.0, judged=12, size=4)


class TestOfaShrinking(TestOfa):
    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return lambda: Ofa(paths="shrinking", ema=0.9, population=4, epochs=1.0, judged=12, size=4)


@pytest.mark.parametrize("paths", ["sandwich", "shrinking", "fair", "binned"])
def test_every_kind_of_paths_keeps_to_a_narrow_limit(stripes: Task, tmp_path: Path, paths: str) -> None:
    work = Desk(stripes, tmp_path, {"name": "stages", "settings": STAGES, "recipe": False}).sit()
    most = cost(work.space, extreme(work.space, 1))["macs"] / 4
    space = work.space.constrain(lambda each: cost(work.space, each)["macs"] <= most, "small")
    strategy = Ofa(paths=paths, population=4, epochs=1.0, judged=6, size=2).prepare(replace(work, space=space))
    proposal = strategy.ask()
    assert proposal is not None and cost(space, proposal.architecture)["macs"] <= most


def enas_desk(stripes: Task, folder: Path) -> Desk:
    return Desk(stripes, folder, {"name": "cells", "settings": CELLS, "recipe": True})


def updates(folder: Path, space: Space) -> float:
    study = Study(SqlJournal(folder / "one_shot" / "study.db"), space)
    assert study.result is not None
    return float(study.result["updates"])


def test_the_controller_has_a_turn_after_the_last_epoch_too(stripes: Task, tmp_path: Path) -> None:
    desk = enas_desk(stripes, tmp_path)
    work = desk.sit()
    Enas(samples=2, batches=1, epochs=1.0, ema=0.5, judged=4, size=2).prepare(work)
    assert updates(tmp_path, work.space) == UPDATES and not desk.notes


def test_the_controllers_turn_ends_with_its_phase(stripes: Task, tmp_path: Path) -> None:
    work = replace(enas_desk(stripes, tmp_path).sit(), seconds={"sharing": 0.0})
    about = {"kind": "borrowed", "epochs": 1.0, "distils": False, "kernel_transforms": False, "recipe": {}}
    training = start_sharing(work.space, work.data, about, 0, "float32")
    turn = _Turn(Enas(samples=2), work, enas_policy(of_networks(work.space), 0, 0.01, 0.0))
    training.seconds = 20.0
    turn.after_epoch(training)
    assert turn.learning.updates == 0


def test_a_controller_that_had_no_turn_is_told_of(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = enas_desk(stripes, tmp_path)
    monkeypatch.setattr(PolicyTraining, "advance", lambda self, updates=1: None)
    Enas(samples=2, batches=1, epochs=1.0, judged=4, size=2).prepare(desk.sit())
    assert any("the controller has learned nothing" in note for note in desk.notes)


@pytest.mark.parametrize(
    ("make", "settings", "said"),
    [
        (Smash, {"bases": 0}, "bases=0"),
        (Smash, {"samples": 0}, "samples=0"),
        (Smash, {"paths": "unifrom"}, "did you mean 'uniform'"),
        (Enas, {"controller": "lstn"}, "did you mean 'lstm'"),
        (Enas, {"samples": 1}, "samples=1"),
        (Enas, {"batches": 1.5}, "batches=1.5 must be a whole number"),
        (Enas, {"rate": math.inf}, "rate=inf must be a finite number"),
        (Enas, {"ema": 1.0}, "ema=1.0 from 0 to below 1"),
        (Smash, {"bases": 2.5}, "bases=2.5 must be a whole number"),
        (Smash, {"samples": 2.5}, "samples=2.5 must be a whole number"),
        (Smash, {"epochs": math.nan}, "epochs=nan must be a finite number"),
        (Smash, {"random_networks": 1}, "paths=uniform has no setting 'random_networks'"),
        (Ofa, {"paths": "none"}, "no paths 'none'"),
        (Ofa, {"population": 1}, "population=1"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[..., Method], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**settings)
