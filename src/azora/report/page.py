"""The report: one file that opens anywhere, without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from azora.clock import show_seconds
from azora.report.card import environment


@dataclass(frozen=True)
class TrialRow:
    """One line of the table of trials. `at` and `seconds` in seconds; `budget` in epochs."""

    number: int
    key: str
    budget: float | None
    score: float | None
    seconds: float
    at: float
    origin: str
    error: str | None


@dataclass(frozen=True)
class ReportData:
    """All that the page shows. `drawing` is SVG; `curve` has seconds, epochs and loss of the last training."""

    figures: Mapping[str, Any]
    metric: str
    maximise: bool
    trials: Sequence[TrialRow]
    drawing: str
    curve: Sequence[Mapping[str, float]] = ()
    confusion: Sequence[Sequence[int]] | None = None
    classes: Sequence[str] = field(default_factory=tuple)


def write_page(file: Path, data: ReportData) -> None:
    """Write the page, at once or not at all."""
    template = environment().get_template("report.html")
    text = template.render(
        f=data.figures,
        data=data,
        tiles=_tiles(data),
        plotly=get_plotlyjs(),
        charts=json.dumps(_charts(data), allow_nan=False).replace("</", "<\\/"),
    )
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def _tiles(data: ReportData) -> list[tuple[str, str]]:
    figures, metric = data.figures, data.metric
    tiles = []
    if f"test_{metric}" in figures:
        tiles.append((f"test {metric}", f"{figures[f'test_{metric}']:.4f}"))
        interval = figures["test_interval"]
        tiles.append(("95 % interval", f"{interval['low']:.3f} – {interval['high']:.3f}"))
    if f"validation_{metric}" in figures:
        tiles.append((f"validation {metric}", f"{figures[f'validation_{metric}']:.4f}"))
    return [
        *tiles,
        ("parameters", f"{figures['parameters']:,}"),
        ("multiply-accumulates", f"{figures['macs']:,}"),
        ("networks judged", f"{figures['judged']:,}"),
        ("time", show_seconds(figures["seconds"])),
        ("onnxruntime", f"{figures['latency_ms_onnxruntime']:.2f} ms"),
    ]


def _charts(data: ReportData) -> dict[str, Any]:
    """The numbers that the page's script draws."""
    judged = [trial for trial in data.trials if trial.score is not None and trial.error is None]
    best: list[float] = []
    for trial in judged:
        score = trial.score if trial.score is not None else 0.0
        better = max if data.maximise else min
        best.append(better(best[-1], score) if best else score)
    return {
        "metric": data.metric,
        "at": [round(trial.at, 2) for trial in judged],
        "score": [trial.score for trial in judged],
        "best": best,
        "epochs": [trial.budget for trial in judged],
        "keys": [trial.key for trial in judged],
        "curve": {
            "seconds": [round(point["seconds"], 2) for point in data.curve if point["loss"] == point["loss"]],
            "loss": [round(point["loss"], 5) for point in data.curve if point["loss"] == point["loss"]],
        },
        "confusion": data.confusion,
        "classes": list(data.classes),
    }
