"""A step of DARTS' search, of the logits and then of the weights: azora's mixture against a plain one.

`python benchmarks/speed/darts_step.py [--width 16] [--layers 8] [--batch 64] [--size 32] [--steps 5] [--seed 0]` prints
JSON; the published setting is the default, and takes a quarter of an hour.

`plain` is what the authors' code does (Liu et al., 2019, first order), written here: every operation is a module of its
own with its own rectifier, convolutions and normalisations without scale and shift, channels first; the results are
weighed by the softmax of the logits and added up; both halves of a step take all gradients. `plain_last` is the same
with channels last. `ours` is `azora.networks.mixture.Relaxed` with the softmax of all operations, `gumbel` the same
with a single path (GDAS). The weights and logits are the same in all, batches are noise.

Each runs in a process of its own, on one thread and in single precision; after a step that warms up they take turns,
step by step, as a processor can be a fifth slower for minutes; only `plain_last` comes after the others, for there is
no memory for all. `seconds` are of the processor, the median of the steps; ratios are the median of those to the plain
step of the same turn (`turns`). `peak_mib` is how far the resident memory rose above what it was with the network and
the batches in place, before the first step. The differences are of the outputs, the gradient of the logits and the
gradients of the weights, at the same first weights, each relative to the largest number of the plain tensor: of ours
from plain, and for comparison of the plain one from itself with channels last. In single precision on the whole batch,
where a rounding may turn a rectifier or a largest number over; `double` are of a few pictures in double precision.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from azora.bench.writing import provenance
from azora.networks.darts import Darts
from azora.networks.decide import Make, OfChannels, Undecided
from azora.networks.mixture import Relaxed
from azora.networks.relaxation import Moment, Relaxation
from azora.space import Categorical, Space
from azora.tasks import Signature
from azora.training.bilevel import first_order

CONTENDERS = ("plain", "ours", "gumbel", "plain_last")
FEW = 4
Found = dict[str, Any]


class Block(nn.Sequential):
    """Rectifier, depthwise, 1 × 1, normalisation."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, stride, padding, dilation, channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels, affine=False),
        )


