"""Whether a hypernetwork's weights rank architectures as training them does.

`python benchmarks/quality/smash_rank.py SPACE [--seeds 0 1 2] [--epochs 40] [--real-epochs 5]` trains, for each seed, a
`Hypernetwork` of SPACE (`mlp`, `cells`: with the settings below) on digits, an architecture a step, draws fifty
distinct architectures, and judges each on search-validation: with the weights written for it, with those of an
untrained hypernetwork, and trained for real (the same recipe for all, mean of two trainings). It prints Spearman's ρ
with the trained accuracy, its 95 % interval over resampled architectures, and by how much it is above the untrained
hypernetwork's. Beside them stand what `bases=0` gives (normalised weights that all share), the count of parameters,
which is free, and the agreement of the two real trainings with each other.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from azora.bench.writing import provenance
from azora.evaluation.inherited import Inherited
from azora.networks.complexity import cost
from azora.networks.decide import As
from azora.networks.hypernetwork import Hypernetwork
from azora.networks.registry import make_space
from azora.space import Architecture, Space
from azora.tasks import SearchData, load_task
from azora.training import RecipeSettings, SharedTraining, Training, make_paths, outputs
from azora.training.fit_shared import HYPER_RATE
from azora.trial import Proposal

# Widths from 4: with the shipped ones nearly all come to the same 94 %, give or take what 288 rows can tell apart.
SETTINGS: dict[str, dict[str, Sequence[object] | int]] = {
    "mlp": {"widths": (4, 8, 16, 32, 64)},
    "mlp-shipped": {},
    "cells": {
        "nodes": 2,
        "operations": ("conv_3x3", "depthwise_conv_3x3", "max_pool_3x3", "skip_connect", "none"),
        "stages": 2,
        "widths": (4, 8, 16),
        "depths": (1,),
        "shrinks": (1,),
    },
}
REAL = RecipeSettings(augmentation=0.0, label_smoothing=0.0)
TRAININGS = 2
RESAMPLED = 2_000
Numbers = NDArray[np.float64]


def distinct(space: Space, count: int, seed: int) -> list[Architecture]:
    rng, found = random.Random(f"smash {seed}"), dict[str, Architecture]()
    while len(found) < count:
        architecture = space.sample(rng)
        found[architecture.key] = architecture
    return list(found.values())


def trained(space: Space, architecture: Architecture, data: SearchData, epochs: float, seed: int) -> float:
    """Accuracy on search-validation after a training for real."""
    torch.manual_seed(seed)
    network = space.build(As(architecture))
    training = Training(network, data.train, data.signature, data.scaling, REAL, seed=seed)
    training.finish(epochs=epochs)
    found = outputs(training.judging_network(), data.validation.x, data.signature, data.scaling)
    return float((found.argmax(1) == data.validation.y).mean())


def written(
    hyper: Hypernetwork, architectures: list[Architecture], data: SearchData, epochs: float, seed: int
) -> tuple[dict[str, Numbers], float]:
    """Scores, higher is better, by accuracy and by loss; and the seconds that training the hypernetwork took."""
    recipe, paths = replace(REAL, learning_rate=HYPER_RATE), make_paths("uniform", hyper.space)
    training = SharedTraining(
        hyper, data.train, data.signature, data.scaling, recipe, paths, max(epochs, 1.0), seed=seed
    )
    begun = time.process_time()
    training.advance(epochs)
    seconds = time.process_time() - begun
    judge = Inherited(hyper, data, training.calibration(), also=["loss"])
    judged = [judge(Proposal(architecture)) for architecture in architectures]
    return {
        "accuracy": np.array([each["accuracy"] for each in judged]),
        "loss": -np.array([each["loss"] for each in judged]),
    }, seconds


def rho(first: Numbers, second: Numbers) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


def resampled(truth: Numbers, score: Numbers, other: Numbers, seed: int) -> dict[str, list[float]]:
    """Middle 95 % over resampled architectures, of the score's ρ and of what it is above the other's."""
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(0, len(truth), len(truth)) for _ in range(RESAMPLED)]
    pairs = np.array([(rho(score[rows], truth[rows]), rho(other[rows], truth[rows])) for rows in drawn])
    ends = np.quantile(np.column_stack([pairs[:, 0], pairs[:, 0] - pairs[:, 1]]), [0.025, 0.975], axis=0)
    return {"interval": [round(x, 3) for x in ends[:, 0]], "above_untrained": [round(x, 3) for x in ends[:, 1]]}


def one(name: str, seed: int, words: argparse.Namespace) -> Mapping[str, object]:
    data = load_task("digits", seed=seed).search_data
    space = make_space(name.split("-")[0], data.signature, **SETTINGS[name])
    architectures = distinct(space, words.architectures, seed)
    begun = time.process_time()
    each = np.array(
        [
            [trained(space, architecture, data, words.real_epochs, training) for training in range(TRAININGS)]
            for architecture in architectures
        ]
    )
    real_seconds, truth = time.process_time() - begun, each.mean(1)
    scores, seconds = {}, {}
    for title, bases, epochs in (
        ("hypernetwork", words.bases, words.epochs),
        ("untrained", words.bases, 0.0),
        ("no bases", 0, words.epochs),
    ):
        hyper = Hypernetwork(space, seed, bases)
        scores[title], seconds[title] = written(hyper, architectures, data, epochs, seed)
    found: dict[str, object] = {
        title: {
            "by_accuracy": round(rho(score["accuracy"], truth), 3),
            "by_loss": round(rho(score["loss"], truth), 3),
            "accuracies": [round(float(x), 3) for x in np.quantile(score["accuracy"], [0, 0.5, 1])],
        }
        for title, score in scores.items()
    }
    for by in ("accuracy", "loss"):
        found[f"resampled_by_{by}"] = resampled(truth, scores["hypernetwork"][by], scores["untrained"][by], seed)
    parameters = np.array([cost(space, architecture)["params"] for architecture in architectures])
    return {
        "seed": seed,
        "rows": len(data.train),
        "trained": {
            "accuracies": [round(float(x), 3) for x in np.quantile(truth, [0, 0.5, 1])],
            "spread": round(float(truth.std()), 4),
            "of_a_training": round(float((each[:, 0] - each[:, 1]).std() / np.sqrt(2)), 4),
            "agreement": round(rho(each[:, 0], each[:, 1]), 3),
        },
        **found,
        "parameters": round(rho(parameters, truth), 3),
        "seconds_of_processor": {"real": round(real_seconds, 1), **{k: round(v, 1) for k, v in seconds.items()}},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("space", choices=SETTINGS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--architectures", type=int, default=50)
    parser.add_argument("--epochs", type=float, default=40.0)
    parser.add_argument("--real-epochs", type=float, default=5.0)
    parser.add_argument("--bases", type=int, default=8)
    words, on = parser.parse_args(), provenance()
    torch.set_num_threads(1)
    runs = [one(words.space, seed, words) for seed in words.seeds]
    about = {
        "benchmark": "smash_rank",
        "task": "digits",
        **{name: value for name, value in vars(words).items() if name != "seeds"},
        "settings": SETTINGS[words.space],
        "recipe": asdict(REAL),
        "commit": on["commit"],
        "machine": {**on, "threads": 1},
    }
    print(json.dumps({**about, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
