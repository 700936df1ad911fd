"""What one study's folder tells for the scorecard."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from azora.automl.comparing.runs import RESULT, Record
from azora.automl.comparing.systems import RANDOM, systems
from azora.automl.pacing import FINAL_EPOCHS
from azora.automl.reading import read_events
from azora.automl.scoring.words import shortest_command
from azora.errors import StudyError
from azora.study.folder import JOURNAL
from azora.study.journal import Event
from azora.tasks import METRICS
from azora.trial import Objective


@final
@dataclass(frozen=True)
class Searched:
    """A finished search.

    Args:
        name: of the system, where a comparison ran it; else its strategy.
        group: what it is averaged with: runs of one system in one comparison.
        about: what was asked for, as the journal has it.
        curve: (seconds of searching, best score on validation so far) whenever that rose. Scores are signed: higher is
            better. What shared weights judged without a training is not among them.
        search: seconds of searching, all phases of a method included.
        deployed: seconds from the beginning to written model files.
        shortest: epochs of the shortest training.
        processor: processor seconds of all sessions, where a comparison has seen them.
        result: `result.json`.
    """

    folder: Path
    name: str
    group: tuple[str, str, str]
    by_hand: bool
    about: Mapping[str, Any]
    objective: Objective
    curve: Sequence[tuple[float, float]]
    search: float
    deployed: float
    shortest: float
    processor: float | None
    result: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Of the data and their splits: scores of one digest are of the same rows."""
        return str(self.about.get("data"))

    @property
    def words(self) -> int:
        """Of the shortest command line that asks for this."""
        return len(shortest_command(self.about))

    @property
    def test(self) -> float | None:
        """The test score, signed: higher is better."""
        value = self.result.get(f"test_{self.objective.metric}")
        return None if value is None else float(value) * (1 if self.objective.maximise else -1)

    @property
    def fully_trained_random(self) -> bool:
        """Whether it is random search of which no network was trained for less than 20 epochs, and more than one was
        to be had."""
        return self.about.get("strategy") == "random" and not self.by_hand and self.shortest >= FINAL_EPOCHS

    @property
    def random(self) -> bool:
        """Whether it is random search with trainings as long as its time suggested; of a comparison, that which all are
        compared with."""
        return self.name == RANDOM and "epochs" not in self.about["settings"]


def find_searches(outs: Sequence[Path]) -> list[Searched]:
    """The finished searches in these folders and below them, in the order of their paths.

    Raises:
        StudyError: one of them is no folder, or there is no finished search in any.
    """
    found = []
    for out in outs:
        if not out.is_dir():
            raise StudyError(f"{out} is no folder; give what azora search or azora compare wrote")
        found += [searched for folder in _studies(out) if (searched := read_searched(folder)) is not None]
    found = list({searched.folder.resolve(): searched for searched in found}.values())
    if not found:
        raise StudyError(f"no finished search in {', '.join(map(str, outs))}; run azora search or azora compare first")
    return found


def _studies(out: Path) -> Iterator[Path]:
    """Folders of studies, without those that lie inside of a study: a method's phases, a baseline."""
    inside: list[Path] = []
    for folder in sorted(file.parent for file in out.rglob(JOURNAL)):
        if not any(outer in folder.parents for outer in inside):
            inside.append(folder)
            yield folder


def read_searched(folder: Path) -> Searched | None:
    """None where the search is not finished."""
    try:
        result: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    events = read_events(folder)
    about: Mapping[str, Any] = next(event["about"] for event in events if event["kind"] == "created")
    first = str(about["objective"]).split(",")[0]
    objective = Objective.parse(first)
    if objective.metric not in METRICS:  # a reward, or a score of the user's own: what it ships is compared by nothing
        return None
    record = Record.read(folder.with_name(f"{folder.name}.json"))
    processor = None if record is None else [session["processor"] for session in record.sessions]
    name = str(about["strategy"]) if record is None else record.system
    usual = systems()
    curve, search = search_curve(events, objective)
    return Searched(
        folder=folder,
        name=name,
        group=(str(about["task"]), name, str(folder if record is None else folder.parent.parent)),
        by_hand=record is not None and name in usual and usual[name].by_hand,
        about=about,
        objective=objective,
        curve=curve,
        search=search,
        deployed=max(float(event["elapsed"]) for event in events),
        shortest=min((budget for budget in _lengths(events)), default=0.0),
        processor=None if processor is None or None in processor else float(sum(processor)),
        result=result,
    )


def search_curve(events: Sequence[Event], objective: Objective) -> tuple[list[tuple[float, float]], float]:
    """(seconds of searching, best signed score so far) whenever it rose, and all seconds of searching.

    Searching is every phase whose name begins with `search`, those of methods included; starting, measuring the machine
    and the last training are not.
    """
    curve: list[tuple[float, float]] = []
    asked: dict[int, Mapping[str, Any]] = {}
    spent = clock = 0.0
    searching = False
    for event in events:
        kind, now = event["kind"], float(event["elapsed"])
        spent += now - clock if searching and kind != "opened" else 0.0
        searching = (
            str(event["name"]).startswith("search")
            if kind == "phase"
            else searching and kind not in ("opened", "finished")
        )
        clock = now
        if kind == "asked":
            asked[event["number"]] = event["proposal"]
        elif kind == "told" and _trained(asked[event["number"]]) and not event["report"]["error"]:
            value = event["report"]["metrics"].get(objective.metric)
            score = -math.inf if value is None else float(value) * (1 if objective.maximise else -1)
            if score > (curve[-1][1] if curve else -math.inf):
                curve.append((spent, score))
    return curve, spent


def _trained(proposal: Mapping[str, Any]) -> bool:
    """What shared weights alone have judged has a budget of nothing."""
    return bool(proposal["budget"] != 0)


def _lengths(events: Sequence[Event]) -> Iterator[float]:
    for event in events:
        if event["kind"] == "asked" and _trained(event["proposal"]):
            yield math.inf if event["proposal"]["budget"] is None else float(event["proposal"]["budget"])
