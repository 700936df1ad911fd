"""How many distinct architectures a minute are judged on digits by weights that they share.

`python benchmarks/speed/inherited.py [SEED]` prints JSON. Shared weights of `cells` are trained for a few epochs; then
random networks are recalibrated on 1,024 rows and judged on search-validation, each once. `per_minute` is by the clock,
`per_minute_of_processor` by this process's time on the processor, which others that use the machine do not change.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import time

import torch

from azora.evaluation.inherited import Inherited
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.tasks import load_task
from azora.training import fit_shared, make_paths
from azora.trial import Proposal

EPOCHS, JUDGED = 3, 120


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.set_num_threads(1)
    data = load_task("digits", seed=seed).search_data
    space = make_space("cells", data.signature)
    shared, begun = SharedWeights(space, seed), time.process_time()
    trained = fit_shared(
        shared, data.train, data.signature, data.scaling, make_paths("uniform", space), EPOCHS, seed=seed
    )
    epoch = (time.process_time() - begun) / EPOCHS
    evaluate, rng, seen = (
        Inherited(shared, data, trained.calibration(), trained.scaling),
        random.Random(seed),
        set[str](),
    )
    wall, processor, scores = time.perf_counter(), time.process_time(), list[float]()
    while len(seen) < JUDGED:
        architecture = space.sample(rng)
        if architecture.key not in seen:
            seen.add(architecture.key)
            scores.append(evaluate(Proposal(architecture))["accuracy"])
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    found = {
        "benchmark": "inherited",
        "seed": seed,
        "judged": JUDGED,
        "per_minute": round(60 * JUDGED / wall),
        "per_minute_of_processor": round(60 * JUDGED / processor),
        "epoch_seconds_of_processor": round(epoch, 1),
        "accuracy": {"least": min(scores), "mean": sum(scores) / JUDGED, "most": max(scores)},
        "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread",
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
