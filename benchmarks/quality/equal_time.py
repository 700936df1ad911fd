"""azora, random search, and a ResNet written by hand, on the same data for the same time.

`python benchmarks/quality/equal_time.py DATA.npz [--budget 600] [--seeds 3] [--systems azora random resnet]` runs each
system with each seed, one after the other, writes one JSON a run under `benchmarks/results/equal_time/`, and prints all
of them with means. A run that has its file is not run again, so a night can be had in parts; the commits that they are
of are told, and a file of another processor is refused. One that fails has its error there, and the others go on; the
exit code is 1 then, and to have it anew, remove its file. The ResNet trains for the whole time on all rows but the
test's; azora searches and trains within it. All use both cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from keeping import alone, made_on, refuse_elsewhere
from limits import Failed, azora, recorded

from azora.bench.writing import provenance

RESULTS = Path(__file__).parents[1] / "results" / "equal_time"


def run_azora(data: Path, seconds: float, seed: int, words: list[str]) -> dict[str, Any]:
    """One search by the command line, in a process of its own.

    Raises:
        Failed: it ended with an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["search", str(data), "--budget", f"{seconds}s", "--seed", str(seed), "--out", f"{folder}/out"]
        figures = azora([*command, "--no-memory", "--json", "--quiet", *words])
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return {**figures, "out": "", "folder_bytes": disk}


def run_by_hand(data: Path, seconds: float, seed: int) -> dict[str, Any]:
    """The ResNet, in this process.

    Raises:
        Failed: it could not be trained.
    """
    try:
        return run_resnet(data, seconds, seed)
    except Exception as error:
        raise Failed(f"{type(error).__name__}: {error}") from error


def run_resnet(data: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Three stages of two residual blocks, width 16; SGD with Nesterov's momentum 0.9, rate to 0.2 over the first 15 %
    of the time and then linearly to 0, weight decay 5e-4, batch 128, mirroring, moves by 2 pixels, label smoothing 0.1.
    """
    import numpy as np
    import torch
    from torch import nn

    from azora.tasks import load_task
    from azora.training import fastest_mode

    torch.manual_seed(seed)
    task = load_task(data, seed=seed)
    rows, test = task.everything(), task.read_test()
    mean, spread = (torch.tensor(each).reshape(1, -1, 1, 1) for each in (task.scaling.mean, task.scaling.spread))
    x, y = torch.from_numpy(rows.x), torch.from_numpy(rows.y)
    make = resnet_of(task.signature.shape[0], task.signature.outputs)
    begun = time.monotonic()
    mode = fastest_mode(task.signature, "cpu", make, 128)  # the same choice of number format as azora has
    net = make()
    if mode.channels_last:
        net = net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
    steps = 0
    while (progress := (time.monotonic() - begun) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 0.2 * min(progress / 0.15, (1 - progress) / 0.85)
        batch = torch.randint(0, len(x), (128,))
        picture = (x[batch].float() - mean) / spread
        down, across = (int(each) for each in torch.randint(-2, 3, (2,)))
        picture = torch.roll(nn.functional.pad(picture, (2, 2, 2, 2)), (down, across), (2, 3))[:, :, 2:-2, 2:-2]
        mirrored = torch.rand(128) < 0.5
        picture[mirrored] = picture[mirrored].flip(3)
        optimiser.zero_grad(set_to_none=True)
        with mode.cast("cpu"):
            out = net(mode.arrange(picture))
        nn.functional.cross_entropy(out.float(), y[batch], label_smoothing=0.1).backward()
        optimiser.step()
        steps += 1
    trained = time.monotonic() - begun
    net.eval()
    with torch.no_grad():
        answers = torch.cat(
            [net(((part.float()) - mean) / spread).argmax(1) for part in torch.from_numpy(test.x).split(256)]
        )
    return {
        "test_accuracy": float((answers.numpy() == test.y).mean()),
        "seconds": trained,
        "epochs": 128 * steps / len(x),
        "parameters": sum(each.numel() for each in net.parameters()),
        "precision": mode.name,
        "rows": int(np.asarray(len(x))),
    }


def resnet_of(channels: int, classes: int) -> Any:
    import torch
    from torch import Tensor, nn

    class Block(nn.Module):
        """Two convolutions and a shortcut (He et al., 2016)."""

        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.way = nn.Sequential(
                nn.Conv2d(before, after, 3, stride, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.Conv2d(after, after, 3, 1, 1, bias=False),
                nn.BatchNorm2d(after),
            )
            self.shortcut = nn.Sequential()
            if before != after:
                self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.way(x) + self.shortcut(x))

    def make() -> nn.Module:
        layers: list[nn.Module] = [nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        for before, after, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
            layers += [Block(before, after, stride), Block(after, after, 1)]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))

    return make


SYSTEMS = {
    "azora": lambda data, seconds, seed: run_azora(data, seconds, seed, []),
    "random": lambda data, seconds, seed: run_azora(data, seconds, seed, ["--strategy", "random"]),
    "fixed-recipe": lambda data, seconds, seed: run_azora(data, seconds, seed, ["--no-recipe"]),
    "resnet": run_by_hand,
}


def file_of(data: Path, seconds: float, system: str, seed: int) -> Path:
    return RESULTS / f"{data.stem}-{seconds:g}s-{system}-{seed}.json"


def run_of(data: Path, seconds: float, system: str, seed: int) -> dict[str, Any]:
    """What the file of a run says; where there is none, it is run first."""
    running = partial(SYSTEMS[system], data, seconds, seed)
    return recorded(file_of(data, seconds, system, seed), {"system": system, "seed": seed}, running)


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the runs of a system that did not fail, and why the others did."""
    good = [run for run in runs if "error" not in run]
    scores = [run["test_accuracy"] for run in good]
    return {
        "mean": statistics.mean(scores) if scores else None,
        "std": statistics.stdev(scores) if len(scores) > 1 else 0.0,
        "scores": scores,
        "seconds": [round(run["seconds"], 1) for run in good],
        "failed": {run["seed"]: run["error"] for run in runs if "error" in run},
    }


def measured(words: argparse.Namespace) -> int:
    """The exit code, after all runs that have no file, and what is printed of all."""
    asked, machine = (words.data, words.budget), provenance()
    refuse_elsewhere([file_of(*asked, each, seed) for each in words.systems for seed in range(words.seeds)], machine)
    runs = {each: [run_of(*asked, each, seed) for seed in range(words.seeds)] for each in words.systems}
    on = made_on(RESULTS, [run for own in runs.values() for run in own])
    systems = {system: summary(own) for system, own in runs.items()}
    told = {"data": words.data.stem, "budget": words.budget, "machine": machine, "runs on": on, "systems": systems}
    print(json.dumps(told, indent=1))
    return int(any(own["failed"] for own in systems.values()))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=600.0, help="seconds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=["azora", "random", "resnet"])
    words = parser.parse_args()
    with alone("equal_time.py"):
        return measured(words)


if __name__ == "__main__":
    sys.exit(main())
