"""What searches find within a latency that is a hard limit, by how hard it is.

`python benchmarks/quality/limits.py DATA.npz [--budget 300] [--methods evolution bayesian spos ofa gdas] [--shares 0.25
0.5 0.75] [--seed 0] [--target onnxruntime]` measures the target for the space of each method (`azora target build`, a
hundred networks at most; what is there is not measured again), takes for limits what that share of random networks of
the space stays within, and runs `azora search` with each: one JSON a run under `benchmarks/results/limits/`, and a run
that has its file is not run again. Then what was shipped is timed once more, after all searches, in ten turns with the
others, unless its model is no longer under `--keep`; `latency_ms` is what the search measured itself at its end.
`--words "--limit memory=400kB"` adds words to each search, whose runs are then called by `--name`, or else by a number
that stands for the words.
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
from pathlib import Path
from typing import Any

import numpy as np

from azora.bench.writing import provenance

RESULTS = Path(__file__).parents[1] / "results" / "limits"
NETWORKS = 300  # random ones, whose predicted latencies say what a limit is
TURNS, CALLS = 10, 50
MODEL = Path("model", "model.onnx")
KEPT = (
    "test_accuracy", "test_interval", "validation_accuracy", "judged", "trials", "seconds", "final_seconds",
    "final_epochs", "parameters", "macs", "memory", "target", "limits", "reference",
)  # fmt: skip


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


def azora(words: list[str]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "azora", *words], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def search(words: argparse.Namespace, method: str, predictor: Path, limit: float, out: Path) -> dict[str, Any]:
    command = ["search", str(words.data), "--strategy", method, "--target", str(predictor)]
    command += ["--limit", f"latency={limit}ms", "--budget", f"{words.budget:g}s", "--seed", str(words.seed)]
    command += ["--resume"] if (out / "study.db").exists() else []
    figures = azora([*command, "--no-memory", "--out", str(out), "--json", "--quiet", *shlex.split(words.words)])
    return {name: figures[name] for name in KEPT if name in figures}


def timed(files: list[Path], shape: tuple[int, ...]) -> list[float]:
    """Milliseconds of one answer of each file: the median over turns of the median over calls."""
    from azora.export import OnnxSession, median_ms

    row = np.zeros((1, *shape), dtype=np.float32)
    sessions, times = [OnnxSession(file) for file in files], [list[float]() for _ in files]
    for _ in range(TURNS):
        for session, found in zip(sessions, times, strict=True):
            found.append(median_ms(lambda session=session: session.run(row), runs=CALLS))
    return [round(statistics.median(found), 4) for found in times]


def again(outs: list[Path], shape: tuple[int, ...]) -> dict[Path, float]:
    """Milliseconds of what was shipped into these folders, as far as it is still there."""
    there = [out for out in outs if (out / MODEL).is_file()]
    for out in outs:
        if out not in there:
            print(f"{out / MODEL} is not there: its latency is not measured again", file=sys.stderr)
    return dict(zip(there, timed([out / MODEL for out in there], shape), strict=True))


def run(words: argparse.Namespace) -> dict[Path, dict[str, Any]]:
    """All searches that are asked for, by the folders they write; a run that has its file is not run again."""
    found: dict[Path, dict[str, Any]] = {}
    for method in words.methods:
        predictor = predictor_of(words, *space_of(method, words.data))
        for share, limit in zip(words.shares, limits_of(predictor, words.shares), strict=True):
            stem = stem_of(words, method, share)
            file, out = RESULTS / f"{stem}.json", words.keep / stem
            if not file.is_file():
                on, figures = provenance(), search(words, method, predictor, limit, out)
                asked = {"method": method, "share": share, "limit_ms": limit, "words": words.words}
                asked |= {"budget": words.budget, "seed": words.seed}
                file.write_text(json.dumps({**asked, **figures, "on": on}, indent=1) + "\n")
            found[out] = json.loads(file.read_text())
    return found


def main() -> None:
    from azora.tasks import load_task

    words = arguments()
    os.environ["AZORA_HOME"] = str(words.keep / "home")
    RESULTS.mkdir(parents=True, exist_ok=True)
    words.keep.mkdir(parents=True, exist_ok=True)
    found = run(words)
    ms = again(list(found), load_task(str(words.data)).signature.shape)
    lines = [
        {
            "method": each["method"], "share": each["share"], "limit_ms": each["limit_ms"],
            "latency_ms": each["target"].get("latency_ms"), "again_ms": ms.get(out),
            "test_accuracy": each["test_accuracy"], "macs": each["macs"],
        }
        for out, each in found.items()
    ]  # fmt: skip
    print(json.dumps({"data": words.data.stem, "budget": words.budget, "runs": lines}, indent=1))


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
    main()
