"""The last training: of the network that was chosen, on all data but the test's, for the time that is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import nn

from azora.evaluation.checkpoints import Checkpoints
from azora.evaluation.trained import recipe_of, resume, start_training
from azora.networks.decide import As
from azora.space import Architecture, Space
from azora.tasks import SearchData, Task
from azora.training import fastest_mode

LONGEST = 200.0  # epochs; more has never helped, and the rest of the time is better spent searching
FEWEST = 40.0  # epochs where nothing but a number of trials was given


@dataclass(frozen=True)
class Winner:
    """A trained network, in eval mode on the CPU, and how its last training went."""

    network: nn.Module
    architecture: Architecture
    epochs: float
    seconds: float
    mode: str
    curve: list[dict[str, float]] = field(default_factory=list)


def train_winner(
    space: Space,
    task: Task,
    architecture: Architecture,
    checkpoints: Path,
    *,
    seconds: float | None,
    epochs: float | None,
    seed: int,
    device: str,
    precision: str,
    watch: Callable[[float, float], bool],
) -> Winner:
    """Train `architecture` for `seconds` or `epochs` on search-train and search-validation together.

    It goes on from what the search left of it, where a checkpoint was kept: the trunk of a training is the same in
    both. One core or all of them work on the network, whichever is quicker just then.
    """
    begun = time.monotonic()
    everything = task.everything()
    data = SearchData(task.signature, everything, task.validation, task.scaling)
    if precision == "measure" and seconds is not None:
        # This network is trained for long: what suits the space on the whole need not suit it.
        recipe = recipe_of(space, architecture, data)
        build = partial(space.root.build, As(architecture))
        precision = fastest_mode(task.signature, device, build, recipe.batch_size).name
    # Without a clock the same seed must give the same network, and sums over two threads are other sums.
    cores = (1,) if seconds is None else (1, os.cpu_count() or 1)
    torch.set_num_threads(1)
    training = start_training(space, architecture, data, seed, precision, device, cores)
    resume(training, Checkpoints(checkpoints).load(architecture.key), LONGEST)
    curve: list[dict[str, float]] = []

    def see(progress: float, loss: float) -> bool:
        curve.append({"seconds": time.monotonic() - begun, "epochs": training.epochs, "loss": loss})
        return watch(progress, loss)

    # Starting took some of the time, and setting the normalisations at the end will.
    left = None if seconds is None else max(0.5, seconds - (time.monotonic() - begun))
    training.finish(seconds=left, epochs=epochs, watch=see)
    network = training.judging_network().to("cpu").to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return Winner(network, architecture, training.epochs, time.monotonic() - begun, training.mode.name, curve)
