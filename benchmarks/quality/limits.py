"""What searches find within a latency that is a hard limit, by how hard it is.

`python benchmarks/quality/limits.py DATA.npz [--budget 300] [--methods evolution bayesian spos ofa gdas] [--shares 0.25
0.5 0.75] [--seed 0] [--target onnxruntime]` measures the target for the space of each method (`azora target build`, a
hundred networks at most; what is there is not measured again), takes for limits what that share of random networks of
the space stays within, and runs `azora search` with each: one JSON a run under `benchmarks/results/limits/`, and a run
that has its file is not run again; where that is of other limits or words, it is refused. One that fails (no network is
within the limits, say, or the target cannot be measured for the method's space) has its error there, and the others go
on; to have a search anew, remove its file and its folder under `--keep`. Then what was shipped is timed once more
on the target, after all searches, in ten turns with the others, unless its model is no longer under `--keep`:
`again_ms` in each run's JSON, and `within`, whether that is within the limit, but for 5 % of measuring, and every other
limit is kept as well. `latency_ms` is what the search measured itself at its end. The verdict counts the runs that are
within, and says for each method whether accuracy rises with the limit; the exit code is 1 where a run failed or is
beyond a limit.

`--words` adds words to each search, whose runs are then called by `--name`, or else by a number that stands for the
words. Latency and memory limited together, twice:

    python benchmarks/quality/limits.py DATA.npz --methods evolution --shares 0.5 --words "--limit memory=1MB"
    python benchmarks/quality/limits.py DATA.npz --methods spos --shares 0.5 --words "--limit memory=1MB"

The same limit as an aim (MnasNet's reward in its soft and its hard form), beside the run of `--methods evolution
--shares 0.5` in which it is hard; an aim may be missed, so that no verdict is given on it:

    python benchmarks/quality/limits.py DATA.npz --methods evolution --shares 0.5 --name soft- --words "--reward soft"
    python benchmarks/quality/limits.py DATA.npz --methods evolution --shares 0.5 --name hard- --words "--reward hard"
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shlex
import statistics
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from keeping import alone, as_json, refuse_others, write

from azora.bench.writing import provenance

if TYPE_CHECKING:
    from azora.hardware import Deployable, Target
    from azora.hardware.target import TimedTarget

RESULTS = Path(__file__).parents[1] / "results" / "limits"
NETWORKS = 300  # random ones, whose predicted latencies say what a limit is
TURNS, CALLS = 10, 50
MODEL = Path("model", "model.onnx")
KEPT = (
    "test_accuracy", "test_interval", "validation_accuracy", "judged", "trials", "seconds", "final_seconds",
    "final_epochs", "parameters", "macs", "memory", "target", "limits", "reference",
)  # fmt: skip
SHOWN = (
    "method", "share", "limit_ms", "again_ms", "within", "test_accuracy", "macs", "memory", "target", "error",
)  # fmt: skip
INTERRUPTED = {code for number in (1, 2, 15) for code in (128 + number, -number)}  # hang-up, Ctrl-C and kill
COUNTED = {"macs": "macs", "params": "parameters", "memory": "memory"}  # figures of the limits that are counted


def space_of(method: str, data: Path) -> tuple[str, dict[str, Any]]:
    """The space that a method brings, or that a strategy searches by default."""
    from azora.methods import find_method
    from azora.networks.registry import default_space
    from azora.tasks import load_task

    made, signature = find_method(method, {}), load_task(str(data)).signature
    found = None if made is None else made.space(signature)
    return (default_space(signature), {}) if found is None else (found[0], dict(found[1]))


def predictor_of(words: argparse.Namespace, space: str, settings: dict[str, Any]) -> Path:
    """The file of the target's predictor for a space, made where it is not there."""
    file = words.keep / f"{words.data.stem}-{in_a_name(words.target)}-{space}-{hash_of(settings)}.json"
    if not file.is_file():
        command = ["target", "build", words.target, "--space", space, "--task", str(words.data), "--budget", "5m"]
        for name, value in settings.items():
            command += ["--set", f"{name}={json.dumps(value)}"]
        azora([*command, "--out", str(file), "--json"])
    return file


def hash_of(value: object) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def in_a_name(target: str) -> str:
    """The target as it can stand in the name of a file."""
    return re.sub(r"[^\w.=]+", "-", target).strip("-")


def stem_of(words: argparse.Namespace, method: str, share: float) -> str:
    """What a run is called: by all that makes it another run."""
    name = words.name or (f"{hash_of(words.words):08x}-" if words.words else "")
    target = in_a_name(words.target)
    return f"{words.data.stem}-{words.budget:g}s-{target}-{name}{method}-{share:g}-{words.seed}"


