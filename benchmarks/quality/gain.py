"""How much quicker what is found under a hard latency limit is than a ResNet written by hand, and how accurate.

`python benchmarks/quality/gain.py DATA.npz [--budget 600] [--seeds 3] [--faster 2 3] [--strategy halving] [--target
onnxruntime]` takes the ResNet of `equal_time.py` (trained for the whole budget on all rows but the test's; its runs
there are used), times it on the target, and for each factor and seed searches for the same time. What ships may be
measured 5 % beyond a limit, so the limit is the ResNet's time by the factor and by 1.05: what is found is so much
faster after all. The predictor is made first (`azora target build`, five minutes at most) and is not part of the
budget, nor is it for `limits.py`. One JSON a run under `benchmarks/results/gain/`; a run that has its file is not run
again, and one that was interrupted is gone on with, within the limit that it began with (`--keep` has it beside the
run's folder). One that fails has its error in its file, and the exit code is 1. In the end all that was shipped is
timed once more, in turns with the ResNet. Accuracies are of the test split, differences by seed; ± is 95 % (t).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equal_time import RESULTS as TRAINED
from equal_time import resnet_of, run_resnet
from keeping import write
from limits import Model, model_in, predictor_of, recorded, search, space_of, stem_of, those_there, timed
from scipy.stats import t

from azora.automl.last_training import TOLERANCE
from azora.bench.writing import provenance

if TYPE_CHECKING:
    from azora.hardware import Target

RESULTS = Path(__file__).parents[1] / "results" / "gain"


def resnet_runs(words: argparse.Namespace) -> list[float]:
    """Its test accuracy, by seed."""
    found = []
    for seed in range(words.seeds):
        file = TRAINED / f"{words.data.stem}-{words.budget:g}s-resnet-{seed}.json"
        if not file.is_file():
            on, figures = provenance(), run_resnet(words.data, words.budget, seed)
            write(file, {"system": "resnet", "seed": seed, "on": on, **figures})
        found.append(json.loads(file.read_text())["test_accuracy"])
    return found


def resnet_file(words: argparse.Namespace) -> Path:
    """The ResNet in ONNX; its weights are as it begins with, on which its time does not depend."""
    from azora.export import export_onnx
    from azora.tasks import load_task

    file, task = words.keep / f"{words.data.stem}-resnet.onnx", load_task(words.data)
    if not file.is_file():
        network = resnet_of(task.signature.shape[0], task.signature.outputs)().eval()
        export_onnx(network, task.signature, task.scaling, file, task.everything().x[:64])
    return file


def by_hand(words: argparse.Namespace) -> Model:
    """The ResNet, as a target takes it."""
    from azora.hardware import Deployable
    from azora.tasks import load_task

    task = load_task(words.data)
    network = resnet_of(task.signature.shape[0], task.signature.outputs)().eval()
    return Model(Deployable(network, task.signature, task.scaling), resnet_file(words))


def limit_of(words: argparse.Namespace, stem: str, factor: float, target: Target, resnet: Model) -> dict[str, float]:
    """The ResNet's time just before the run, and the limit that follows: what the run began with, if it has."""
    file = words.keep / f"{stem}.json"
    if not file.is_file():
        (ms,) = timed(target, [resnet])
        write(file, {"resnet_ms": ms, "limit_ms": round(ms / (factor * (1.0 + TOLERANCE)), 4)})
    found: dict[str, float] = json.loads(file.read_text())
    return found


def run(words: argparse.Namespace, target: Target, resnet: Model) -> dict[Path, dict[str, Any]]:
    """All searches, by the folders they write."""
    predictor = predictor_of(words, *space_of(words.strategy, words.data))
    found: dict[Path, dict[str, Any]] = {}
    for seed in range(words.seeds):
        words.seed = seed
        for factor in words.faster:
            stem = stem_of(words, words.strategy, factor)
            file, out = RESULTS / f"{stem}.json", words.keep / stem
            if not file.is_file():
                times = limit_of(words, stem, factor, target, resnet)
                asked = {"strategy": words.strategy, "factor": factor, "seed": seed, "words": words.words, **times}
                searching = partial(search, words, words.strategy, predictor, times["limit_ms"], out)
                recorded(file, asked, searching)
            found[out] = json.loads(file.read_text())
    return found


def with_interval(values: list[float]) -> dict[str, Any]:
    wide = statistics.stdev(values) * t.ppf(0.975, len(values) - 1) / len(values) ** 0.5 if len(values) > 1 else None
    return {"values": values, "mean": statistics.mean(values), "interval": wide}


def compared(
    found: Mapping[Path, Mapping[str, Any]], accuracies: Sequence[float], resnet_ms: float, ms: Mapping[Path, float]
) -> dict[str, Any]:
    """By factor: how many points the runs are above the ResNet, and how many times quicker.

    Args:
        found: what each run's file says, by its folder.
        accuracies: of the ResNet, by seed.
        ms: by the folders whose model is still there.
    """
    figures = {}
    for factor in dict.fromkeys(each["factor"] for each in found.values()):
        mine = {out: each for out, each in found.items() if each["factor"] == factor and "error" not in each}
        points = [100 * (each["test_accuracy"] - accuracies[each["seed"]]) for each in mine.values()]
        quicker = [resnet_ms / ms[out] for out in mine if out in ms]
        figures[f"{factor:g}"] = {
            "points_above_resnet": with_interval(points) if points else None,
            "times_quicker": with_interval(quicker) if quicker else None,
        }
    return figures


def main() -> int:
    from azora.hardware import find_target

    words = arguments()
    os.environ["AZORA_HOME"] = str(words.keep / "home")
    for folder in (RESULTS, TRAINED, words.keep):
        folder.mkdir(parents=True, exist_ok=True)
    target, resnet = find_target(words.target), by_hand(words)
    accuracies, found = resnet_runs(words), run(words, target, resnet)
    there = those_there([out for out, each in found.items() if "error" not in each])
    resnet_ms, *times = timed(target, [resnet, *(model_in(out) for out in there)])
    ms = dict(zip(there, times, strict=True))
    failed = {out.name: each["error"] for out, each in found.items() if "error" in each}
    figures = compared(found, accuracies, resnet_ms, ms)
    told = {"data": words.data.stem, "budget": words.budget, "target": target.spec, "resnet": accuracies}
    print(json.dumps({**told, "found": figures, "failed": failed}, indent=1))
    return int(bool(failed))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=600.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--faster", nargs="+", type=float, default=[2.0, 3.0])
    parser.add_argument("--strategy", default="halving")
    parser.add_argument("--target", default="onnxruntime")
    parser.add_argument("--words", default="", help="more of azora search")
    parser.add_argument("--name", default="", help="of the runs with these words")
    parser.add_argument(
        "--keep", type=Path, default=Path("runs/gain"), help="for the predictor and what searches write"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
