"""The contract of the other one-shot methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azora.errors import ConfigError
from azora.methods import Method
from azora.methods.enas import Enas
from azora.methods.ofa import Ofa
from azora.methods.smash import Smash
from azora.tasks import Task
from azora.testing import Desk, MethodContract

CELLS = {"nodes": 2, "operations": ("conv_3x3", "skip_connect"), "widths": (4, 8), "depths": (1,), "stages": 2}
STAGES = {
    "depths": (1, 2), "widths": ((4, 8), (8, 16)), "kernels": (3, 5), "expansions": (1, 2), "blocks": ("inverted",),
}  # fmt: skip


class TestSmash(MethodContract):
    @pytest.fixture
    def desk(self, stripes: Task, tmp_path: Path) -> Desk:
        return Desk(stripes, tmp_path, {"name": "cells", "settings": CELLS, "recipe": True})

    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return lambda: Smash(bases=2, hidden=8, samples=6, perturbations=3, epochs=2.0, judged=12, size=4)


class TestSmashOfRows(MethodContract):
    @pytest.fixture
    def desk(self, stripes: Task, tmp_path: Path) -> Desk:
        return Desk(stripes, tmp_path, {"name": "mlp", "settings": {"widths": (4, 8)}, "recipe": True})

    @pytest.fixture
    def make(self) -> Callable[[], Method]:
        return lambda: Smash(bases=2, hidden=8, samples=6, perturbations=3, epochs=2.0, judged=12, size=4)


class TestEnas(MethodContract):
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


@pytest.mark.parametrize(
    ("make", "settings", "said"),
    [
        (Smash, {"bases": 0}, "bases=0"),
        (Smash, {"samples": 0}, "samples=0"),
        (Smash, {"paths": "unifrom"}, "did you mean 'uniform'"),
        (Enas, {"controller": "lstn"}, "did you mean 'lstm'"),
        (Enas, {"samples": 1}, "samples=1"),
        (Ofa, {"paths": "none"}, "no paths 'none'"),
        (Ofa, {"population": 1}, "population=1"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[..., Method], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**settings)
