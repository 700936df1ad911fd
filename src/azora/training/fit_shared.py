"""Training the weights that all networks of a space share, or the network that writes them."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor, nn

from azora.errors import ConfigError
from azora.networks.hypernetwork import Hypernetwork
from azora.networks.shared_weights import SharedWeights
from azora.space import Architecture
from azora.tasks import Scaling, Signature, Split
from azora.training.averaged import Averaged
from azora.training.batches import Batches
from azora.training.distilling import distilled
from azora.training.fit import CHECK_EVERY, CLIP, TrainingDiverged
from azora.training.hyper_optimiser import HyperOptimiser
from azora.training.link import Link, LinkLost
from azora.training.mode import Mode
from azora.training.paths import Paths, Shrinking
from azora.training.recipe import RecipeSettings
from azora.training.shared_optimiser import SharedOptimiser
from azora.training.sorting import sort_channels

HYPER_RATE = 3e-3
RECALIBRATION_ROWS = 384  # where maps are 2 × 2, 1,536 values of each channel; ranks are nearly those of 1,024 rows
LOOK = 0.5  # seconds between calls of a watch
Clock = Callable[[], float]  # the share (0 to 1) of a training's time that has gone
Watch = Callable[[float, float], bool]  # (that share, loss) → whether to go on


@final
class SharedTraining:
    """Shared weights in training, that can be put down and taken up.

    A step draws networks by `paths`, adds up the gradients of one batch's mean loss for each of them (their sum, not
    their mean: Chu et al., 2021; Cai et al., 2020), and moves what they borrowed by SGD with Nesterov's momentum, or
    what wrote it by Adam. Normalisations use the batch's own statistics; what is judged later is recalibrated. The rate
    warms up and then falls to zero on a cosine over `epochs`, or over the time that a clock gives (Loshchilov & Hutter,
    2017). Where the paths distil, the first network learns the targets, and the others these and its detached outputs,
    half each (as Cai et al., 2020; by the outputs alone, as Yu et al., 2020, short trainings come less far). Where the
    paths are shrinking ones, channels are sorted by importance when widths become elastic.

    The rows, their augmentation and the networks of a step are functions of the seed and the step, so training can be
    taken up anywhere and goes on exactly.

    Args:
        shared: weights that networks borrow, or a hypernetwork that writes them.
        split: raw rows to learn from.
        scaling: of the raw values.
        recipe: its optimiser is not looked at: SGD is what one-shot training uses, and Adam what SMASH does (then its
            decay is not looked at either, and 0.003 is a good rate).
        epochs: in all, at least one step; an epoch is one pass over the rows, however many networks learn from each.
        ema: decay of the weights' moving average, by which `judged` then judges; None for no average.
        clip: what the norm of a step's gradients is brought down to; None is five for each of its networks, as a
            network by itself has. Cells that are alike in size rank better by a lower one.

    Raises:
        ConfigError: a decay out of its range, or one for a hypernetwork, or a clip not above 0.
    """

    def __init__(
        self,
        shared: SharedWeights | Hypernetwork,
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
        ema: float | None = None,
        clip: float | None = None,
    ) -> None:
        if clip is not None and not clip > 0:
            raise ConfigError(f"clip={clip} must be above 0")
        self.clip = clip
        self.mode, self.device, self.recipe, self.signature = mode or Mode(), device, recipe, signature
        self.shared: SharedWeights | Hypernetwork = shared.to(device)
        self.paths, self.seed = paths, seed
        self.scaling = scaling.taking(recipe.scaling, recipe.encoding, recipe.imputation)
        self.batches = Batches(
            split, signature, self.scaling, recipe.batch_size, mode=self.mode, seed=seed, device=device
        )
        self.optimiser = optimiser_of(shared, recipe)
        self.averaged = None if ema is None else _averaged(self.shared, ema)
        self.steps = max(1, round(epochs * self.batches.steps))
        self.step = 0
        self.share = 0.0  # of the schedule, at the last step
        self.seconds = 0.0  # of this object's own work
        self.loss = math.nan
        self.link: Link | None = None
        self.widens = paths.widens if isinstance(paths, Shrinking) else math.inf
        self._sorted = False  # since the last step, of which those that follow are to hear

    @property
    def epochs(self) -> float:
        """Epochs trained since the beginning."""
        return self.step / self.batches.steps

    @property
    def judged(self) -> SharedWeights | Hypernetwork:
        """The weights to judge networks by: the averaged ones, where they are averaged."""
        return self.shared if self.averaged is None else self.averaged.shared

    @property
    def numbers(self) -> int:
        """How many numbers the gradients of a step have, at most."""
        return sum(parameter.numel() for parameter in self.shared.parameters())

    def advance(
        self,
        epochs: float = math.inf,
        clock: Clock | None = None,
        watch: Watch | None = None,
        join: Callable[[], Link | None] = lambda: None,
    ) -> bool:
        """Train on to `epochs` since the beginning, and no further than the schedule's end; whether that was reached.

        With a `clock` the schedule is what it says, and not the number of steps; it must never go back. `watch` is
        called about twice a second. `join` is asked before every step, until it gives the link to processes that take
        their parts of the batches from then on.

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
        """
        last = epochs * self.batches.steps
        seen = time.monotonic()

        def goes_on() -> Sequence[Architecture] | None:
            nonlocal seen
            before = self.share
            self.share = self.step / self.steps if clock is None else max(before, clock())
            if before < self.widens <= self.share:
                self._sort()
            if self.share >= 1.0 or self.step >= last:
                return None
            if watch is not None and time.monotonic() - seen > LOOK:
                seen = time.monotonic()
                if not watch(self.share, self.loss):
                    return None
            if self.link is None:
                self.link = join()
            return self.paths.draw(random.Random(f"{self.seed}:{self.step}"), self.share)

        self._run(goes_on, self.rate)
        return self.share >= 1.0

    def follow(self, link: Link) -> None:
        """Make the leader's steps with it, on this process's part of every batch, until it ends.

        Raises:
            LinkLost, TrainingDiverged: the leader has gone on alone; the loss became NaN or infinite.
        """
        self.link = link
        rate = 0.0

        def goes_on() -> Sequence[Architecture] | None:
            nonlocal rate
            heard = link.hear()
            if heard is None:
                return None
            rate, (sorts, drawn) = heard[0], json.loads(heard[1])
            if sorts:
                self._sort()
            return [self.shared.space.root.parse(decisions) for decisions in drawn]

        self._run(goes_on, lambda: rate)

    def calibration(self, rows: int = RECALIBRATION_ROWS, size: int = 384) -> list[Tensor]:
        """Batches of training rows as they are, for `SharedWeights.recalibrate`: the same every time."""
        numbers = self.batches.some(rows)
        size = min(size, len(numbers))
        return [self.batches.plain(numbers[at : at + size]) for at in range(0, len(numbers) - size + 1, size)]

    def state_tensors(self) -> dict[str, Tensor]:
        """All that `load_state` needs to go on exactly here, by name: copies, which going on does not change."""
        state = {f"shared.{name}": value for name, value in self.shared.state_dict().items()}
        state |= {f"moments.{name}": value for name, value in self.optimiser.state().items()}
        if self.averaged is not None:
            state |= {f"averaged.{name}": value for name, value in self.averaged.state().items()}
        state |= {
            name: torch.tensor(value, dtype=torch.float64)
            for name, value in (("step", self.step), ("share", self.share), ("loss", self.loss))
        }
        return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on where `state` was taken.

        Raises:
            KeyError, RuntimeError: it is of another space.
        """
        parts: dict[str, dict[str, Tensor]] = {"shared": {}, "moments": {}, "averaged": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = value
        self.shared.load_state_dict(parts["shared"])
        self.optimiser.load(parts["moments"])
        if self.averaged is not None:
            self.averaged.load(parts["averaged"])
        self.step, self.share, self.loss = int(state["step"]), float(state["share"]), float(state["loss"])

    # Inside -----------------------------------------------------------------------------------------------------

    def rate(self) -> float:
        """The learning rate of the next step."""
        warm = min(1.0, (self.step + 1) / max(1.0, min(self.recipe.warmup * self.batches.steps, self.steps / 4)))
        return self.recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * self.share))

    def _run(self, goes_on: Callable[[], Sequence[Architecture] | None], rate: Callable[[], float]) -> None:
        begun, first, loss = time.perf_counter(), self.step, torch.tensor(math.nan)
        with torch.random.fork_rng(devices=[] if self.device == "cpu" else [self.device]):
            while (drawn := goes_on()) is not None:
                loss = self._step(drawn, rate())
                self.step += 1
                if self.step % CHECK_EVERY == 0:
                    self._look(loss)
        if self.step > first:
            self._look(loss)
        self.seconds += time.perf_counter() - begun

    def _sort(self) -> None:
        if isinstance(self.shared, SharedWeights) and isinstance(self.optimiser, SharedOptimiser):
            sort_channels(self.shared, self.optimiser, self.averaged)
            self._sorted = True

    def _look(self, loss: Tensor) -> None:
        self.loss = float(loss)
        if not math.isfinite(self.loss):
            raise TrainingDiverged(f"the shared weights' loss became {self.loss} at step {self.step}")

    def _step(self, drawn: Sequence[Architecture], rate: float) -> Tensor:
        x, y = self.batches.batch(self.step, self.recipe)
        loss = self._linked_gradients(x, y, drawn, rate)
        # Gradients are sums: what one network may have, each may.
        self.optimiser.clip(CLIP * len(drawn) if self.clip is None else self.clip)
        self.optimiser.step(rate)
        if self.averaged is not None:
            self.averaged.follow(self.step)
        return loss

    def _linked_gradients(self, x: Tensor, y: Tensor, drawn: Sequence[Architecture], rate: float) -> Tensor:
        """The gradients of the whole batch: of this process's part, with those of the others added."""
        link, sorts, self._sorted = self.link, self._sorted, False
        if link is None:
            return self._gradients(x, y, drawn)
        try:
            if link.rank == 0:
                link.tell(rate, json.dumps([sorts, [architecture.to_json() for architecture in drawn]]))
            mine, theirs = (whole.tensor_split(link.count)[link.rank] for whole in (x, y))
            loss = self._gradients(mine, theirs, drawn)
            parts = self.optimiser.gradients()
            torch._foreach_mul_(parts, len(mine) / len(x))
            link.add(parts)
            return loss
        except LinkLost:
            if link.rank > 0:
                raise
            self.link = None  # whoever was lost is not asked again: `join` gives nothing once it was closed
            return self._gradients(x, y, drawn)

    def _gradients(self, x: Tensor, y: Tensor, drawn: Sequence[Architecture]) -> Tensor:
        self.optimiser.zero_grad()
        first, teacher = torch.zeros(()), None
        for place, architecture in enumerate(drawn):
            with self.mode.cast(self.device):
                outputs = self.shared.borrow(architecture)(x)
            loss = self._loss(outputs.float(), y)
            if teacher is not None:
                loss = (loss + distilled(self.signature, outputs.float(), teacher)) / 2
            loss.backward()  # type: ignore[no-untyped-call]
            if place == 0:
                first = loss.detach()
                teacher = outputs.detach().float() if self.paths.distils else None
        return first

    def _loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.signature.kind == "regression":
            return nn.functional.mse_loss(outputs, y)
        return nn.functional.cross_entropy(outputs, y, label_smoothing=self.recipe.label_smoothing)


