"""How many distinct architectures a minute are judged on digits by weights that they share.

`python benchmarks/speed/inherited.py [SEED [SPACE [PROCESSES [ROWS]]]]` prints JSON. Shared weights of the space
(`cells`; the name of a method stands for the space that it brings) are trained for a few epochs; then, in each of two
processes of one thread, random networks are recalibrated on ROWS rows (the default of a search; 0: on those that are
judged, in the same pass) and judged on search-validation, each once, in the number format that is fastest here.
`per_minute` is of all processes by the clock, `per_minute_of_processor` of one by its time on the processor, which
others that use the machine change less. `tau` is how far the first 40 judgements agree in rank with those of float32
after recalibration on 1,024 rows (Kendall's, by accuracy and by loss).
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from scipy.stats import kendalltau

from azora.bench.writing import provenance
from azora.evaluation.inherited import Inherited
from azora.methods import find_method
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.space import Architecture, Space
from azora.tasks import load_task
from azora.training import Mode, RecipeSettings, SharedTraining, choose_mode, make_paths
from azora.training.fit_shared import RECALIBRATION_ROWS
from azora.trial import Proposal

EPOCHS, JUDGED, COMPARED = 10, 120, 40

Scores = list[dict[str, float]]


def training(seed: int, name: str, mode: Mode) -> SharedTraining:
    """Of shared weights that have learned nothing yet."""
    data = load_task("digits", seed=seed).search_data
    method = find_method(name, {})
    name, settings = (name, {}) if method is None else method.space(data.signature) or (name, {})
    space = make_space(name, data.signature, **settings)
    recipe = RecipeSettings(augmentation=0.0, label_smoothing=0.0)
    paths = make_paths("uniform", space)
    return SharedTraining(
        SharedWeights(space, seed),
        data.train,
        data.signature,
        data.scaling,
        recipe,
        paths,
        EPOCHS,
        seed=seed,
        mode=mode,
    )


def distinct(space: Space, count: int, seed: str) -> list[Architecture]:
    """So many random architectures, each once."""
    rng, found = random.Random(seed), dict[str, Architecture]()
    while len(found) < count:
        architecture = space.sample(rng)
        found[architecture.key] = architecture
    return list(found.values())


def judged(
    trained: SharedTraining, architectures: list[Architecture], rows: int, seed: int
) -> tuple[Scores, float, float]:
    """Their scores, and the seconds by the clock and of the processor."""
    data = load_task("digits", seed=seed).search_data
    calibration = trained.calibration(rows) if rows else None
    evaluate = Inherited(trained.shared, data, calibration, trained.scaling, trained.mode, also=["loss"])
    evaluate(Proposal(trained.shared.space.sample(random.Random("warm"))))
    wall, processor = time.perf_counter(), time.process_time()
    scores = [dict(evaluate(Proposal(architecture))) for architecture in architectures]
    return scores, time.perf_counter() - wall, time.process_time() - processor


def work(file: str, seed: int, name: str, mode: Mode, rows: int, process: int) -> tuple[Scores, float, float]:
    """What one process does."""
    torch.set_num_threads(1)
    trained = training(seed, name, mode)
    trained.load_state(torch.load(file))
    return judged(trained, distinct(trained.shared.space, JUDGED, f"{seed}:{process}"), rows, seed)


def main() -> None:
    seed, name, processes, rows = (*sys.argv[1:], *("0", "cells", "2", str(RECALIBRATION_ROWS))[len(sys.argv) - 1 :])
    torch.set_num_threads(1)
    on = provenance()
    mode = choose_mode("measure", load_task("digits").signature)
    begun, trained = time.process_time(), training(int(seed), name, mode)
    trained.advance()
    epoch = (time.process_time() - begun) / EPOCHS
    with TemporaryDirectory() as folder:
        file = str(Path(folder) / "shared.pt")
        torch.save(trained.state_tensors(), file)
        with multiprocessing.get_context("spawn").Pool(int(processes)) as pool:
            given = [(file, int(seed), name, mode, int(rows), process) for process in range(int(processes))]
            found = pool.starmap(work, given, chunksize=1)
    plain = training(int(seed), name, Mode())
    plain.load_state(trained.state_tensors())
    compared = distinct(plain.shared.space, JUDGED, f"{seed}:0")[:COMPARED]
    reference, _, _ = judged(plain, compared, 1_024, int(seed))
    accuracies = [each["accuracy"] for scores, _, _ in found for each in scores]
    about = {
        "benchmark": "inherited",
        "seed": int(seed),
        "space": name,
        "processes": int(processes),
        "rows": int(rows),
        "mode": mode.name,
        "judged": len(accuracies),
        "per_minute": round(60 * len(accuracies) / max(wall for _, wall, _ in found)),
        "per_minute_of_processor": round(60 * len(accuracies) / sum(each for _, _, each in found)),
        "epoch_seconds_of_processor": round(epoch, 1),
        "accuracy": {"least": min(accuracies), "mean": sum(accuracies) / len(accuracies), "most": max(accuracies)},
        "tau": {metric: agreement(found[0][0], reference, metric) for metric in ("accuracy", "loss")},
        "commit": on["commit"],
        "machine": {**on, "threads": 1},
    }
    print(json.dumps(about, indent=2))


def agreement(scores: Scores, reference: Scores, metric: str) -> float:
    """Kendall's τ of the first scores with the reference's."""
    first = scores[: len(reference)]
    return round(kendalltau([each[metric] for each in first], [each[metric] for each in reference])[0], 3)


if __name__ == "__main__":
    main()
