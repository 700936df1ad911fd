"""Searches on `devices.Counted`, for networks that are judged at once."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import azora
from azora.automl.reading import read_events
from azora.automl.result import Result
from azora.hardware import Measured, Measurement, Predictor, Target, TargetFile
from azora.hardware.choosing import draw_distinct
from azora.networks.complexity import cost
from azora.networks.registry import make_space
from azora.tasks import Task

WIDTHS = {"depths": [1], "widths": [4, 8, 16, 32, 64], "dropouts": [0.0]}
WORDS: Mapping[str, Any] = {
    "trials": 10, "workers": 1, "space": "mlp", "space_settings": WIDTHS, "recipe": False, "strategy": "random",
    "evaluator": "devices:larger_is_better", "precision": "float32", "target": "devices:Counted",
}  # fmt: skip
# A network of width w has some 69 parameters for each unit, so on `devices.Counted` 16 takes 1.2 ms and 32 2.3 ms.
LIMIT = "latency=2ms"


def search(task: Task, out: Path, **words: Any) -> Result:
    return azora.search(task, out=out, **{**WORDS, **words})


def false_file(task: Task, file: Path, target: Target, factor: float = 0.01) -> Path:
    """A predictor for `target` that takes every network for a hundred times as quick as `devices.Counted` is."""
    about = {"name": "mlp", "settings": WIDTHS}
    space = make_space("mlp", task.signature, **WIDTHS)
    rows = []
    for architecture in draw_distinct(space, 12, random.Random(0)):
        count = cost(space, architecture)["params"]
        rows.append((architecture, Measured(Measurement(factor * (0.1 + count / 1000)), 500 + 4 * count)))
    return TargetFile.of(target, about, Predictor(space, rows, "layers")).save(file)


def widths(out: Path) -> list[int]:
    """Of the networks that were judged."""
    asked = [event for event in read_events(out) if event["kind"] == "asked"]
    return [event["proposal"]["architecture"]["decisions"]["width_0"] for event in asked]