def limits_of(file: Path, shares: list[float]) -> list[float]:
    """Milliseconds within which these shares of random networks are, as predicted."""
    from azora.hardware import TargetFile

    predictor, rng = TargetFile.load(file).predictor, random.Random(0)
    found = [predictor.latency(predictor.space.sample(rng)) for _ in range(NETWORKS)]
    return [round(float(each), 4) for each in np.quantile(found, shares)]


class Failed(Exception):
    """A command of azora's that ended with an error, and its last line."""


def azora(words: list[str]) -> dict[str, Any]:
    """What a command prints with --json.

    Raises:
        Failed: it ended with an error.
        KeyboardInterrupt: it was interrupted, and can be gone on with.
    """
    done = subprocess.run([sys.executable, "-m", "azora", *words], capture_output=True, text=True)
    sys.stderr.write(done.stderr)
    if done.returncode in INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        raise Failed(f"exit code {done.returncode}: {(done.stderr.strip().splitlines() or ['nothing was said'])[-1]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def search(words: argparse.Namespace, method: str, predictor: Path, limit: float, out: Path) -> dict[str, Any]:
    command = ["search", str(words.data), "--strategy", method, "--target", str(predictor)]
    command += ["--limit", f"latency={limit}ms", "--budget", f"{words.budget:g}s", "--seed", str(words.seed)]
    command += ["--resume"] if (out / "study.db").exists() else []
    figures = azora([*command, "--no-memory", "--out", str(out), "--json", "--quiet", *shlex.split(words.words)])
    return {name: figures[name] for name in KEPT if name in figures}


def recorded(file: Path, asked: Mapping[str, Any], searching: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the file of a run says; where there is none, what came of searching is written first, an error as well.

    Raises:
        SystemExit: the file is of a run that was asked for something else.
    """
    if not file.is_file():
        on = provenance()
        try:
            figures = searching()
        except Failed as error:
            figures = {"error": str(error)}
        write(file, {**asked, **figures, "on": on})
    found: dict[str, Any] = json.loads(file.read_text())
    refuse_others(file, found, as_json(asked))
    return found


@dataclass(frozen=True)
class Model:
    """A network as a target takes it, and its ONNX file."""

    deployable: Deployable
    onnx: Path


def model_in(out: Path) -> Model:
    """What a search has shipped."""
    from azora.export import read_bundle
    from azora.hardware import Deployable

    bundle = read_bundle(out / MODEL.parent)
    return Model(Deployable(bundle.network, bundle.signature, bundle.scaling), out / MODEL)


def timed(target: Target, models: Sequence[Model]) -> list[float]:
    """Milliseconds of one answer of each on the target: the median over turns of the median over calls; where the
    target is no runtime of this process, what it measures by itself."""
    from azora.export import median_ms
    from azora.hardware.target import TimedTarget

    if not isinstance(target, TimedTarget):
        return [round(target.measure(each.deployable).latency.median, 4) for each in models]
    with ExitStack() as stack:
        calls = [stack.enter_context(loaded(target, each)) for each in models]
        times = [list[float]() for _ in calls]
        for _ in range(TURNS):
            for call, found in zip(calls, times, strict=True):
                found.append(median_ms(call, runs=CALLS))
    return [round(statistics.median(found), 4) for found in times]


@contextmanager
def loaded(target: TimedTarget, model: Model) -> Iterator[Callable[[], object]]:
    """One answer of the model on the target: of the very file that ships, where the target runs such files."""
    from azora.export import OnnxSession
    from azora.hardware.onnx_target import OnnxRuntime

    if isinstance(target, OnnxRuntime) and target.precision == "fp32":
        session = OnnxSession(model.onnx, target.threads)
        row = np.zeros((1, *model.deployable.signature.raw_shape), dtype=np.float32)
        yield lambda: session.run(row)
        return
    with target.load(model.deployable) as one:
        yield one.call


def those_there(outs: Sequence[Path]) -> list[Path]:
    """The folders whose model is still in them; of the others it is said that theirs is not."""
    there = [out for out in outs if (out / MODEL).is_file()]
    for out in outs:
        if out not in there:
            print(f"{out / MODEL} is not there: its latency is not measured again", file=sys.stderr)
    return there


def run(words: argparse.Namespace) -> dict[Path, Path]:
    """All searches that are asked for: the files of the runs, by the folders that they write."""
    found: dict[Path, Path] = {}
    for method in words.methods:
        for share, limit, searching in searches(words, method):
            stem = stem_of(words, method, share)
            file, out = RESULTS / f"{stem}.json", words.keep / stem
            asked = {"method": method, "share": share, "limit_ms": limit, "words": words.words}
            asked |= {"budget": words.budget, "seed": words.seed}
            if limit is not None and never_searched(file):
                file.unlink()
            recorded(file, asked, partial(searching, out))
            found[out] = file
    return found


def searches(words: argparse.Namespace, method: str) -> list[tuple[float, float | None, Callable[[Path], Any]]]:
    """By share: the limit, and what searches within it and writes a folder; where the target could not be measured for
    the method's space, no limit, and what says so."""
    try:
        predictor = predictor_of(words, *space_of(method, words.data))
    except Failed as error:
        return [(share, None, partial(fail, error)) for share in words.shares]
    limits = zip(words.shares, limits_of(predictor, words.shares), strict=True)
    return [(share, limit, partial(search, words, method, predictor, limit)) for share, limit in limits]


def fail(error: Failed, out: Path) -> NoReturn:
    raise error


def never_searched(file: Path) -> bool:
    """Whether it is of a run for which the target could not be measured, which may be possible by now."""
    return file.is_file() and json.loads(file.read_text()).get("limit_ms", 0.0) is None


def measure_again(target: Target, files: Mapping[Path, Path]) -> None:
    """Times what was shipped once more, and writes it into the files of the runs."""
    runs = {out: json.loads(file.read_text()) for out, file in files.items()}
    there = those_there([out for out, each in runs.items() if "error" not in each])
    for out, ms in zip(there, timed(target, [model_in(out) for out in there]), strict=True):
        write(files[out], {**runs[out], "again_ms": ms, "within": is_within(runs[out], ms)})


def is_within(run: Mapping[str, Any], ms: float) -> bool:
    """Whether a run keeps its limits: what is measured, but for 5 %, and what is counted or was read from the file."""
    from azora.automl.last_training import TOLERANCE

    costs = {name: run[figure] for name, figure in COUNTED.items() if figure in run}
    costs |= {"size": run["target"]["bytes"]} if "bytes" in run["target"] else {}
    others = all(costs[name] <= most for name, most in run["limits"].items() if name in costs)
    return ms <= run["limit_ms"] * (1.0 + TOLERANCE) and others


def verdict(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many runs with hard limits failed, and are within them, of how many that were measured again; and for each
    method the accuracies by rising limits, and whether they rise."""
    hard = [each for each in runs if "--reward" not in each["words"]]
    measured = [each["within"] for each in hard if "within" in each]
    return {
        "failed": sum("error" in each for each in runs),
        "measured_again": len(measured),
        "within": sum(measured),
        "accuracy_by_limit": {
            method: rising(hard, method) for method in dict.fromkeys(each["method"] for each in hard)
        },
    }


def rising(runs: Sequence[Mapping[str, Any]], method: str) -> dict[str, Any]:
    """Test accuracies of a method by rising limits, and whether none is below the one before it and the last is above
    the first; None, where there are not two."""
    found = sorted(
        (run["limit_ms"], run["test_accuracy"]) for run in runs if run["method"] == method and "error" not in run
    )
    accuracies = [accuracy for _, accuracy in found]
    rises = accuracies == sorted(accuracies) and accuracies[-1] > accuracies[0] if len(accuracies) > 1 else None
    return {"accuracies": accuracies, "rises": rises}


def main() -> int:
    words = arguments()
    with alone("limits.py"):
        return measured(words)


def measured(words: argparse.Namespace) -> int:
    """The exit code, after all runs that have no file, and what is printed of all."""
    from azora.hardware import find_target

    os.environ["AZORA_HOME"] = str(words.keep / "home")
    RESULTS.mkdir(parents=True, exist_ok=True)
    words.keep.mkdir(parents=True, exist_ok=True)
    target = find_target(words.target)
    files = run(words)
    measure_again(target, files)
    runs = [json.loads(file.read_text()) for file in files.values()]
    lines = [{name: each[name] for name in SHOWN if name in each} for each in runs]
    found = verdict(runs)
    print(json.dumps({"data": words.data.stem, "budget": words.budget, "runs": lines, "verdict": found}, indent=1))
    return int(found["failed"] > 0 or found["within"] < found["measured_again"])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=300.0)
    parser.add_argument("--methods", nargs="+", default=["evolution", "bayesian", "spos", "ofa", "gdas"])
    parser.add_argument("--shares", nargs="+", type=float, default=[0.25, 0.5, 0.75])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", default="onnxruntime")
    parser.add_argument("--words", default="", help="more of azora search")
    parser.add_argument("--name", default="", help="of the runs with these words")
    parser.add_argument("--keep", type=Path, default=Path("runs/limits"), help="for predictors and what searches write")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
