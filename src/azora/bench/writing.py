"""What a comparison leaves in a folder."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from azora import __version__
from azora.bench.comparison import Comparison
from azora.bench.plot import to_html, to_svg
from azora.bench.registry import find_file
from azora.cores import usable_cores
from azora.errors import BenchmarkError

PROCESSORS = Path("/proc/cpuinfo")  # of Linux
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")
RULES = ("fidelity", "queries", "seconds", "cost", "floor", "limit", "memory", "recall")  # of a `Setup`
HEADER = ("strategy", "seed", "query", "row", "epochs", "seconds", "validation", "score")


def write(comparison: Comparison, folder: Path, wall: float) -> None:
    """`curves.csv` (every query of every run: `row` counts from 1, `seconds` are spent by then, `score` is that of what
    validation had chosen by then), `plot.svg`, `plot.html`, and `bench.json`.

    Args:
        wall: the seconds that it took.

    Raises:
        BenchmarkError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "curves.csv").open("w", newline="", encoding="utf-8") as file:
            _write_curves(comparison, csv.writer(file, lineterminator="\n"))
        (folder / "plot.svg").write_text(to_svg(comparison), encoding="utf-8")
        (folder / "plot.html").write_text(to_html(comparison), encoding="utf-8")
        about = {**comparison.to_json(), **_circumstances(comparison, wall)}
        (folder / "bench.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"{folder} cannot be written: {error.strerror}") from error


def _write_curves(comparison: Comparison, writer: Any) -> None:
    writer.writerow(HEADER)
    levels = comparison.protocol.levels
    for name, curves in comparison.curves.items():
        for seed, curve in curves.items():
            run = comparison.runs[name][seed]
            for place, (row, level) in enumerate(zip(run.rows, run.levels, strict=True)):
                epochs = levels[level].epochs
                numbers = (curve.seconds[place], curve.validation[place], curve.score[place])
                shown = ["" if number != number else f"{number:.8g}" for number in numbers]
                writer.writerow([name, seed, place + 1, row + 1 or "", "" if epochs is None else f"{epochs:g}", *shown])


def _circumstances(comparison: Comparison, wall: float) -> dict[str, Any]:
    setup = comparison.setup
    return {
        "settings": {name: dict(settings) for name, settings in setup.strategies.items()},
        "seeds": {name: {"first": min(runs), "last": max(runs)} for name, runs in comparison.runs.items()},
        "protocol": {"noise": comparison.protocol.kind, **{name: getattr(setup, name) for name in RULES}},
        "table_sha256": _digest(find_file(setup.table)),
        "memory_sha256": _digest(None if setup.memory is None else Path(setup.memory)),
        "azora": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "command": sys.argv,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(wall, 2),
    }


def _digest(file: Path | None) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file is not None and file.is_file() else None


def provenance() -> dict[str, Any]:
    """What figures hang on: the processor's model, the cores that may be used, the versions of Python and torch, and
    the commit. To be asked before a run: while one goes on, the checkout may become another. Imports no torch."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "commit": commit(),
    }


def _processor() -> str:
    try:
        lines = PROCESSORS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def commit() -> str | None:
    """The commit of azora's own checkout, with `+` where files differ from it; None where it runs from a wheel."""
    here = Path(__file__).parents[3]
    if not (here / ".git").exists():
        return None
    try:
        words = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
