"""The training loop. There is one."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from azora.tasks import Scaling, Signature, Split
from azora.training.batches import Batches
from azora.training.distilling import distilled
from azora.training.link import Link, LinkLost
from azora.training.mode import MODES, Mode
from azora.training.optimiser import Optimiser
from azora.training.recipe import RecipeSettings

CLIP = 5.0
CHECK_EVERY = 16  # steps between looks at the loss: each look waits for the device
RECALIBRATION_ROWS = 1_024  # enough for the mean and spread of a channel, and cheap beside a short training
Watch = Callable[[float, float], bool]  # (progress from 0 to 1, loss) → whether to go on


class TrainingDiverged(RuntimeError):
    """The loss is no number any more."""


@final
class Training:
    """A network in training, that can be put down and taken up.

    The trunk is a warm-up to a constant rate, and what is judged is an average of the weights: so training one epoch
    and then two more is, bit for bit, training three. Only `finish` lets the rate fall to zero; it may follow a trunk
    of any length.

    Args:
        network: takes (B, *shape), gives (B, outputs).
        split: raw rows to learn from.
        scaling: of the raw values.
        seed: of the order of rows, augmentation and dropout.
        teacher: a network in eval mode with the same inputs and outputs (or the first classes alone), on the same
            device; its answers to each batch are half of what is learned, the targets the other half.
    """

    def __init__(
        self,
        network: nn.Module,
        split: Split,
        signature: Signature,
        scaling: Scaling,
        recipe: RecipeSettings,
        *,
        seed: int = 0,
        mode: Mode | None = None,
        device: str = "cpu",
        teacher: nn.Module | None = None,
    ) -> None:
        self.mode, self.device, self.recipe, self.signature = mode or Mode(), device, recipe, signature
        self.teacher = teacher
        self.scaling = scaling.taking(recipe.scaling, recipe.encoding, recipe.imputation)
        self.network = network.to(device)
        if self.mode.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.batches = Batches(
            split, signature, self.scaling, recipe.batch_size, mode=self.mode, seed=seed, device=device
        )
        self.optimiser = Optimiser(self.network, recipe)
        self.average = {name: value.detach().clone() for name, value in self.network.named_parameters()}
        self.step = 0
        self.seconds = 0.0  # of this object's own work
        self.worked = 0  # steps of this object's own work
        self.loss = math.nan
        self.link: Link | None = None
        self.pieces = 1  # a batch is taken in this many, when memory is short

    @property
    def epochs(self) -> float:
        """Epochs trained since the beginning."""
        return self.step / self.batches.steps

    @property
    def numbers(self) -> int:
        """How many numbers its gradients have."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @property
    def epoch_seconds(self) -> float:
        """Seconds an epoch takes here, as measured; NaN before the first step."""
        return self.seconds / self.worked * self.batches.steps if self.worked else math.nan

    def advance(self, epochs: float) -> None:
        """Train on to `epochs` (since the beginning, at least one step) at the trunk's rate.

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
        """
        last = max(1, round(epochs * self.batches.steps))
        self._run(last, lambda: self._warmed(), lambda: True)

    def follow(self, link: Link) -> None:
        """Make the leader's steps with it, on this process's part of every batch, until it ends.

        Raises:
            LinkLost, TrainingDiverged: the leader has gone on alone; the loss became NaN or infinite.
        """
        self.link = link
        rate = 0.0

        def goes_on() -> bool:
            nonlocal rate
            heard = link.hear()
            rate = 0.0 if heard is None else heard[0] / self.recipe.learning_rate
            return heard is not None

        self._run(math.inf, lambda: rate, goes_on)

    def finish(
        self,
        *,
        seconds: float | None = None,
        epochs: float | None = None,
        done: float = 0.0,
        watch: Watch | None = None,
        join: Callable[[], Link | None] = lambda: None,
    ) -> None:
        """Train for `epochs` more or for `seconds`, whichever ends first, the rate falling linearly to zero over the
        last four fifths. Where this share of it was `done` before, it goes on from there.

        Progress is the larger share of the two, so a training that the clock ends has come down to zero as well.
        `watch` is called about twice a second. `join` is asked before every step, until it gives the link to processes
        that take their parts of the batches from then on.

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
        """
        begun, first = time.monotonic(), self.step
        steps = math.inf if epochs is None else max(1, round(epochs * self.batches.steps))
        seen = begun

        def progress() -> float:
            by_clock = 0.0 if seconds is None else (time.monotonic() - begun) / max(seconds, 1e-9)
            return done + (1.0 - done) * max(by_clock, (self.step - first) / steps)

        def goes_on() -> bool:
            nonlocal seen
            if self.link is None:
                self.link = join()
            if watch is not None and time.monotonic() - seen > 0.5:
                seen = time.monotonic()
                if not watch(min(1.0, progress()), self.loss):
                    return False
            return progress() < 1.0

        self._run(math.inf, lambda: self._warmed() * min(1.0, (1.0 - progress()) / 0.8), goes_on)

    def judging_network(self) -> nn.Module:
        """A copy with the averaged weights, its batch normalisations measured anew with them, in eval mode."""
        network = copy.deepcopy(self.network)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(self.average[name])
        self._recalibrate(network)
        return network.eval()

    def state_tensors(self) -> dict[str, Tensor]:
        """All that `load_state` needs to go on exactly here, by name: copies, which going on does not change."""
        state = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        state |= {f"average.{name}": value for name, value in self.average.items()}
        state |= {f"optimiser.{name}": value for name, value in self.optimiser.state().items()}
        state |= {"step": torch.tensor(self.step), "loss": torch.tensor(self.loss, dtype=torch.float64)}
        state["mode"] = torch.tensor(list(MODES).index(self.mode.name))
        # Copies of each, because safetensors takes no two names for one tensor, and a network may have tied weights.
        return {name: torch.as_tensor(value).detach().cpu().contiguous().clone() for name, value in state.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on where `state` was taken.

        Raises:
            KeyError, RuntimeError: it is of another network or recipe.
        """
        self.network.load_state_dict(_under(state, "network."))
        average = _under(state, "average.")
        # In the layout of the weights, which what is kept has lost.
        self.average = {name: torch.empty_like(held).copy_(average[name]) for name, held in self.average.items()}
        self.optimiser.load(_under(state, "optimiser."))
        self.step, self.loss = int(state["step"]), float(state["loss"])

    # Inside -----------------------------------------------------------------------------------------------------

    def _warmed(self) -> float:
        """The share of the rate that the warm-up has reached."""
        return min(1.0, (self.step + 1) / max(1.0, self.recipe.warmup * self.batches.steps))

    def _run(self, last: float, rate: Callable[[], float], goes_on: Callable[[], bool]) -> None:
        self.network.train()
        begun, first, loss = time.perf_counter(), self.step, torch.tensor(math.nan)
        devices = [] if self.device == "cpu" else [self.device]
        with torch.random.fork_rng(devices=devices):
            while self.step < last and goes_on():
                loss = self._step(rate() * self.recipe.learning_rate)
                self.step += 1
                if self.step % CHECK_EVERY == 0:
                    self._look(loss)
        if self.step > first:
            self._look(loss)
        self.seconds += time.perf_counter() - begun
        self.worked += self.step - first

    def _look(self, loss: Tensor) -> None:
        self.loss = float(loss)
        if not math.isfinite(self.loss):
            raise TrainingDiverged(f"the training loss became {self.loss} at step {self.step}")

    def _step(self, rate: float) -> Tensor:
        x, y = self.batches.batch(self.step, self.recipe)
        loss = self._shared_gradients(x, y, rate)
        parameters = self.optimiser.parameters  # the network's, which it takes milliseconds to look for again
        nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
        self.optimiser.step(rate)
        # The average looks back over about a ninth of all steps so far (Polyak & Juditsky, 1992; the growing decay is
        # the usual bias correction), so it follows a short training and steadies a long one.
        weight = 1.0 - min(0.9995, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.values()), [each.detach() for each in parameters], weight)
        return loss

    def _shared_gradients(self, x: Tensor, y: Tensor, rate: float) -> Tensor:
        """The gradient of the whole batch: of this process's part, with those of the others added."""
        link = self.link
        if link is None:
            return self._fitting_gradients(x, y)
        try:
            if link.rank == 0:
                link.tell(rate)
            mine, theirs = (whole.tensor_split(link.count)[link.rank] for whole in (x, y))
            loss = self._fitting_gradients(mine, theirs)
            share = len(mine) / len(x)
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.optimiser.parameters]
            torch._foreach_mul_(gradients, share)
            link.add(gradients)
            return loss
        except LinkLost:
            if link.rank > 0:
                raise
            self.link = None  # whoever was lost is not asked again: `join` gives nothing once it was closed
            return self._fitting_gradients(x, y)

    def _fitting_gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Gradients of a batch, in as many pieces as memory asks for."""
        while True:
            try:
                return self._gradients(x, y)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _out_of_memory(error) or 2 * self.pieces > len(x) // 2:
                    raise
                self.pieces *= 2  # the next batches are taken so too: memory will not have grown

    def _gradients(self, x: Tensor, y: Tensor) -> Tensor:
        self.optimiser.zero_grad()
        total = torch.zeros((), device=self.device)
        for piece, target in zip(x.tensor_split(self.pieces), y.tensor_split(self.pieces), strict=True):
            with self.mode.cast(self.device):
                outputs = self.network(piece)
            loss = self._taught(piece, outputs.float(), self._loss(outputs.float(), target)) * (len(piece) / len(x))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _taught(self, x: Tensor, outputs: Tensor, loss: Tensor) -> Tensor:
        if self.teacher is None:
            return loss
        with torch.no_grad(), self.mode.cast(self.device):
            answers = self.teacher(x).float()
        return (loss + distilled(self.signature, outputs, answers)) / 2

    def _loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.signature.kind == "regression":
            return nn.functional.mse_loss(outputs, y)
        return nn.functional.cross_entropy(outputs, y, label_smoothing=self.recipe.label_smoothing)

    def _recalibrate(self, network: nn.Module) -> None:
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
        if not norms:
            return
        network.eval()  # dropout stays off
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
            norm.train()
        rows = self.batches.some(RECALIBRATION_ROWS)
        size = min(256, len(rows))
        with torch.no_grad(), self.mode.cast(self.device):
            for start in range(0, len(rows) - size + 1, size):
                network(self.batches.plain(rows[start : start + size]))
        for norm in norms:
            norm.momentum = 0.1


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    # PyTorch's CPU allocator raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in text
