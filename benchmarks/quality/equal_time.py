"""azora, random search, and a ResNet written by hand, on the same data for the same time.

`python benchmarks/quality/equal_time.py DATA.npz [--budget 600] [--seeds 3] [--systems azora random resnet]` runs each
system with each seed, one after the other, writes one JSON a run under `benchmarks/results/equal_time/`, and prints all
of them with means. A run that has its file is not run again, so a night can be had in parts. The ResNet trains for the
whole time on all rows but the test's; azora searches and trains within it. All use both cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from azora.bench.writing import provenance

RESULTS = Path(__file__).parents[1] / "results" / "equal_time"


def run_azora(data: Path, seconds: float, seed: int, words: list[str]) -> dict[str, Any]:
    """One search by the command line, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "azora", "search", str(data), "--budget", f"{seconds}s", "--seed", str(seed)]
        command += ["--out", f"{folder}/out", "--no-memory", "--json", "--quiet", *words]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True
        )  # its complaints are for the reader
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return {**json.loads(done.stdout), "out": "", "folder_bytes": disk}


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
    "resnet": run_resnet,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=600.0, help="seconds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=["azora", "random", "resnet"])
    words = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    summary, machine = dict[str, Any](), provenance()
    for system in words.systems:
        runs = []
        for seed in range(words.seeds):
            file = RESULTS / f"{words.data.stem}-{words.budget:g}s-{system}-{seed}.json"
            if not file.exists():
                on, found = provenance(), SYSTEMS[system](words.data, words.budget, seed)
                # `machine` is a figure of the search's own.
                file.write_text(json.dumps({"system": system, "seed": seed, "on": on, **found}, indent=1) + "\n")
            runs.append(json.loads(file.read_text()))
        scores = [run["test_accuracy"] for run in runs]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        summary[system] = {"mean": statistics.mean(scores), "std": spread, "scores": scores}
        summary[system]["seconds"] = [round(run["seconds"], 1) for run in runs]
    print(
        json.dumps({"data": words.data.stem, "budget": words.budget, "machine": machine, "systems": summary}, indent=1)
    )


if __name__ == "__main__":
    main()
