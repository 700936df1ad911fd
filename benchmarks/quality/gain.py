"""How much quicker what is found under a hard latency limit is than a ResNet written by hand, and how accurate.

`python benchmarks/quality/gain.py DATA.npz [--budget 600] [--seeds 3] [--faster 2 3] [--strategy halving] [--target
onnxruntime]` takes the ResNet of `equal_time.py` (trained for the whole budget on all rows but the test's; its runs
there are used), times it on the target, and for each factor and seed searches for the same time. What ships may be
measured 5 % beyond a limit, so the limit is the ResNet's time by the factor and by 1.05: what is found is so much
faster after all. The predictor is made first (`azora target build`, five minutes at most) and is not part of the
budget, nor is it for `limits.py`. One JSON a run under `benchmarks/results/gain/`; a run that has its file is not run
again, and one that was interrupted is gone on with, within the limit that it began with (`--keep` has it beside the
run's folder). The commits that runs are of are told, and files of another processor or strategy are refused. One that
fails has its error in its file, and the exit code is 1. In the end all that was shipped is timed once more, in turns
with the ResNet. Accuracies are of the test split, differences by seed; ± is 95 % (t).
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

from equal_time import file_of, resnet_of, run_of
from keeping import alone, made_on, refuse_elsewhere, refuse_others, write
from limits import Model, model_in, predictor_of, recorded, search, space_of, stem_of, those_there, timed
from scipy.stats import t

from azora.automl.last_training import TOLERANCE
from azora.bench.writing import provenance

if TYPE_CHECKING:
    from azora.hardware import Target

RESULTS = Path(__file__).parents[1] / "results" / "gain"


def resnet_runs(words: argparse.Namespace) -> list[dict[str, Any]]:
    """Its runs, by seed.

    Raises:
        SystemExit: one failed, with which nothing can be compared.
    """
    found = [run_of(words.data, words.budget, "resnet", seed) for seed in range(words.seeds)]
    for seed, run in enumerate(found):
        if "error" in run:
            file = file_of(words.data, words.budget, "resnet", seed)
            raise SystemExit(f"the ResNet with seed {seed} failed: {run['error']}; remove {file} to have it anew")
    return found


def files_of(words: argparse.Namespace) -> dict[tuple[int, float], Path]:
    """Those of the searches, by seed and factor."""
    each = [argparse.Namespace(**{**vars(words), "seed": seed}) for seed in range(words.seeds)]
    return {
        (one.seed, factor): RESULTS / f"{stem_of(one, words.strategy, factor)}.json"
        for one in each
        for factor in words.faster
    }


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
    for (seed, factor), file in files_of(words).items():
        words.seed, out = seed, words.keep / file.stem
        asked = {"strategy": words.strategy, "factor": factor, "seed": seed, "words": words.words}
        if file.is_file():
            found[out] = json.loads(file.read_text())
            refuse_others(file, found[out], asked)
            continue
        times = limit_of(words, file.stem, factor, target, resnet)
        searching = partial(search, words, words.strategy, predictor, times["limit_ms"], out)
        found[out] = recorded(file, {**asked, **times}, searching)
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
    words = arguments()
    with alone("gain.py"):
        return measured(words)


def measured(words: argparse.Namespace) -> int:
    """The exit code, after all runs that have no file, and what is printed of all."""
    from azora.hardware import find_target

    os.environ["AZORA_HOME"] = str(words.keep / "home")
    words.keep.mkdir(parents=True, exist_ok=True)
    trainings = [file_of(words.data, words.budget, "resnet", seed) for seed in range(words.seeds)]
    refuse_elsewhere([*trainings, *files_of(words).values()], provenance())
    target, resnet = find_target(words.target), by_hand(words)
    trained, found = resnet_runs(words), run(words, target, resnet)
    accuracies = [each["test_accuracy"] for each in trained]
    there = those_there([out for out, each in found.items() if "error" not in each])
    resnet_ms, *times = timed(target, [resnet, *(model_in(out) for out in there)])
    ms = dict(zip(there, times, strict=True))
    failed = {out.name: each["error"] for out, each in found.items() if "error" in each}
    figures = compared(found, accuracies, resnet_ms, ms)
    told = {"data": words.data.stem, "budget": words.budget, "target": target.spec, "resnet": accuracies}
    told["runs on"] = made_on(RESULTS, [*trained, *found.values()])
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
