"""Models of overlapping clouds, to be improved."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from azora.export.bundle import WEIGHTS, read_bundle, write_bundle
from azora.export.reference import reference_of
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Task, from_arrays
from azora.training import RecipeSettings, Training, outputs

BRIEF, LONG = 2.0, 4.0  # seconds of a cycle, and of one whose challengers are to have learned much
NAMES = np.array(["ash", "beech", "cedar", "elm"])
FIGURES: dict[str, Any] = json.loads((Path(__file__).parent / "figures.json").read_text(encoding="utf-8"))


def blobs(rows: int, seed: int, classes: int = 3, turned: float = 0.0) -> Task:
    """Four clouds in the plane of eight columns, overlapping; perhaps turned."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % classes
    centres = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7], [0.0, 0.0]])
    plane = centres[y] + rng.normal(size=(rows, 2)) * 0.9
    turn = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    x = np.concatenate([plane @ turn, rng.normal(size=(rows, 6))], 1).astype(np.float32)
    return from_arrays(x, NAMES[y], name="blobs", seed=seed)


def deployed(
    folder: Path, task: Task, epochs: float = 12.0, rows: int = 10_000, wide: bool = False,
    carried: str | None = None, **facts: Any,
) -> Path:  # fmt: skip
    """A model of the task, on so many of its rows, in `folder/model`: a narrow one, or a wide one."""
    space = make_space("mlp", task.signature)
    drawn = [space.sample(random.Random(seed)) for seed in range(8)]
    architecture = (max if wide else min)(drawn, key=lambda each: each["width_0"])
    torch.manual_seed(0)
    part = type(task.train)(task.train.x[:rows], task.train.y[:rows])
    recipe = RecipeSettings.default(task.signature)
    training = Training(space.build(As(architecture)), part, task.signature, task.scaling, recipe)
    training.finish(epochs=epochs)
    network = training.judging_network()
    answers = outputs(network, task.validation.x, task.signature, task.scaling)
    write_bundle(
        folder / "model", network, task.signature, task.scaling, space={"name": "mlp", "settings": {}},
        architecture=architecture.to_json(), onnx=None, card="", carried=carried,
        facts={
            "task": {"name": task.name, "sha256": task.digest}, **facts,
            "figures": {"limits": {}, **FIGURES, **facts.get("figures", {})},
            "reference": reference_of(task.validation.x, answers, task.signature),
        },
    )  # fmt: skip
    return folder / "model"


def accuracy(model: Path, task: Task) -> float:
    bundle = read_bundle(model)
    split = task.everything()
    y = np.array([bundle.signature.classes.index(name) for name in task.signature.classes])[split.y]
    return float((outputs(bundle.network, split.x, bundle.signature, bundle.scaling).argmax(1) == y).mean())


def weights(model: Path) -> bytes:
    return (model / WEIGHTS).read_bytes()
