"""Speed of the trainer: against a bare loop with the same settings, and the picked mode against all four.

`python benchmarks/speed/trainer.py [SEED]` prints JSON. The bare loop clips, smooths labels, mirrors and moves as the
trainer does; it neither averages weights nor can it be taken up again: that is the trainer's overhead. Who is compared
takes turns, and the figures are medians of each turn's ratio, so that a busy neighbour hits all alike.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from azora.bench.writing import provenance
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Task, from_arrays
from azora.training import MODES, Mode, RecipeSettings, Training, fastest_mode

TURNS, STEPS, BATCH = 7, 8, 64
RECIPE = RecipeSettings(batch_size=BATCH, augmentation=0.5, flip=True, label_smoothing=0.1)
Turn = Callable[[], None]


def task(seed: int) -> Task:
    """Noise of the shape of Fashion-MNIST: speed does not ask what is in a picture."""
    rng = np.random.default_rng(seed)
    return from_arrays(rng.integers(0, 256, (8_000, 28, 28), dtype=np.uint8), np.arange(8_000) % 10)


def network(given: Task, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    space = make_space("cells", given.signature, widths=(16,), depths=(1,))
    return space.build(As(space.sample(random.Random(seed))))


def trainer(given: Task, mode: Mode, seed: int) -> Turn:
    """STEPS steps of azora's own loop."""
    training = Training(network(given, seed), given.train, given.signature, given.scaling, RECIPE, seed=seed, mode=mode)
    return lambda: training.advance((training.step + STEPS) / training.batches.steps)


def bare(given: Task, mode: Mode, seed: int) -> Turn:
    """STEPS steps of the loop that one would write by hand."""
    net = network(given, seed).train()
    layout = torch.channels_last if mode.channels_last else torch.contiguous_format
    net = net.to(memory_format=layout)
    weights = [each for each in net.parameters() if each.ndim > 1]
    others = [each for each in net.parameters() if each.ndim <= 1]
    groups = [{"params": weights, "weight_decay": RECIPE.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, RECIPE.learning_rate, momentum=0.9, nesterov=True, foreach=True)
    mean, spread = float(given.scaling.mean[0]), float(given.scaling.spread[0])
    padded = nn.functional.pad((torch.from_numpy(given.train.x).float() - mean) / spread, (2, 2, 2, 2), "replicate")
    y = torch.from_numpy(given.train.y)

    def step() -> None:
        rows = torch.randint(len(y), (BATCH,))
        down, across = (int(offset) for offset in torch.randint(0, 5, (2,)))
        x = padded[rows, :, down : down + 28, across : across + 28]
        x = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, x.flip(3), x).contiguous(memory_format=layout)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=mode.bf16):
            outputs = net(x)
        loss = nn.functional.cross_entropy(outputs.float(), y[rows], label_smoothing=RECIPE.label_smoothing)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0, foreach=True)
        optimiser.step()

    return lambda: [step() for _ in range(STEPS)] and None


def timed(turns: dict[str, Turn]) -> dict[str, list[float]]:
    """Seconds of each turn by name, after one that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(TURNS + 1):
        for name, turn in turns.items():
            begun = time.perf_counter()
            turn()
            if number:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def main(seed: int) -> None:
    torch.set_num_threads(1)
    given, on = task(seed), provenance()
    # As it is picked for a winner's last training.
    picked = fastest_mode(given.signature, "cpu", lambda: network(given, seed), BATCH)
    pair = timed({"trainer": trainer(given, picked, seed), "bare": bare(given, picked, seed)})
    modes = timed({name: trainer(given, mode, seed) for name, mode in MODES.items()})
    typical = {name: statistics.median(each) for name, each in modes.items()}
    figures = {
        "trainer_over_bare": statistics.median(b / t for t, b in zip(pair["trainer"], pair["bare"], strict=True)),
        "pictures_per_second": BATCH * STEPS / statistics.median(pair["trainer"]),
        "picked_mode": picked.name,
        "picked_over_fastest": min(typical.values()) / typical[picked.name],
        "pictures_per_second_by_mode": {name: BATCH * STEPS / each for name, each in typical.items()},
        "seed": seed,
        "commit": on["commit"],
        "machine": {**on, "threads": 1},
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
