"""The last training: of the network that was chosen, on all data but the test's, for the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from azora.automl.rehearsal import useful_epochs
from azora.automl.setting import Setting
from azora.cores import usable_cores
from azora.evaluation.checkpoints import Checkpoints
from azora.evaluation.trained import recipe_of, resume, start_training
from azora.executors.partners import FEWEST_ROWS, Partners
from azora.networks.decide import As
from azora.space import Architecture, Space
from azora.tasks import Scaling, SearchData
from azora.training import Training, fastest_mode

LONGEST = 200.0  # epochs; more has never helped, and the rest of the time is better spent searching
FEWEST = 40.0  # epochs where nothing but a number of trials was given


@dataclass(frozen=True)
class Winner:
    """A trained network, in eval mode on the CPU, how its inputs are scaled, how its last training went, and the space
    that it is of, with what makes that space anew."""

    network: nn.Module
    scaling: Scaling
    architecture: Architecture
    epochs: float
    seconds: float
    mode: str
    space: Space
    space_about: Mapping[str, Any]
    curve: list[dict[str, float]] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)  # further figures


def train_winner(
    setting: Setting,
    architecture: Architecture,
    checkpoints: Path,
    scratch: Path,
    *,
    seconds: float | None,
    precision: str,
    watch: Callable[[float, float], bool],
) -> Winner:
    """Train `architecture` on search-train and search-validation together, for `seconds` (but not for more than 200
    epochs), or, without a clock, for 40 epochs; for fewer, where a rehearsal shows that more would make it worse.

    It goes on from what the search left of it, where a checkpoint was kept and no end of epochs was found: the trunk of
    a training is the same in both. The other cores take their parts of each batch. Without a clock there are none: the
    same seed must give the same network, and who joins when is not in the seed.
    """
    begun = time.monotonic()
    training, parts = _prepare(setting, architecture, precision, by_clock=seconds is not None)
    longest = FEWEST if seconds is None else LONGEST
    epochs = useful_epochs(setting, architecture, training.mode.name, longest, seconds)
    if epochs == longest:
        resume(training, Checkpoints(checkpoints).load(architecture), LONGEST)
    partners = _partners(setting, architecture, training, parts, scratch)
    curve: list[dict[str, float]] = []

    def see(progress: float, loss: float) -> bool:
        curve.append({"seconds": time.monotonic() - begun, "epochs": training.epochs, "loss": loss})
        return watch(progress, loss)

    try:
        # Starting took some of the time, and setting the normalisations at the end will.
        left = None if seconds is None else max(0.5, seconds - (time.monotonic() - begun))
        training.finish(seconds=left, epochs=epochs, watch=see, join=lambda: partners.join(training))
    finally:
        partners.close()
    network = training.judging_network().to("cpu").to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    seconds = time.monotonic() - begun
    return Winner(
        network, training.scaling, architecture, training.epochs, seconds, training.mode.name, setting.space,
        setting.space_about, curve,
    )  # fmt: skip


def _prepare(setting: Setting, architecture: Architecture, precision: str, *, by_clock: bool) -> tuple[Training, int]:
    """The training before its first step, and among how many processes each batch is to be divided."""
    task, job, space = setting.task, setting.job, setting.space
    data = SearchData(task.signature, task.everything(), task.validation, task.scaling)
    recipe = recipe_of(space, architecture, data)
    cores = usable_cores() if by_clock and job.device == "cpu" else 1
    parts = max(1, min(cores, job.workers, recipe.batch_size // FEWEST_ROWS))
    if precision == "measure" and by_clock:
        # This network is trained for long: what suits the space on the whole need not suit it.
        build = partial(space.root.build, As(architecture))
        precision = fastest_mode(task.signature, job.device, build, recipe.batch_size // parts).name
    return start_training(space, architecture, data, job.seed, precision, job.device), parts


def _partners(setting: Setting, architecture: Architecture, training: Training, parts: int, scratch: Path) -> Partners:
    task = setting.task
    if parts > 1:
        SearchData(task.signature, task.everything(), task.validation, task.scaling).save(scratch / "final")
    setup = {
        "space": dict(setting.space_about),
        "architecture": architecture.to_json(),
        "data": str(scratch / "final"),
        "seed": setting.job.seed,
        "precision": training.mode.name,
        "folder": str(scratch),
    }
    return Partners(setup, parts, scratch)
