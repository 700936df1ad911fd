"""azora on a folder of pictures, ten of them damaged, beside scikit-learn's gradient boosting with default settings.

`python benchmarks/quality/pictures.py DATA.npz [--budget 300] [--seed 0]` writes the arrays `x_train, y_train, x_test,
y_test[, classes]` as PNG under `train/CLASS` and `test/CLASS`, damages ten of the training pictures, searches with
`--skip-bad`, shows, predicts the test pictures by both runtimes, exports, and prints JSON. Gradient boosting learns
from the same pictures, a column a pixel.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.ensemble import HistGradientBoostingClassifier

from azora.bench.writing import provenance

DAMAGED = 10


def write_pictures(data: Any, folder: Path) -> list[Path]:
    """PNG files by split and class; those that were damaged: cut off in the middle, or no picture at all."""
    classes = [str(name) for name in data["classes"]] if "classes" in data else None
    for split in ("train", "test"):
        for number, (pixels, label) in enumerate(zip(data[f"x_{split}"], data[f"y_{split}"], strict=True)):
            file = folder / split / (classes[label] if classes else f"class {label}") / f"{number:05}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.squeeze()).save(file)
    damaged = random.Random(0).sample(sorted((folder / "train").rglob("*.png")), DAMAGED)
    for number, file in enumerate(damaged):
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] if number % 2 else b"no picture")
    return damaged


def azora(*words: str | Path) -> tuple[str, str]:
    """What a command prints on stdout and stderr."""
    command = [sys.executable, "-m", "azora", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout, done.stderr


def share_right(out: Path, tests: list[Path], runtime: str) -> float:
    """The share of the test pictures whose folder is what is predicted for them."""
    answers = csv.DictReader(io.StringIO(azora("predict", out, *tests, "--runtime", runtime)[0]))
    return float(np.mean([row["prediction"] == file.parent.name for row, file in zip(answers, tests, strict=True)]))


def boosted(data: Any, damaged: list[Path], seed: int) -> float:
    left = np.setdiff1d(np.arange(len(data["y_train"])), [int(file.stem) for file in damaged])
    x, tests = data["x_train"][left].reshape(len(left), -1), data["x_test"].reshape(len(data["y_test"]), -1)
    model = HistGradientBoostingClassifier(random_state=seed).fit(x, data["y_train"][left])
    return float(model.score(tests, data["y_test"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=300.0, help="seconds of the search")
    parser.add_argument("--seed", type=int, default=0)
    words, on = parser.parse_args(), provenance()
    with np.load(words.data) as data, tempfile.TemporaryDirectory() as made:
        folder, out = Path(made) / "pictures", Path(made) / "out"
        damaged = write_pictures(data, folder)
        text, _ = azora("search", folder, "--skip-bad", "--budget", f"{words.budget:g}s", "--seed", str(words.seed),
                        "--out", out, "--no-memory", "--json", "--quiet")  # fmt: skip
        figures = json.loads(text)
        tests = sorted((folder / "test").rglob("*.png"))
        found = {
            "data": words.data.name,
            "on": on,
            "notes": figures["notes"],
            **{name: figures[name] for name in ("seed", "test_accuracy", "validation_accuracy", "judged", "seconds")},
            "predicted": {runtime: share_right(out, tests, runtime) for runtime in ("torch", "onnxruntime")},
            "shown": azora("show", out)[0].splitlines()[:3],
            "exported": azora("export", out, "--to", out / "again.onnx")[0].strip().rpartition("/")[2],
            "boosting": boosted(data, damaged, words.seed),
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
