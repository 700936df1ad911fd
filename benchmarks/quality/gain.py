"""How much quicker what is found under a hard latency limit is than a ResNet written by hand, and how accurate.

`python benchmarks/quality/gain.py DATA.npz [--budget 600] [--seeds 3] [--faster 2 3] [--strategy halving]` takes the
ResNet of `equal_time.py` (trained for the whole budget on all rows but the test's; its runs there are used), writes it
as ONNX, and for each factor and seed searches for the same time with a limit of so much less than the ResNet takes in
onnxruntime on one thread, timed just before. The predictor is made first (`azora target build`, five minutes) and is
not part of the budget, nor is it for `limits.py`. One JSON a run under `benchmarks/results/gain/`; a run that has its
file is not run again, and one that was interrupted is gone on with. In the end all that was shipped is timed once more,
in turns with the ResNet. Accuracies are of the test split, differences by seed; ± is 95 % (t).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

from equal_time import RESULTS as TRAINED
from equal_time import resnet_of, run_resnet
from limits import MODEL, predictor_of, search, space_of, timed
from scipy.stats import t

from azora.bench.writing import provenance

RESULTS = Path(__file__).parents[1] / "results" / "gain"


def resnet_runs(words: argparse.Namespace) -> list[float]:
    """Its test accuracy, by seed."""
    found = []
    for seed in range(words.seeds):
        file = TRAINED / f"{words.data.stem}-{words.budget:g}s-resnet-{seed}.json"
        if not file.is_file():
            on, figures = provenance(), run_resnet(words.data, words.budget, seed)
            file.write_text(json.dumps({"system": "resnet", "seed": seed, "on": on, **figures}, indent=1) + "\n")
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


def run(words: argparse.Namespace, resnet: Path, shape: tuple[int, ...]) -> dict[Path, dict[str, Any]]:
    """All searches, by the folders they write."""
    predictor = predictor_of(words, *space_of(words.strategy, words.data))
    found: dict[Path, dict[str, Any]] = {}
    for seed in range(words.seeds):
        words.seed = seed
        for factor in words.faster:
            stem = f"{words.data.stem}-{words.budget:g}s-{words.strategy}-{factor:g}-{seed}"
            file, out = RESULTS / f"{stem}.json", words.keep / stem
            if not file.is_file():
                (ms,) = timed([resnet], shape)
                asked = {
                    "strategy": words.strategy,
                    "factor": factor,
                    "seed": seed,
                    "resnet_ms": ms,
                    "on": provenance(),
                }
                figures = search(words, words.strategy, predictor, round(ms / factor, 4), out)
                file.write_text(json.dumps({**asked, **figures}, indent=1) + "\n")
            found[out] = json.loads(file.read_text())
    return found


def with_interval(values: list[float]) -> dict[str, Any]:
    wide = statistics.stdev(values) * t.ppf(0.975, len(values) - 1) / len(values) ** 0.5 if len(values) > 1 else None
    return {"values": values, "mean": statistics.mean(values), "interval": wide}


def main() -> None:
    from azora.tasks import load_task

    words = arguments()
    os.environ["AZORA_HOME"] = str(words.keep / "home")
    for folder in (RESULTS, TRAINED, words.keep):
        folder.mkdir(parents=True, exist_ok=True)
    shape, resnet = load_task(words.data).signature.shape, resnet_file(words)
    by_hand, found = resnet_runs(words), run(words, resnet, shape)
    there = [out for out in found if (out / MODEL).is_file()]
    ms = dict(zip([resnet, *there], timed([resnet, *(out / MODEL for out in there)], shape), strict=True))
    figures = {}
    for factor in words.faster:
        mine = {out: each for out, each in found.items() if each["factor"] == factor}
        points = [100 * (each["test_accuracy"] - by_hand[each["seed"]]) for each in mine.values()]
        quicker = [ms[resnet] / ms[out] for out in mine if out in ms]
        figures[f"{factor:g}"] = {
            "points_above_resnet": with_interval(points),
            "times_quicker": with_interval(quicker) if quicker else None,
        }
    print(json.dumps({"data": words.data.stem, "budget": words.budget, "resnet": by_hand, "found": figures}, indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=600.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--faster", nargs="+", type=float, default=[2.0, 3.0])
    parser.add_argument("--strategy", default="halving")
    parser.add_argument("--target", default="onnxruntime")
    parser.add_argument("--words", default="", help="more of azora search")
    parser.add_argument(
        "--keep", type=Path, default=Path("runs/gain"), help="for the predictor and what searches write"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
