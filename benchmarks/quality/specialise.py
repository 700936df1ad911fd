"""Networks for five limits out of one training, against the same networks trained by themselves.

`python benchmarks/quality/specialise.py OUT DATA` takes, from the folder of a search with `--strategy ofa` on DATA,
networks within 1, 0.56, 0.32, 0.18 and 0.1 times the multiply-accumulates of the largest that the search could have
chosen, and prints JSON: how long each took, how it does on search-validation and test without any training of its own,
and how the same network does after as many epochs on search-train as the shared weights had, by the usual recipe. The
test split decides nothing here: it is read for the figures.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from azora.automl.setting import find_task
from azora.automl.specialise import Specialised, Specialiser
from azora.bench.writing import provenance
from azora.evaluation.trained import start_training
from azora.networks.complexity import cost
from azora.tasks import Scaling, Split, Task, evaluate
from azora.training import outputs
from azora.trial import Limit

SHARES = (1.0, 0.56, 0.32, 0.18, 0.1)


def accuracies(network: nn.Module, scaling: Scaling, task: Task, splits: Mapping[str, Split]) -> dict[str, float]:
    """On each of the splits."""
    return {
        name: evaluate(task.signature, outputs(network, split.x, task.signature, scaling), split.y, ())["accuracy"]
        for name, split in splits.items()
    }


def alone(
    specialiser: Specialiser, made: Specialised, task: Task, splits: Mapping[str, Split], epochs: float
) -> dict[str, float]:
    """The same network, trained by itself for so many epochs."""
    training = start_training(
        specialiser.space, made.architecture, task.search_data, specialiser.about["seed"], "measure", "cpu"
    )
    training.finish(epochs=epochs)
    return accuracies(training.judging_network(), training.scaling, task, splits)


def main() -> None:
    out, data, on = Path(sys.argv[1]), sys.argv[2], provenance()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    specialiser = Specialiser(out)
    opened = time.perf_counter() - begun
    largest = max(cost(specialiser.space, each)["macs"] for each in specialiser.reports)
    limits = [Limit("macs", share * largest) for share in SHARES]
    networks = [specialiser.specialise([limit]) for limit in limits]
    whole = time.perf_counter() - begun
    task = find_task(data, specialiser.about["seed"])
    epochs = json.loads((out / "result.json").read_text(encoding="utf-8"))["one_shot"]["epochs"]
    splits = {"validation": task.validation, "test": task.read_test()}
    rows: list[dict[str, Any]] = []
    for share, made in zip(SHARES, networks, strict=True):
        inherited = accuracies(made.network, made.scaling, task, splits)
        trained = alone(specialiser, made, task, splits, epochs)
        rows.append(
            {
                "share": share,
                "macs": made.cost["macs"],
                "params": made.cost["params"],
                "seconds": round(made.seconds, 1),
                "inherited": inherited,
                "trained_alone": trained,
                "points_behind_on_test": round(100 * (trained["test"] - inherited["test"]), 2),
            }
        )
        print(f"macs {made.cost['macs']:,}: {rows[-1]}", file=sys.stderr)
    found = {
        "benchmark": "specialise",
        "data": task.name,
        "seed": specialiser.about["seed"],
        "shared_epochs": round(epochs, 2),
        "judged_before": len(specialiser.reports),
        "seconds_to_open": round(opened, 1),
        "seconds_in_all": round(whole, 1),
        "networks": rows,
        "commit": on["commit"],
        "machine": {**on, "threads": 1},
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
