"""The report: one file that opens anywhere, without a network."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from azora.clock import show_seconds
from azora.report.card import environment
from azora.report.importance import Importance
from azora.report.mixture import mixture_chart, mixture_lines
from azora.report.target import target_lines

SMOOTHING = 0.3
"""Weight of a new value in the smoothed learning curve."""
LEAST_SHARE = 0.2
"""Least depth of colour of a mistake: one among a thousand rows must still be seen."""
WIDE = 460
"""Pixels beyond which a drawing has the page's width to itself."""
UNASKED = Importance(why_not="It was not asked.")
COLUMNS = ("#", "{metric}", "epochs", "seconds", "at", "architecture", "origin")


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

    @property
    def counts(self) -> bool:
        """Whether the trial has a score to show."""
        return self.error is None and self.score is not None and math.isfinite(self.score)


@dataclass(frozen=True)
class ReportData:
    """All that the page shows.

    Args:
        figures: what result.json holds.
        drawing: SVG, put into the page as it is.
        curve: `seconds`, `epochs` and `loss` of the last training.
        confusion: counts of test rows, by true class and by answer, in the order of `classes`.
        residuals: of a regression: the true value and the answer of each test row.
        importance: what the score hung on.
        layers: milliseconds of one answer by kind of layer, the longest first.
        clock: what took how many seconds, in the order of its beginning.
        beside: of other studies `name`, and lists `at`, `low`, `middle` and `high` of their best so far.
        pairs: of networks that shared weights had judged: that score, and the one after a training of its own.
        versus: `search` and `random`: (cost, best so far) whenever it rose, for what `figures["baseline"]` tells.
    """

    figures: Mapping[str, Any]
    metric: str
    maximise: bool
    trials: Sequence[TrialRow]
    drawing: str
    curve: Sequence[Mapping[str, float]] = ()
    confusion: Sequence[Sequence[int]] | None = None
    classes: Sequence[str] = field(default_factory=tuple)
    residuals: Sequence[tuple[float, float]] = ()
    importance: Importance = UNASKED
    layers: Sequence[tuple[str, float]] = ()
    clock: Sequence[tuple[str, float]] = ()
    beside: Sequence[Mapping[str, Any]] = ()
    versus: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    pairs: Sequence[tuple[float, float]] = ()


def write_page(file: Path, data: ReportData) -> None:
    """Write the page, at once or not at all."""
    charts = _charts(data)
    loss = charts["curve"]["loss"]
    text = (
        environment()
        .get_template("report.html")
        .render(
            f=data.figures,
            data=data,
            when=f"{data.figures['when'][:16].replace('T', ' ')} UTC",
            tiles=list(_tiles(data)),
            columns=[
                (
                    title.format(metric=data.metric.replace("_", " ")),
                    place < 5,
                    "ascending" if title == "at" else "none",
                )
                for place, title in enumerate(COLUMNS)
            ],
            decisions=[(name, _show(value)) for name, value in data.figures["architecture"].items()],
            lost=charts["lost"],
            versus=_against(data.figures["baseline"]) if data.versus else None,
            shared=_shared(data) if data.figures.get("one_shot") else None,
            relaxed=mixture_lines(data.figures, data.metric) if data.figures.get("relaxed") else None,
            curve=(f"{loss[0]:.3f}", f"{loss[-1]:.3f}") if loss else None,
            confusion=_confusion(data.confusion, data.classes) if data.confusion else None,
            choices=_bars(data.importance.choices, lambda value: f"{value:.3f}"),
            clock=_bars([(title, seconds) for title, seconds in data.clock if seconds > 0], show_seconds),
            layers=_bars(data.layers, lambda ms: f"{ms:.3g} ms"),
            answered=f"{sum(ms for _, ms in data.layers):.3g} ms",
            target=target_lines(data.figures),
            spent=show_seconds(sum(seconds for _, seconds in data.clock)),
            wide=_width(data.drawing) > WIDE or not (loss or data.confusion or data.residuals),
            plotly=get_plotlyjs(),
            # A class may be called anything, "</script>" too.
            charts=json.dumps(charts, allow_nan=False).replace("<", "\\u003c"),
        )
    )
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _shared(data: ReportData) -> dict[str, Any]:
    """What the shared weights were, and what they were worth, in words, and as lines of a table."""
    about = data.figures["one_shot"]
    lines = [("networks judged by shared weights", f"{about['judged']:,}")]
    if "epochs" in about:
        lines.append(("epochs of the shared weights", f"{about['epochs']:,.0f}"))
    lines += [(f"{data.metric.replace('_', ' ')}, {name}", _figure(value)) for name, value in about["spread"].items()]
    lines.append(("networks that were trained too", f"{about['trained']:,}"))
    if about["kendall"] is not None:
        lines.append(("rank correlation of both (Kendall)", f"{about['kendall']:.2f}"))
    if about["kendall_best_fifth"] is not None:
        lines.append((f"of the best {about['best_fifth']} of them", f"{about['kendall_best_fifth']:.2f}"))
    return {
        "lines": lines,
        "share": f"{100 * about['share']:.0f} %",
        "seconds": show_seconds(sum(about["seconds"].values())),
    }


def _against(about: Mapping[str, Any]) -> dict[str, Any]:
    """What random search did, in words, and as lines of a table."""

    def cost(value: float) -> str:
        if about["unit"] != "seconds":
            return f"{value:.0f} judgements"
        return show_seconds(value) if value >= 10 else f"{value:.1f}s"

    return {
        "cost": cost(about["cost"]),
        "level": None if about["level_at"] is None else cost(about["level_at"]),
        "lines": [
            [
                cost(line["at"]),
                *(_figure(line[name]) for name in ("search", "random", "regret_search", "regret_random")),
            ]
            for line in about["at"]
        ],
    }


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if abs(value) >= 10 else f"{value:.4f}"