class Halves(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(channels, channels // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(channels, channels - channels // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        shifted = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        normed: Tensor = self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))
        return normed


class Nothing(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


def operation(name: str, channels: int, stride: int) -> nn.Module:
    """As in the authors' code."""
    kernel = int(name[-1]) if name[-1].isdigit() else 0
    if name.startswith("sep_conv"):
        return nn.Sequential(Block(channels, kernel, stride, 1), Block(channels, kernel, 1, 1))
    if name.startswith("dil_conv"):
        return Block(channels, kernel, stride, 2)
    norm = nn.BatchNorm2d(channels, affine=False)
    if name == "max_pool_3x3":
        return nn.Sequential(nn.MaxPool2d(3, stride, 1), norm)
    if name == "avg_pool_3x3":
        return nn.Sequential(nn.AvgPool2d(3, stride, 1, count_include_pad=False), norm)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else Halves(channels)
    return Nothing(stride)


class MixedOperation(nn.Module):
    """The weighed sum of all operations, each run alone."""

    def __init__(self, choice: str, operations: list[nn.Module], weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.choice, self.operations, self.weights = choice, nn.ModuleList(operations), weights

    def forward(self, x: Tensor) -> Tensor:
        pairs = zip(self.weights[self.choice], self.operations, strict=True)
        summed: Tensor = sum(weight * each(x) for weight, each in pairs)
        return summed


class Plain(Undecided):
    """Builds a space's network with `MixedOperation`s."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.choices, self.weights = space.choices, dict[str, Tensor]()

    def module(self, name: str, make: Make) -> nn.Module:
        choice = self.choices[name]
        assert isinstance(choice, Categorical) and isinstance(make, OfChannels)
        stride = int(make("none").stride)  # type: ignore[arg-type]
        made = [operation(str(value), make.channels, stride) for value in choice.values]
        return MixedOperation(name, made, self.weights)


@dataclass(frozen=True)
class Contender:
    """`draw(step, learns)` says what a pass does; `full`: a step of the logits takes the weights' gradients too."""

    network: nn.Module
    weights: list[nn.Parameter]
    logits: nn.Parameter
    draw: Callable[[int, bool], None]
    full: bool

    def loss(self, x: Tensor, y: Tensor, step: int, learns: bool) -> Tensor:
        self.draw(step, learns)
        return nn.functional.cross_entropy(self.network(x), y)


def contender(name: str, space: Space, seed: int) -> Contender:
    relaxed = Relaxed(space, Relaxation("gumbel" if name == "gumbel" else "softmax"), seed=seed).train()
    weights, logits = [each for each in relaxed.parameters() if each.requires_grad], relaxed.logits
    if not name.startswith("plain"):

        def draw(step: int, learns: bool) -> None:
            relaxed.draw(Moment(0.5, learns, torch.Generator().manual_seed(2 * step + learns)))

        return Contender(relaxed.to(memory_format=torch.channels_last), weights, logits.values, draw, False)
    network = space.build(plain := Plain(space)).train()
    own = list(network.parameters())
    with torch.no_grad():
        for each, weight in zip(own, weights, strict=True):
            each.copy_(weight)

    def softmax(step: int, learns: bool) -> None:
        plain.weights.update({choice: torch.softmax(logits[choice], 0) for choice in logits})

    layout = torch.channels_last if name == "plain_last" else torch.contiguous_format
    return Contender(network.to(memory_format=layout), own, logits.values, softmax, True)


def compared(given: Contender, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """What a first pass says: the same of all that do the same."""
    given.draw(0, True)
    outputs = given.network(x)
    loss = nn.functional.cross_entropy(outputs, y)
    logits, *weights = torch.autograd.grad(loss, [given.logits, *given.weights], allow_unused=True)
    found = {"outputs": outputs.detach(), "logits": logits}
    return found | {str(place): each for place, each in enumerate(weights) if each is not None}


def doubled(given: Contender, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """The same of a few pictures in double precision."""
    given.network.double()
    given.logits.data = given.logits.data.double()
    return compared(given, x[:FEW].double(), y[:FEW])


def take_turns(name: str, space: Space, about: argparse.Namespace, file: Path) -> None:
    """Of one contender, in this process: a step for each line that comes in, whose seconds go out; then the peak."""
    given = contender(name, space, about.seed)
    torch.manual_seed(about.seed)
    layout = torch.channels_last if name != "plain" else torch.contiguous_format
    pairs = [
        (
            torch.randn(about.batch, 3, about.size, about.size).contiguous(memory_format=layout),
            torch.arange(about.batch) % 10,
        )
        for _ in range(2)
    ]
    adam = torch.optim.Adam([given.logits], 3e-4, (0.5, 0.999), weight_decay=1e-3)
    sgd = torch.optim.SGD(given.weights, 0.025, 0.9, weight_decay=3e-4)
    before, first = peak(), compared(given, *pairs[0])
    both(given, pairs, adam, sgd, 0)
    print("ready", flush=True)
    for step, _ in enumerate(sys.stdin, start=1):
        begun = time.process_time()
        both(given, pairs, adam, sgd, step)
        print(time.process_time() - begun, flush=True)
    print(round(peak() - before))
    torch.save({"single": first, "double": doubled(contender(name, space, about.seed), *pairs[0])}, file)


def both(
    given: Contender, pairs: list[Any], adam: torch.optim.Optimizer, sgd: torch.optim.Optimizer, step: int
) -> None:
    """A step of the logits, then one of the weights."""

    def validation() -> Tensor:
        return given.loss(*pairs[0], step, True)

    if given.full:
        adam.zero_grad()
        validation().backward()
    else:
        given.logits.grad = first_order(validation, given.logits)[1]
    adam.step()
    sgd.zero_grad()
    given.loss(*pairs[1], step, False).backward()
    nn.utils.clip_grad_norm_(given.weights, 5.0)
    sgd.step()


def peak() -> float:
    """The most memory this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def differences(first: Path, second: Path) -> dict[str, dict[str, float]]:
    """The largest of each kind, relative to the largest number of the second one's tensor."""
    ours, plain = torch.load(first), torch.load(second)
    found: dict[str, dict[str, float]] = {}
    for precision, tensors in plain.items():
        kinds = found.setdefault(precision, {})
        for name, tensor in tensors.items():
            kind = name if name in ("outputs", "logits") else "weights"
            relative = float((ours[precision][name] - tensor).abs().max() / tensor.abs().max())
            kinds[kind] = max(kinds.get(kind, 0.0), relative)
    return found


class Alone:
    """A contender in a process of its own."""

    def __init__(self, name: str, folder: str) -> None:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name, "--file", f"{folder}/{name}.pt"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.steps = list[float]()
        self.said()

    def said(self) -> str:
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise SystemExit(f"a contender ended with {self.process.wait()}")
        return line

    def step(self) -> None:
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        self.steps.append(float(self.said()))

    def figures(self) -> Found:
        peak_mib = int(self.process.communicate()[0])
        steps = [round(each, 3) for each in self.steps]
        return {"seconds": statistics.median(steps), "peak_mib": peak_mib, "steps": steps}


def in_turns(names: tuple[str, ...], folder: str, steps: int) -> dict[str, Found]:
    """The figures of these contenders, which take turns."""
    processes = {name: Alone(name, folder) for name in names}
    for _ in range(steps):
        for each in processes.values():
            each.step()
    return {name: each.figures() for name, each in processes.items()}


def settings() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name, value in {"width": 16, "layers": 8, "batch": 64, "size": 32, "steps": 5, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--only", choices=CONTENDERS)
    parser.add_argument("--file", type=Path)
    return parser.parse_args()


def main() -> None:
    about = settings()
    torch.set_num_threads(1)
    space = Darts(Signature("classification", (3, about.size, about.size), 10), about.width, about.layers, none=True)
    if about.only:
        take_turns(about.only, space, about, about.file)
        return
    on = provenance()
    with tempfile.TemporaryDirectory() as folder:
        figures = in_turns(("plain", "ours", "gumbel"), folder, about.steps)
        figures |= in_turns(("plain_last",), folder, about.steps)
        files = {name: Path(folder) / f"{name}.pt" for name in CONTENDERS}
        apart = {name: differences(files[name], files["plain"]) for name in ("ours", "plain_last")}
    plain = figures["plain"]
    for each in figures.values():
        each["turns"] = [round(one / other, 4) for one, other in zip(each["steps"], plain["steps"], strict=True)]
    found = {
        "benchmark": "darts_step",
        **{name: getattr(about, name) for name in ("width", "layers", "batch", "size", "seed")},
        **figures,
        "time_ratios": {name: statistics.median(each["turns"]) for name, each in figures.items()},
        "memory_ratios": {name: round(each["peak_mib"] / plain["peak_mib"], 4) for name, each in figures.items()},
        "differences": apart,
        "commit": on["commit"],
        "machine": {**on, "threads": 1},
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
