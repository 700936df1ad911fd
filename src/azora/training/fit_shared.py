"""Training the weights that all networks of a space share."""

from __future__ import annotations

import math
import random
import time
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.shared_weights import SharedWeights
from azora.tasks import Scaling, Signature, Split
from azora.training.batches import Batches
from azora.training.fit import CHECK_EVERY, CLIP, TrainingDiverged
from azora.training.mode import Mode
from azora.training.paths import Paths
from azora.training.recipe import RecipeSettings
from azora.training.shared_optimiser import SharedOptimiser

RECALIBRATION_ROWS = 384  # where maps are 2 × 2, 1,536 values of each channel; ranks are nearly those of 1,024 rows


@final
class SharedTraining:
    """Shared weights in training, that can be put down and taken up.

    A step draws networks by `paths`, adds up the gradients of one batch's mean loss over them, and moves what they
    borrowed by SGD with Nesterov's momentum. Normalisations use the batch's own statistics; what is judged later is
    recalibrated. The rate warms up and then falls to zero on a cosine over `epochs` (Loshchilov & Hutter, 2017). Where
    the paths distil, the first network learns the targets, and the others its detached outputs (Yu et al., 2020).

    The rows, their augmentation and the networks of a step are functions of the seed and the step, so training can be
    taken up anywhere and goes on exactly.

    Args:
        split: raw rows to learn from.
        scaling: of the raw values.
        recipe: its optimiser is not looked at; SGD is what one-shot training uses.
        epochs: in all, at least one step; an epoch is one pass over the rows, however many networks learn from each.
    """

    def __init__(
        self,
        shared: SharedWeights,
        split: Split,
        signature: Signature,
        scaling: Scaling,
        recipe: RecipeSettings,
        paths: Paths,
        epochs: float,
        *,
        seed: int = 0,
        mode: Mode | None = None,
        device: str = "cpu",
    ) -> None:
        self.mode, self.device, self.recipe, self.signature = mode or Mode(), device, recipe, signature
        self.shared, self.paths, self.seed = shared.to(device), paths, seed
        self.scaling = scaling.taking(recipe.scaling, recipe.encoding, recipe.imputation)
        self.batches = Batches(
            split, signature, self.scaling, recipe.batch_size, mode=self.mode, seed=seed, device=device
        )
        self.optimiser = SharedOptimiser(shared, recipe.weight_decay)
        self.steps = max(1, round(epochs * self.batches.steps))
        self.step = 0
        self.seconds = 0.0  # of this object's own work
        self.loss = math.nan

    @property
    def epochs(self) -> float:
        """Epochs trained since the beginning."""
        return self.step / self.batches.steps

    def advance(self, epochs: float = math.inf) -> None:
        """Train on to `epochs` since the beginning, and no further than the schedule's end.

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
        """
        last = min(self.steps, epochs * self.batches.steps)
        begun, loss = time.perf_counter(), torch.tensor(math.nan)
        with torch.random.fork_rng(devices=[] if self.device == "cpu" else [self.device]):
            while self.step < last:
                loss = self._step()
                self.step += 1
                if self.step % CHECK_EVERY == 0 or self.step >= last:
                    self._look(loss)
        self.seconds += time.perf_counter() - begun

    def calibration(self, rows: int = RECALIBRATION_ROWS, size: int = 384) -> list[Tensor]:
        """Batches of training rows as they are, for `SharedWeights.recalibrate`: the same every time."""
        numbers = self.batches.some(rows)
        size = min(size, len(numbers))
        return [self.batches.plain(numbers[at : at + size]) for at in range(0, len(numbers) - size + 1, size)]

    def state_tensors(self) -> dict[str, Tensor]:
        """All that `load_state` needs to go on exactly here, by name: copies, which going on does not change."""
        state = {f"shared.{name}": value for name, value in self.shared.state_dict().items()}
        state |= {f"moments.{name}": value for name, value in self.optimiser.state().items()}
        state |= {"step": torch.tensor(self.step), "loss": torch.tensor(self.loss, dtype=torch.float64)}
        return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on where `state` was taken.

        Raises:
            KeyError, RuntimeError: it is of another space.
        """
        parts: dict[str, dict[str, Tensor]] = {"shared": {}, "moments": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = value
        self.shared.load_state_dict(parts["shared"])
        self.optimiser.load(parts["moments"])
        self.step, self.loss = int(state["step"]), float(state["loss"])

    # Inside -----------------------------------------------------------------------------------------------------

    def rate(self) -> float:
        """The learning rate of the next step."""
        warm = min(1.0, (self.step + 1) / max(1.0, min(self.recipe.warmup * self.batches.steps, self.steps / 4)))
        return self.recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * self.step / self.steps))

    def _look(self, loss: Tensor) -> None:
        self.loss = float(loss)
        if not math.isfinite(self.loss):
            raise TrainingDiverged(f"the shared weights' loss became {self.loss} at step {self.step}")

    def _step(self) -> Tensor:
        x, y = self.batches.batch(self.step, self.recipe)
        drawn = self.paths.draw(random.Random(f"{self.seed}:{self.step}"), self.step / self.steps)
        self.optimiser.zero_grad()
        first, teacher = torch.zeros(()), None
        for place, architecture in enumerate(drawn):
            with self.mode.cast(self.device):
                outputs = self.shared.borrow(architecture)(x)
            loss = self._loss(outputs.float(), y) if teacher is None else self._distilled(outputs.float(), teacher)
            (loss / len(drawn)).backward()  # type: ignore[no-untyped-call]
            if place == 0:
                first = loss.detach()
                teacher = outputs.detach().float() if self.paths.distils else None
        self.optimiser.clip(CLIP)
        self.optimiser.step(self.rate())
        return first

    def _loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.signature.kind == "regression":
            return nn.functional.mse_loss(outputs, y)
        return nn.functional.cross_entropy(outputs, y, label_smoothing=self.recipe.label_smoothing)

    def _distilled(self, outputs: Tensor, teacher: Tensor) -> Tensor:
        if self.signature.kind == "regression":
            return nn.functional.mse_loss(outputs, teacher)
        return nn.functional.cross_entropy(outputs, torch.softmax(teacher, dim=1))


def fit_shared(
    shared: SharedWeights,
    split: Split,
    signature: Signature,
    scaling: Scaling,
    paths: Paths,
    epochs: float,
    *,
    recipe: RecipeSettings | None = None,
    seed: int = 0,
) -> SharedTraining:
    """Train shared weights for `epochs`; `recipe` is by default SGD at 0.1 without augmentation.

    Raises:
        TrainingDiverged: the loss became NaN or infinite.
    """
    recipe = recipe or RecipeSettings(augmentation=0.0, label_smoothing=0.0)
    training = SharedTraining(shared, split, signature, scaling, recipe, paths, epochs, seed=seed)
    training.advance()
    return training
