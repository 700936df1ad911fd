"""The training loop. There is one."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.tasks import Scaling, Signature, Split
from azora.training.batches import Batches
from azora.training.mode import Mode
from azora.training.recipe import RecipeSettings
from azora.training.threads import Threads

CLIP = 5.0
CHECK_EVERY = 16  # steps between looks at the loss: each look waits for the device
RECALIBRATION_ROWS = 4_096
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
        threads: numbers of torch threads to choose among while training; none given: as they are.
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
        threads: Sequence[int] = (),
    ) -> None:
        self.threads = Threads(threads or (torch.get_num_threads(),))
        self.mode, self.device, self.recipe, self.signature = mode or Mode(), device, recipe, signature
        self.network = network.to(device)
        if self.mode.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.batches = Batches(split, signature, scaling, recipe.batch_size, mode=self.mode, seed=seed, device=device)
        self.optimiser = _optimiser(self.network, recipe)
        self.average = {name: value.detach().clone() for name, value in self.network.named_parameters()}
        self.step = 0
        self.seconds = 0.0  # of this object's own work
        self.worked = 0  # steps of this object's own work
        self.loss = math.nan
        self.pieces = 1  # a batch is taken in this many, when memory is short

    @property
    def epochs(self) -> float:
        """Epochs trained since the beginning."""
        return self.step / self.batches.steps

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

    def finish(self, *, seconds: float | None = None, epochs: float | None = None, watch: Watch | None = None) -> None:
        """Train for `epochs` more or for `seconds`, whichever ends first, the rate falling linearly to zero over the
        last four fifths.

        Progress is the larger share of the two, so a training that the clock ends has come down to zero as well.
        `watch` is called about twice a second.

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
        """
        begun, first = time.monotonic(), self.step
        steps = math.inf if epochs is None else max(1, round(epochs * self.batches.steps))
        seen = begun

        def progress() -> float:
            by_clock = 0.0 if seconds is None else (time.monotonic() - begun) / max(seconds, 1e-9)
            return max(by_clock, (self.step - first) / steps)

        def goes_on() -> bool:
            nonlocal seen
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
        """All that `load_state` needs to go on exactly here, by name."""
        state = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        state |= {f"average.{name}": value for name, value in self.average.items()}
        for place, values in self.optimiser.state_dict()["state"].items():
            state |= {f"optimiser.{place}.{name}": value for name, value in values.items() if value is not None}
        state["step"] = torch.tensor(self.step)
        return {name: torch.as_tensor(value).detach().cpu().contiguous() for name, value in state.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on where `state` was taken.

        Raises:
            KeyError, RuntimeError: it is of another network or recipe.
        """
        self.network.load_state_dict(_under(state, "network."))
        average = _under(state, "average.")
        self.average = {name: average[name].to(self.device) for name in self.average}
        whole = self.optimiser.state_dict()
        moments: dict[int, dict[str, Any]] = {}
        for name, value in _under(state, "optimiser.").items():
            place, _, moment = name.partition(".")
            moments.setdefault(int(place), {})[moment] = value.clone()
        self.optimiser.load_state_dict({"state": moments, "param_groups": whole["param_groups"]})
        self.step = int(state["step"])

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
                for group in self.optimiser.param_groups:
                    group["lr"] = rate() * self.recipe.learning_rate
                self.threads.before_step()
                at = time.perf_counter()
                loss = self._step()
                self.threads.after_step(time.perf_counter() - at)
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

    def _step(self) -> Tensor:
        x, y = self.batches.batch(self.step, self.recipe)
        while True:
            try:
                loss = self._gradients(x, y)
                break
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _out_of_memory(error) or 2 * self.pieces > len(x) // 2:
                    raise
                self.pieces *= 2  # the next batches are taken so too: memory will not have grown
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP, foreach=True)
        self.optimiser.step()
        # The average looks back over about a ninth of all steps so far (Polyak & Juditsky, 1992; the growing decay is
        # the usual bias correction), so it follows a short training and steadies a long one.
        weight = 1.0 - min(0.9995, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.values()), [each.detach() for each in self.network.parameters()], weight)
        return loss

    def _gradients(self, x: Tensor, y: Tensor) -> Tensor:
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for piece, target in zip(x.tensor_split(self.pieces), y.tensor_split(self.pieces), strict=True):
            with self.mode.cast(self.device):
                outputs = self.network(piece)
            loss = self._loss(outputs.float(), target) * (len(piece) / len(x))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

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
        rows = min(RECALIBRATION_ROWS, len(self.batches.x))
        size = min(256, rows)
        with torch.no_grad(), self.mode.cast(self.device):
            for start in range(0, rows - size + 1, size):
                network(self.batches.plain(start, size))
        for norm in norms:
            norm.momentum = 0.1


def _optimiser(network: nn.Module, recipe: RecipeSettings) -> torch.optim.Optimizer:
    weights = [each for each in network.parameters() if each.ndim > 1]
    others = [each for each in network.parameters() if each.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, recipe.learning_rate, fused=True)
    return torch.optim.SGD(groups, recipe.learning_rate, momentum=0.9, nesterov=True, fused=True)


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    # PyTorch's CPU allocator raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in text