def _averaged(shared: SharedWeights | Hypernetwork, decay: float) -> Averaged:
    if isinstance(shared, Hypernetwork):
        raise ConfigError(f"ema={decay}: what a hypernetwork writes is not averaged; leave ema out")
    return Averaged(shared, decay)


def optimiser_of(shared: SharedWeights | Hypernetwork, recipe: RecipeSettings) -> SharedOptimiser | HyperOptimiser:
    """What steps them."""
    if isinstance(shared, Hypernetwork):
        return HyperOptimiser(shared)
    return SharedOptimiser(shared, recipe.weight_decay)


def fit_shared(
    shared: SharedWeights | Hypernetwork,
    split: Split,
    signature: Signature,
    scaling: Scaling,
    paths: Paths,
    epochs: float,
    *,
    recipe: RecipeSettings | None = None,
    seed: int = 0,
    ema: float | None = None,
) -> SharedTraining:
    """Train shared weights for `epochs`; `recipe` is by default SGD at 0.1 (a hypernetwork's: Adam at 0.003) without
    augmentation.

    Raises:
        TrainingDiverged: the loss became NaN or infinite.
    """
    if recipe is None:
        rate = HYPER_RATE if isinstance(shared, Hypernetwork) else RecipeSettings.learning_rate
        recipe = RecipeSettings(learning_rate=rate, augmentation=0.0, label_smoothing=0.0)
    training = SharedTraining(shared, split, signature, scaling, recipe, paths, epochs, seed=seed, ema=ema)
    training.advance()
    return training
