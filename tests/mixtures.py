"""A small search by a differentiable method, for its tests."""

from __future__ import annotations

from typing import Any

from azora.methods.differentiable import Differentiable
from azora.methods.phases import of_networks
from azora.study import SqlJournal, Study
from azora.testing import Desk

SMALL = {"nodes": 2, "operations": ("conv_3x3", "skip_connect", "none"), "widths": (4, 8), "depths": (1,), "stages": 2}
ABOUT = {"name": "cells", "settings": SMALL, "recipe": True}


def small(preset: str = "gdas", **settings: Any) -> Differentiable:
    return Differentiable(preset, **{"epochs": 2.0, "size": 8, **settings})


def relaxed(desk: Desk) -> Study:
    return Study(SqlJournal(desk.folder / "one_shot" / "study.db"), of_networks(desk.sit().space))
