"""Whether a search's winner, written in every format, answers as it does in torch, and what eight bits cost and save.

`python benchmarks/quality/exports.py OUT --task DATA.npz [--formats onnx onnx-int8 torch executorch executorch-int8]`
exports what a search left in OUT (all formats whose runtime is installed, unless said) and asks each file on the
validation rows, 4,000 at most: the test rows are read once, and not here. ExecuTorch's files are asked in a process of
their own that imports `executorch.runtime` and nothing of azora. Prints JSON, by format: the largest difference to
torch (of a probability, or of a prediction as a share of the target's spread), the accuracy's drop in points, bytes,
milliseconds, and both beside those of the same runtime's file in float32. The exit code is 1 where a float32 file
differs by more than 1e-4, eight bits cost more than a point, or their file is larger than 0.35 of a float32 file of a
megabyte or more. The files are in a folder that goes, or in `--files`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from azora.automl.shipping import MOST_ROWS, ship
from azora.bench.writing import provenance
from azora.errors import AzoraError
from azora.export import read_bundle
from azora.export.data import read_alike
from azora.export.formats import FORMATS
from azora.scratch import scratch_folder
from azora.tasks import Reading
from azora.tasks.array import Array
from azora.training import outputs

MOST_DIFFERENCE, MOST_DROP = 1e-4, 1.0
MOST_RATIO, LARGE = 0.35, 1_000_000  # of a float32 file's bytes, where it has so many
ALONE = """
import sys, warnings
import numpy as np, torch
warnings.simplefilter("ignore")
from executorch.runtime import Runtime
file, rows, answers = sys.argv[1:]
forward = Runtime.get().load_program(file).load_method("forward")
x = torch.from_numpy(np.load(rows))
np.save(answers, np.concatenate([np.asarray(forward.execute([x[row : row + 1]])[0]) for row in range(len(x))]))
assert not [name for name in sys.modules if name.split(".")[0] == "azora"]
"""


def installed() -> list[str]:
    """The formats whose runtime is here; of the others it is said that it is not."""
    found = [name for name in FORMATS if not name.startswith("executorch") or find_spec("executorch") is not None]
    if len(found) < len(FORMATS):
        print("ExecuTorch is not installed (azora[mobile]): its files are left out", file=sys.stderr)
    return found


def answers_of(form: str, file: Path, rows: Array) -> Array:
    """What a file answers; of ExecuTorch's, in a process without azora."""
    if not form.startswith("executorch"):
        return FORMATS[form].open(file).run(rows)
    given, found = file.with_name(f"{file.name}.rows.npy"), file.with_name(f"{file.name}.answers.npy")
    try:
        np.save(given, rows)
        words = [sys.executable, "-c", ALONE, str(file), str(given), str(found)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise AzoraError(f"{file} was not run: {(done.stderr.strip().splitlines() or ['nothing was said'])[-1]}")
        answers: Array = np.load(found)
    finally:
        given.unlink(missing_ok=True)
        found.unlink(missing_ok=True)
    return answers


def faults(figures: Mapping[str, Any], eight_bits: bool) -> list[str]:
    """What a file does not hold to, in words."""
    told = []
    if not eight_bits and not figures["difference"] <= MOST_DIFFERENCE:
        told.append(f"differs from torch by {figures['difference']:.2g}, more than {MOST_DIFFERENCE:g}")
    if eight_bits and not figures["drop"] <= MOST_DROP:
        told.append(f"costs {figures['drop']:.2f} points, more than {MOST_DROP:g}")
    if eight_bits and figures["float_bytes"] >= LARGE and figures["ratio"] > MOST_RATIO:
        told.append(f"has {figures['ratio']:.2f} of the bytes in float32, more than {MOST_RATIO:g}")
    return told


def exported(out: Path, form: str, task: str, folder: Path) -> dict[str, Any]:
    """One format: written and measured as `azora export` does, then asked for all of its answers."""
    file = folder / f"model{FORMATS[form].suffix}"
    bundle = read_bundle(out / "model")
    try:
        figures = dict(ship(out, form, file, task).figures)
        validation = read_alike(bundle.about, task, Reading()).validation
        rows = validation.x[:: max(1, -(-len(validation) // MOST_ROWS))].astype(np.float32)
        away = np.abs(answers_of(form, file, rows) - outputs(bundle.network, rows, bundle.signature, bundle.scaling))
    except AzoraError as error:
        return {"faults": [str(error)]}
    scale = 1.0 if bundle.signature.kind == "classification" else max(bundle.scaling.target_spread)
    kept = ("validation_rows", "validation_float", "validation_file", "drop", "bytes", "float_format", "float_bytes")
    found = {name: figures[name] for name in (*kept, "latency_ms", "float_latency_ms")}
    found |= {"difference": float(away.max() / scale), "ratio": round(figures["bytes"] / figures["float_bytes"], 4)}
    return {**found, "faults": faults(found, FORMATS[form].eight_bits)}


def main() -> int:
    words, on = arguments(), provenance()
    with scratch_folder() as scratch:
        folder = words.files or scratch
        folder.mkdir(parents=True, exist_ok=True)
        found = {form: exported(words.out, form, words.task, folder) for form in words.formats or installed()}
    holds = not any(each["faults"] for each in found.values())
    print(json.dumps({"out": str(words.out), "formats": found, "holds": holds, "on": on}, indent=1))
    return int(not holds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--task", required=True, help="the data that the search was on")
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS))
    parser.add_argument("--files", type=Path, help="a folder to keep the files in")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
