"""Trainings of small mixtures."""

from __future__ import annotations

from typing import Any

from azora.networks.registry import make_space
from azora.space import Space
from azora.tasks import Task
from azora.training.fit_mixture import MixtureTraining
from azora.training.mixture_settings import MixtureSettings


def training(
    task: Task, settings: MixtureSettings, epochs: float = 4.0, space: Space | None = None, **more: Any
) -> MixtureTraining:
    data = task.search_data
    space = space or make_space("nb201", task.signature, width=4, depth=1)
    return MixtureTraining(space, data.train, data.signature, data.scaling, settings, epochs, seed=1, **more)
