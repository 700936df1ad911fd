"""Other studies of the same data, to be shown beside one: random search's, above all."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from azora.automl.reading import read_events
from azora.errors import ConfigError, StudyError
from azora.trial import Objective

POINTS = 200


@final
@dataclass(frozen=True)
class Progress:
    """Of one study: its strategy, (seconds, best score so far) whenever that rose, and when its last trial ended."""

    strategy: str
    task: str
    points: tuple[tuple[float, float], ...]
    end: float


def read_progress(out: Path, objective: Objective) -> Progress:
    """How the study in `out` went.

    Raises:
        StudyError: there is none, or nothing in it was judged by this objective.
    """
    events = read_events(out)
    about: dict[str, Any] = next((event["about"] for event in events if event["kind"] == "created"), {})
    points: list[tuple[float, float]] = []
    for event in events:
        score = event["report"]["metrics"].get(objective.metric) if event["kind"] == "told" else None
        if score is None or event["report"]["error"] or not math.isfinite(score):
            continue
        if not points or (score > points[-1][1] if objective.maximise else score < points[-1][1]):
            points.append((float(event["elapsed"]), float(score)))
    end = max((float(event["elapsed"]) for event in events if event["kind"] == "told"), default=0.0)
    if not points:
        raise StudyError(f"{out} has no network that was judged by {objective.metric}, so it cannot be shown beside")
    return Progress(str(about.get("strategy", "?")), str(about.get("task", "")), tuple(points), end)


def bands(outs: Sequence[Path], objective: Objective, task: str) -> list[dict[str, Any]]:
    """For each strategy among the studies in `outs`: at some times the least, median and greatest best so far.

    Raises:
        StudyError, ConfigError: one of them is no study, or of a task of another name (the data's hash would not do: it
            is of the splits, and another seed splits otherwise).
    """
    by_strategy: dict[str, list[Progress]] = {}
    for out in outs:
        progress = read_progress(out, objective)
        if progress.task != task:
            raise ConfigError(f"{out} holds a study of {progress.task}; only those of {task} can be shown beside")
        by_strategy.setdefault(progress.strategy, []).append(progress)
    return [_band(strategy, found) for strategy, found in by_strategy.items()]


def _band(strategy: str, studies: Sequence[Progress]) -> dict[str, Any]:
    """From the time when all of them have a score to the last trial of any."""
    begin = max(study.points[0][0] for study in studies)
    end = max(begin, *(study.end for study in studies))
    times = [begin + (end - begin) * place / (POINTS - 1) for place in range(POINTS)] if end > begin else [begin]
    rows = [[_at(study, time) for study in studies] for time in times]
    return {
        "name": f"{strategy}, {len(studies)} {'study' if len(studies) == 1 else 'studies'}",
        "at": [round(time, 2) for time in times],
        "low": [min(row) for row in rows],
        "middle": [statistics.median(row) for row in rows],
        "high": [max(row) for row in rows],
    }


def _at(study: Progress, time: float) -> float:
    place = bisect_right(study.points, (time, math.inf)) - 1
    return study.points[max(place, 0)][1]
