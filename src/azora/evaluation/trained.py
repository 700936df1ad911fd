"""Judging a proposal by training it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import final

import torch

from azora.evaluation.checkpoints import Checkpoints
from azora.networks.decide import As
from azora.space import Architecture, Product, Space
from azora.tasks import SearchData, evaluate
from azora.training import MODES, Recipe, RecipeSettings, Training, choose_mode, fastest_mode, outputs
from azora.trial import Proposal

DEFAULT_EPOCHS = 3.0
EACH = "each"
BRIEF_ROWS = 32  # of the batches with which modes are compared for one network


@final
class Trained:
    """Trains a proposal's network for `proposal.budget` epochs on search-train, and judges it on search-validation.

    An architecture that comes back with a larger budget goes on from its checkpoint; the result is bit for bit that of
    one training. Metrics: the task's cheap ones and `metric`, `train_loss`, `epochs` (in all), `judging_seconds`
    and, where a step was made, `epoch_seconds`.

    Args:
        space: of networks, or a product whose part `recipe` is a `Recipe`.
        data: search-train and search-validation.
        folder: where checkpoints are kept; None keeps none.
        seed: of initial weights, order and augmentation: the same for all, so that they are compared alike.
        precision: a mode's name, "measure" (the fastest here, measured once), or "each" (the fastest for every network,
            measured when it is begun).
        metric: the one that the search is for; it is among those that are given.
        also: further metrics to give; what is none of the task's is left to others.
    """

    def __init__(
        self,
        space: Space,
        data: SearchData,
        folder: Path | None = None,
        seed: int = 0,
        device: str = "cpu",
        precision: str = "measure",
        metric: str = "accuracy",
        also: Sequence[str] = (),
    ) -> None:
        self.metric, self.also = metric, tuple(also)
        self.space, self.data, self.seed, self.device = space, data, seed, device
        self.precision = precision if precision == EACH else choose_mode(precision, data.signature, device).name
        self.checkpoints = None if folder is None else Checkpoints(folder)

    def __call__(self, proposal: Proposal) -> Mapping[str, float]:
        """Raises TrainingDiverged when the loss is no number any more."""
        architecture = proposal.architecture
        state = None if self.checkpoints is None else self.checkpoints.load(architecture)
        begun_as = mode_of(state) if self.precision == EACH else None
        training = start_training(
            self.space, architecture, self.data, self.seed, begun_as or self.precision, self.device
        )
        budget = DEFAULT_EPOCHS if proposal.budget is None else proposal.budget
        resume(training, state, budget)
        training.advance(budget)
        data = self.data
        begun = time.perf_counter()
        found = outputs(
            training.judging_network(),
            data.validation.x,
            data.signature,
            training.scaling,
            mode=training.mode,
            device=self.device,
        )
        judging = time.perf_counter() - begun
        if self.checkpoints is not None:
            self.checkpoints.save(architecture, training.state_tensors())
        measured = {"train_loss": training.loss, "epochs": training.epochs, "judging_seconds": judging}
        if training.worked:  # a checkpoint may have been at the budget, when a search was killed before it was told
            measured["epoch_seconds"] = training.epoch_seconds
        return evaluate(data.signature, found, data.validation.y, {self.metric, *self.also}) | measured


def start_training(
    space: Space,
    architecture: Architecture,
    data: SearchData,
    seed: int,
    precision: str,
    device: str,
) -> Training:
    """A training of `architecture` on `data.train`, before its first step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = space.root.build(As(architecture))
    recipe = recipe_of(space, architecture, data)
    if precision == EACH:
        build = partial(space.root.build, As(architecture))
        mode = fastest_mode(data.signature, device, build, BRIEF_ROWS, brief=True)
    else:
        mode = choose_mode(precision, data.signature, device)
    return Training(network, data.train, data.signature, data.scaling, recipe, seed=seed, mode=mode, device=device)


def recipe_of(space: Space, architecture: Architecture, data: SearchData) -> RecipeSettings:
    """The recipe that an architecture names, or the task's default."""
    root = space.root
    if isinstance(root, Product):
        for part, inner in root.parts.items():
            if isinstance(inner.root, Recipe):
                return inner.root.settings(root.project(architecture, part))
    return RecipeSettings.default(data.signature)


def mode_of(state: dict[str, torch.Tensor] | None) -> str | None:
    """The mode that a checkpoint was trained in: a training that goes on must not change it."""
    if state is None or "mode" not in state or not 0 <= int(state["mode"]) < len(MODES):
        return None
    return list(MODES)[int(state["mode"])]


def resume(training: Training, state: dict[str, torch.Tensor] | None, budget: float) -> None:
    """Take up `state` where it fits: it may be damaged, or beyond the budget."""
    if state is None or not {"step", "loss"} <= state.keys():
        return
    if int(state["step"]) > round(budget * training.batches.steps):
        return
    shapes = {name: value.shape for name, value in training.network.state_dict().items()}
    held = {name: value.shape for name, value in state.items() if name.startswith("network.")}
    if held == {f"network.{name}": shape for name, shape in shapes.items()}:
        training.load_state(state)
