"""What borrowing costs: forward and backward pass of borrowed networks against the same networks standing alone.

`python benchmarks/speed/borrowing.py [SEED [SPACE …]]` prints JSON. Networks of 1 million multiply-accumulates and more
in batches of 64 pictures of 16 × 16. The two take turns pass by pass, and the figures are medians of each turn's ratio:
a busy neighbour hits both alike. A borrowed pass borrows anew, as a training step does, and its backward pass adds the
gradients into the whole's; `structure_ms` is what the first borrowing of an architecture costs beside, and `step_ratio`
compares whole training steps, with the optimiser's. All are seconds of the processor.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from azora.bench.writing import provenance
from azora.networks.complexity import cost
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.space import Architecture, Space
from azora.tasks import Signature
from azora.training import RecipeSettings, SharedOptimiser
from azora.training.optimiser import Optimiser

TURNS, BATCH, LEAST = 9, 64, 1_000_000
SIGNATURE = Signature("classification", (3, 16, 16), 10)
SPACES: dict[str, dict[str, Any]] = {"nb201": {"depth": 1}, "cells": {}, "stages": {}, "darts": {"layers": 3}}
RECIPE = RecipeSettings()


def networks(space: Space, rng: random.Random) -> list[Architecture]:
    """Of 30 random networks of 1 million multiply-accumulates and more, those nearest to 1, 3 and 10 million."""
    found = list[tuple[int, Architecture]]()
    while len(found) < 30:
        architecture = space.sample(rng)
        if (macs := cost(space, architecture)["macs"]) >= LEAST:
            found.append((macs, architecture))
    return [min(found, key=lambda each: abs(each[0] - goal * LEAST))[1] for goal in (1, 3, 10)]


def seconds(work: Callable[[], None]) -> float:
    """Of this process's processor time: others that use the machine lengthen both sides at random."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def learn(network: nn.Module, x: Tensor, y: Tensor) -> None:
    """A forward and a backward pass."""
    nn.functional.cross_entropy(network(x), y).backward()


def compared(shared: SharedWeights, architecture: Architecture, x: Tensor, y: Tensor) -> dict[str, float]:
    """Medians over turns for one architecture."""
    structure = seconds(lambda: shared.borrow(architecture) and None)  # it was not seen before
    alone = shared.extract(architecture).train()
    steps, shared_steps = Optimiser(alone, RECIPE), SharedOptimiser(shared, RECIPE.weight_decay)
    passes, whole = list[float](), list[float]()
    for turn in range(TURNS + 1):
        pair = (
            lambda: learn(shared.borrow(architecture), x, y),
            lambda: learn(alone, x, y),
            lambda: shared_steps.step(1e-4),
            lambda: steps.step(1e-4),
        )
        shared_steps.zero_grad()
        steps.zero_grad()
        order = (0, 1, 2, 3) if turn % 2 else (1, 0, 3, 2)  # who is first finds colder caches
        took = dict(zip(order, [seconds(pair[place]) for place in order], strict=True))
        if turn:
            passes.append(took[0] / took[1])
            whole.append((took[0] + took[2]) / (took[1] + took[3]))
    return {
        "ratio": round(statistics.median(passes), 3),
        "step_ratio": round(statistics.median(whole), 3),
        "structure_ms": round(1e3 * structure, 1),
    }


def main() -> None:
    seed, on = int(sys.argv[1]) if len(sys.argv) > 1 else 0, provenance()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x, y = torch.randn(BATCH, *SIGNATURE.shape), torch.arange(BATCH) % SIGNATURE.outputs
    rows = []
    for name in sys.argv[2:] or SPACES:
        space = make_space(name, SIGNATURE, **SPACES[name])
        shared = SharedWeights(space, seed)
        for architecture in networks(space, random.Random(seed)):
            about = {"space": name, "macs": cost(space, architecture)["macs"]}
            rows.append(about | compared(shared, architecture, x, y))
    found = {
        "benchmark": "borrowing",
        "seed": seed,
        "ratio": round(statistics.median(row["ratio"] for row in rows), 3),
        "worst_ratio": max(row["ratio"] for row in rows),
        "step_ratio": round(statistics.median(row["step_ratio"] for row in rows), 3),
        "networks": rows,
        "commit": on["commit"],
        "machine": {**on, "threads": 1},
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
