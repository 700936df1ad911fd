"""The last training: of the network that was chosen, on all data but the test's, for the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.automl.rehearsal import useful_epochs
from azora.automl.setting import Setting
from azora.cores import usable_cores
from azora.evaluation.checkpoints import Checkpoints
from azora.evaluation.trained import mode_of, recipe_of, resume, start_training
from azora.executors.partners import FEWEST_ROWS, Partners
from azora.networks.decide import As
from azora.space import Architecture, Space
from azora.tasks import Scaling, SearchData
from azora.training import Training, fastest_mode

LONGEST = 200.0  # epochs; more has never helped, and the rest of the time is better spent searching
FEWEST = 40.0  # epochs where nothing but a number of trials was given
KEPT, EVERY = "last", 60.0  # the folder beside the search's checkpoints, and seconds between two puttings down
OFTEN = 0.1  # of a training's time, where that is less
ALL = 1e6  # epochs that no training has


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

    It goes on from what the search left of it, where no end of epochs was found: the trunk of a training is the same in
    both. The other cores take their parts of each batch, but not without a clock: the same seed must give the same
    network, and who joins when is not in the seed. It is put down once a minute or tenth of its time, for a later
    session to go on from. Where `watch` ends it sooner than the search had trained the network, that comes out.

    Raises:
        TrainingDiverged: the loss became no number.
    """
    begun = time.monotonic()
    kept, searched = _Kept(checkpoints / KEPT, architecture, seconds), Checkpoints(checkpoints).load(architecture)
    training, parts = _prepare(setting, architecture, kept.mode or precision, by_clock=seconds is not None)
    curve, hurried = list[dict[str, float]](), False

    def goes_on(progress: float = 0.0) -> bool:
        nonlocal hurried
        hurried = hurried or not watch(progress, training.loss)
        return not hurried

    def look(progress: float, loss: float) -> bool:
        curve.append({"seconds": time.monotonic() - begun, "epochs": training.epochs, "loss": loss})
        kept.put_down(training, epochs, progress)
        return goes_on(progress)

    epochs, done = kept.take_up(training) or _begun(setting, architecture, training, searched, seconds, goes_on)
    partners = _partners(setting, architecture, training, parts, scratch)
    # Starting took some of the time, and setting the normalisations at the end will.
    left = None if seconds is None else max(0.5, seconds - (time.monotonic() - begun))
    _finish(training, partners, left, epochs, done, look)
    if not hurried:  # or a later session would take for whole what was cut short
        kept.put_down(training, epochs, 1.0)
    elif searched is not None and int(searched["step"]) > training.step:
        resume(training, searched, LONGEST)
    network = training.judging_network().to("cpu").to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return Winner(
        network, training.scaling, architecture, training.epochs, time.monotonic() - begun, training.mode.name,
        setting.space, setting.space_about, curve,
    )  # fmt: skip


def _finish(
    training: Training,
    partners: Partners,
    seconds: float | None,
    epochs: float,
    done: float,
    look: Callable[[float, float], bool],
) -> None:
    """To the end of so many epochs of which that share is done."""
    try:
        training.finish(
            seconds=seconds, epochs=(1.0 - done) * epochs, done=done, watch=look, join=lambda: partners.join(training)
        )
    finally:
        partners.close()


@final
class _Kept:
    """A last training as it was put down by an earlier session, and is put down by this one."""

    def __init__(self, folder: Path, architecture: Architecture, seconds: float | None) -> None:
        self._every = EVERY if seconds is None else min(EVERY, OFTEN * seconds)
        self.checkpoints, self.architecture = Checkpoints(folder), architecture
        self._state = self.checkpoints.load(architecture)
        self._last = time.monotonic()

    @property
    def mode(self) -> str | None:
        """What it was trained in, which is kept."""
        return mode_of(self._state)

    def take_up(self, training: Training) -> tuple[float, float] | None:
        """Its epochs in all and the share of it that is over, where it was put down; `training` then goes on there."""
        state, self._state = self._state, None
        if state is None or not {"whole", "done", "step"} <= state.keys():
            return None
        resume(training, state, ALL)
        if training.step != int(state["step"]):  # it was of another network
            return None
        return float(state["whole"]), float(state["done"])

    def put_down(self, training: Training, epochs: float, done: float) -> None:
        """Once a minute, of a short one more often, and at its end."""
        if done < 1.0 and time.monotonic() - self._last < self._every:
            return
        self._last = time.monotonic()
        about = {"whole": torch.tensor(epochs, dtype=torch.float64), "done": torch.tensor(done, dtype=torch.float64)}
        self.checkpoints.save(self.architecture, {**training.state_tensors(), **about})


def _begun(
    setting: Setting,
    architecture: Architecture,
    training: Training,
    searched: dict[str, Tensor] | None,
    seconds: float | None,
    goes_on: Callable[[], bool],
) -> tuple[float, float]:
    """For how many epochs `training` is of use, and 0; it goes on from what was `searched`, where it has no end."""
    longest = FEWEST if seconds is None else LONGEST
    epochs = useful_epochs(setting, architecture, training.mode.name, longest, seconds, goes_on)
    if epochs == longest:
        resume(training, searched, LONGEST)
    return epochs, 0.0


def parts_of(setting: Setting, architecture: Architecture, *, by_clock: bool = True) -> int:
    """Among how many processes each batch of the last training is divided."""
    job = setting.job
    recipe = recipe_of(setting.space, architecture, setting.data)
    cores = usable_cores() if by_clock and job.device == "cpu" else 1
    return max(1, min(cores, job.workers, recipe.batch_size // FEWEST_ROWS))


def _prepare(setting: Setting, architecture: Architecture, precision: str, *, by_clock: bool) -> tuple[Training, int]:
    """The training before its first step, and among how many processes each batch is to be divided."""
    task, job, space = setting.task, setting.job, setting.space
    data = SearchData(task.signature, task.everything(), task.validation, task.scaling)
    parts = parts_of(setting, architecture, by_clock=by_clock)
    if precision == "measure" and by_clock:
        # This network is trained for long: what suits the space on the whole need not suit it.
        build, rows = partial(space.root.build, As(architecture)), recipe_of(space, architecture, data).batch_size
        precision = fastest_mode(task.signature, job.device, build, rows // parts).name
    return start_training(space, architecture, data, job.seed, precision, job.device), parts


def _partners(setting: Setting, architecture: Architecture, training: Training, parts: int, scratch: Path) -> Partners:
    task = setting.task
    data = SearchData(task.signature, task.everything(), task.validation, task.scaling) if parts > 1 else None
    setup = {
        "space": dict(setting.space_about),
        "architecture": architecture.to_json(),
        "data": str(scratch / "final"),
        "seed": setting.job.seed,
        "precision": training.mode.name,
        "folder": str(scratch),
    }
    return Partners(setup, parts, scratch, data)
