"""A small network, a space of quick ones, and a clock."""

from __future__ import annotations

import pytest
import torch
from tests.hardware.made import Clock
from torch import nn

from azora.hardware import Deployable
from azora.networks.registry import make_space
from azora.space import Space
from azora.tasks import Signature

PICTURES = Signature("classification", (1, 8, 8), 10)
ABOUT = {"name": "nb201", "settings": {"width": 4, "depth": 1}}


@pytest.fixture
def network() -> Deployable:
    """A convolution and a linear layer."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
    return Deployable.bare(made.eval(), PICTURES)


@pytest.fixture(scope="package")
def space() -> Space:
    """Cells of four nodes, the smallest there are."""
    return make_space(ABOUT["name"], PICTURES, **ABOUT["settings"])  # type: ignore[arg-type]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """By which networks are measured."""
    made = Clock()
    monkeypatch.setattr("azora.hardware.build.time", made)
    monkeypatch.setattr("azora.hardware.making.time", made)
    return made