def _width(drawing: str) -> int:
    found = re.match(r'<svg[^>]* width="(\d+)', drawing)
    return int(found[1]) if found else 0


def _show(value: object) -> str:
    """A decision as a reader wants it."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_show, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _bars(values: Sequence[tuple[str, float]], show: Callable[[float], str]) -> list[dict[str, Any]]:
    """Lines of a table of bars: the longest is as wide as the column."""
    most = max((value for _, value in values), default=1.0)
    return [{"title": title, "text": show(value), "share": round(100 * value / most, 1)} for title, value in values]


@dataclass(frozen=True)
class _Tile:
    title: str
    value: str
    note: str = ""


def _tiles(data: ReportData) -> Iterator[_Tile]:
    figures, interval = data.figures, data.figures["test_interval"]
    # What was searched for need not be a thing that test rows can tell, such as the number of parameters.
    metric = data.metric if f"test_{data.metric}" in figures else interval["metric"]
    shown = metric.replace("_", " ")
    if f"test_{metric}" in figures:
        note = f"95 %: {interval['low']:.3f} to {interval['high']:.3f}" if interval["metric"] == metric else ""
        yield _Tile(f"test {shown}", f"{figures[f'test_{metric}']:.4f}", note)
    if f"validation_{metric}" in figures:
        yield _Tile(f"validation {shown}", f"{figures[f'validation_{metric}']:.4f}", "in the search")
    size = f"{figures['onnx_bytes'] / 1e6:.2f} MB as ONNX" if "onnx_bytes" in figures else ""
    yield _Tile("parameters", _count(figures["parameters"]), size)
    yield _Tile("multiply-accumulates", _count(figures["macs"]), "for one input")
    failed = figures["failed"]
    yield _Tile("networks judged", f"{figures['judged']:,}", f"{figures['trials']:,} trials, {failed:,} failed")
    last = show_seconds(figures["final_seconds"])
    yield _Tile("time", show_seconds(figures["seconds"]), f"{last} of it the last training")
    if "latency_ms_onnxruntime" in figures:
        torch = f"{figures['latency_ms_torch']:.2f} ms in torch; one thread"
        yield _Tile("one answer", f"{figures['latency_ms_onnxruntime']:.2f} ms", torch)


def _count(number: int) -> str:
    """Exact while it fits a tile."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e8, "M")):
        if number >= size:
            return f"{number / (1e6 if letter == 'M' else size):.3g} {letter}"
    return f"{number:,}"


def _confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> dict[str, Any]:
    """The confusion matrix as the page's table: how deep each cell is coloured, and in which colour."""
    cells = [
        [_cell(count, sum(row), place == answer) for answer, count in enumerate(row)]
        for place, row in enumerate(counts)
    ]
    rows = sum(map(sum, counts))
    wrong = rows - sum(row[place] for place, row in enumerate(counts))
    return {"cells": cells, "rows": rows, "wrong": wrong, "long": any(len(name) > 3 for name in classes)}


def _cell(count: int, of: int, right: bool) -> dict[str, Any]:
    kind = "none" if count == 0 else "right" if right else "wrong"
    share = count / of if of else 0.0
    depth = share if right else LEAST_SHARE + (1 - LEAST_SHARE) * math.sqrt(share)
    return {"count": count, "kind": kind, "share": round(depth, 3)}


def _charts(data: ReportData) -> dict[str, Any]:
    """The numbers that the page's script draws."""
    judged = [trial for trial in data.trials if trial.counts]
    best: list[float] = []
    for trial in judged:
        score = trial.score if trial.score is not None else 0.0
        better = max if data.maximise else min
        best.append(better(best[-1], score) if best else score)
    return {
        "metric": data.metric.replace("_", " "),
        "maximise": data.maximise,
        "at": [round(trial.at, 2) for trial in judged],
        "score": [trial.score for trial in judged],
        "best": best,
        "epochs": [trial.budget for trial in judged],
        "keys": [trial.key for trial in judged],
        "lost": [round(trial.at, 2) for trial in data.trials if not trial.counts],
        "beside": [dict(band) for band in data.beside],
        "versus": _versus(data),
        "inherited": [round(score, 6) for score, _ in data.pairs],
        "trained": [round(score, 6) for _, score in data.pairs],
        "relaxed": mixture_chart(data.figures, data.metric),
        "curve": _curve(data.curve),
        "true": [_digits(true) for true, _ in data.residuals],
        "answer": [_digits(answer) for _, answer in data.residuals],
    }


def _digits(value: float) -> float:
    """With all that float32 knows of it, however small or large it is."""
    return float(f"{value:.9g}")


def _versus(data: ReportData) -> dict[str, Any]:
    """The two curves, drawn on to the end of what is compared."""
    if not data.versus:
        return {}
    about = data.figures["baseline"]
    found: dict[str, Any] = {"unit": about["unit"], "metric": about["metric"].replace("_", " ")}
    for name in ("search", "random"):
        points = [*data.versus[name], (about["cost"], data.versus[name][-1][1])]
        found[name] = {"at": [round(at, 2) for at, _ in points], "best": [best for _, best in points]}
    return found


def _curve(points: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    kept = [point for point in points if math.isfinite(point["loss"])]
    smooth: list[float] = []
    for point in kept:
        before = smooth[-1] if smooth else point["loss"]
        smooth.append(before + SMOOTHING * (point["loss"] - before))
    return {
        "seconds": [round(point["seconds"], 2) for point in kept],
        "epochs": [round(point["epochs"], 2) for point in kept],
        "loss": [round(point["loss"], 5) for point in kept],
        "smooth": [round(value, 5) for value in smooth],
    }
