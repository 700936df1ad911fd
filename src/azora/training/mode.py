"""Number format and memory layout, chosen by measuring: machines differ by a factor of two either way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from azora.cores import cuda_devices
from azora.errors import ConfigError
from azora.machine import keep, processor, recall
from azora.settings import closest
from azora.tasks import Signature

MEASURED_SECONDS = 0.2  # for each of the four modes


def check_device(device: str) -> None:
    """Refuse a device that is not there before anything is begun.

    Raises:
        ConfigError: with what torch finds.
    """
    if device == "cpu":
        return
    found = cuda_devices()
    if int(device.partition(":")[2] or 0) >= found:
        raise ConfigError(f"device {device} is not there: torch {torch.__version__} finds {found} CUDA devices")


def warm_up(device: str) -> None:
    """Have loaded what trains on a CUDA device: its first step takes seconds, which should be no network's."""
    if device != "cpu":
        signature = Signature("classification", (1, 8, 8), 2)
        _trainer(Mode(), signature, device, lambda: _stand_in(signature), 8)()


@dataclass(frozen=True)
class Mode:
    """How numbers are kept while training: `bf16` under autocast or float32, and channels last or first."""

    bf16: bool = False
    channels_last: bool = False

    @property
    def name(self) -> str:
        return ("bf16" if self.bf16 else "float32") + ("-channels-last" if self.channels_last else "")

    @classmethod
    def parse(cls, name: str) -> Mode:
        """The mode called `name`.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in MODES:
            raise ConfigError(f"precision {name!r} is not known; {closest(name, MODES)}")
        return MODES[name]

    def arrange(self, x: Tensor) -> Tensor:
        """`x` in this memory layout."""
        if x.ndim != 4:
            return x
        if x.shape[1] == 1:
            # One channel is both layouts at once, and what follows goes by the strides: they must say which is meant.
            height, width = x.shape[2:]
            strides = (height * width, 1 if self.channels_last else height * width, width, 1)
            return x.reshape(-1).as_strided(x.shape, strides)
        return x.contiguous(memory_format=torch.channels_last if self.channels_last else torch.contiguous_format)

    def cast(self, device: str) -> torch.autocast:
        """The context in which a forward pass runs."""
        return torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=self.bf16)


MODES = {mode.name: mode for mode in (Mode(bf16, last) for bf16 in (False, True) for last in (False, True))}


def choose_mode(name: str, signature: Signature, device: str = "cpu") -> Mode:
    """The mode called `name`; for "measure" the fastest for pictures of this shape here, measured once on a stand-in
    for what the shipped spaces hold, and kept in the user's cache folder. Networks for rows are trained in float32:
    there is nothing to win.
    """
    if name != "measure":
        return Mode.parse(name)
    if not signature.pictures:
        return Mode()
    known, key = recall("modes"), _machine(signature, device)
    if known.get(key) not in MODES:
        found = speeds(signature, device)
        known[key] = max(found, key=lambda mode: found[mode])
        keep("modes", known)
    return MODES[known[key]]


def speeds(
    signature: Signature,
    device: str = "cpu",
    seconds: float = MEASURED_SECONDS,
    make: Callable[[], nn.Module] | None = None,
    batch_size: int = 64,
    rounds: int = 3,
) -> dict[str, float]:
    """Pictures a second of each mode by name: training steps of the network that `make` makes, or of a stand-in for
    what the shipped spaces hold: dense and depthwise convolutions, poolings and sums in three stages.

    The modes take turns, and the best turn of each counts, so that a hiccup of the machine hits all alike.
    """
    steps = {
        name: _trainer(mode, signature, device, make or (lambda: _stand_in(signature)), batch_size)
        for name, mode in MODES.items()
    }
    for step in steps.values():
        step()
    best = dict.fromkeys(steps, 0.0)
    for _ in range(rounds):
        for name, step in steps.items():
            begun, done = time.perf_counter(), 0
            while done == 0 or time.perf_counter() - begun < seconds / rounds:
                step()
                done += 1
            best[name] = max(best[name], batch_size * done / (time.perf_counter() - begun))
    return best


def fastest_mode(
    signature: Signature, device: str, make: Callable[[], nn.Module], batch_size: int, *, brief: bool = False
) -> Mode:
    """The mode in which the network that `make` makes trains fastest here and now. Networks differ too.

    With `brief`, one step of each mode is timed: as good as free beside a training of a hundred steps.
    """
    if not signature.pictures:
        return Mode()
    seconds, rounds = (0.0, 1) if brief else (0.1, 3)
    found = speeds(signature, device, seconds, make, batch_size, rounds)
    return MODES[max(found, key=lambda name: found[name])]


class _Branches(nn.Module):
    """A dense convolution, a depthwise one and a pooling, side by side. (B, C, H, W) → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.depthwise = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 5, 1, 2, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.pool = nn.AvgPool2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = self.dense(x) + self.depthwise(x) + self.pool(x)
        return summed


def _stand_in(signature: Signature) -> nn.Module:
    channels, height, _ = signature.shape
    stride = max(1, height // 32)
    layers: list[nn.Module] = [nn.Conv2d(channels, 16, 3, stride, 1, bias=False), nn.BatchNorm2d(16)]
    for width in (16, 32, 64):
        layers += [_Branches(width), _Branches(width)]
        if width < 64:
            layers += [nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), nn.BatchNorm2d(2 * width)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, signature.outputs))


def _trainer(
    mode: Mode, signature: Signature, device: str, make: Callable[[], nn.Module], batch_size: int
) -> Callable[[], None]:
    network = make().to(device)
    if mode.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = mode.arrange(torch.randn(batch_size, *signature.shape, device=device))

    def step() -> None:
        network.zero_grad(set_to_none=True)
        with mode.cast(device):
            loss = network(x).float().square().mean()
        loss.backward()
        if device != "cpu":
            torch.cuda.synchronize(device)

    return step


def _machine(signature: Signature, device: str) -> str:
    gpu = torch.cuda.get_device_name(device) if device != "cpu" else ""
    shape = "x".join(map(str, signature.shape))
    return f"{processor()} {gpu} torch {torch.__version__} threads {torch.get_num_threads()} shape {shape}"
