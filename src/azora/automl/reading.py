"""What a search's folder tells: its result, or how far it has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azora.automl.result import Result
from azora.clock import show_seconds
from azora.errors import StudyError
from azora.study.folder import BASELINE, JOURNAL
from azora.study.journal import Event
from azora.study.looking import read_journal


@dataclass(frozen=True)
class Seen:
    """Figures of a study, and its best trials, best first."""

    figures: Mapping[str, Any]
    best: Sequence[Mapping[str, Any]]
    result: Result | None

    def text(self) -> str:
        """For a terminal."""
        said = f"{self.figures['task']}: {self.figures['state']} after {show_seconds(self.figures['seconds'])}"
        lines = [f"{said}, {self.figures['trials']} trials, {self.figures['failed']} failed"]
        if (beside := self.figures.get("baseline")) is not None:
            best = "" if beside["best"] is None else f", best {beside['best']:.4f}"
            schedule = "" if beside["strategy"] == "random" else f" ({beside['strategy']} around random draws)"
            lines.append(
                f"beside it, random search{schedule}: {beside['trials']} trials, {beside['failed']} failed{best}"
            )
        if self.result is not None:
            lines.append(self.result.summary())
        for trial in self.best:
            epochs = "" if trial["budget"] is None else f"{trial['budget']:g} epochs"
            lines.append(f"  {trial['key']}  {trial['score']:.4f}  {epochs:<10} {trial['origin']}")
        return "\n".join(lines)


def read_events(out: Path) -> list[Event]:
    """The events of the study in `out`, which may be running. Nothing is written there.

    Raises:
        StudyError: there is none.
    """
    if not (out / JOURNAL).is_file():
        raise StudyError(f"{out} holds no study: there is no {JOURNAL} in it")
    return read_journal(out / JOURNAL)


def read_out(out: Path, top: int = 5) -> Seen:
    """Read the folder `out`, without touching it. A running search may be read too.

    Raises:
        StudyError: there is no study in it.
    """
    events = read_events(out)
    about: Mapping[str, Any] = next((event["about"] for event in events if event["kind"] == "created"), {})
    asked = {event["number"]: event["proposal"] for event in events if event["kind"] == "asked"}
    told = [(asked[event["number"]], event["report"]) for event in events if event["kind"] == "told"]
    metric, _, direction = str(about.get("objective", "accuracy")).partition(":")
    sign = -1.0 if direction == "min" else 1.0
    good = [
        {
            "key": proposal["architecture"]["key"],
            "score": report["metrics"][metric],
            "budget": proposal["budget"],
            "origin": proposal["origin"],
        }
        for proposal, report in told
        if not report["error"] and metric in report["metrics"]
    ]
    good.sort(key=lambda each: (_length(each["budget"]), sign * each["score"]), reverse=True)
    phases = [
        event["kind"] if event["kind"] == "finished" else event["name"] for event in events if event["kind"] in _STATES
    ]
    figures = {
        "out": str(out),
        "state": phases[-1] if phases else "begun",
        "trials": len(told),
        "failed": len(told) - len(good),
        "seconds": max((event["elapsed"] for event in events), default=0.0),
        **{name: about.get(name) for name in ("task", "space", "strategy", "objective", "limits", "seed")},
    }
    if (out / BASELINE / JOURNAL).is_file():
        figures["baseline"] = _beside(read_out(out / BASELINE, 1))
    result = Result.read(out) if (out / "result.json").is_file() else None
    return Seen({**figures, **({"result": dict(result.figures)} if result else {})}, good[:top], result)


def _length(budget: float | None) -> float:
    """Of a training: where none is said it was in full; what was judged by shared weights had 0 epochs of its own."""
    return float("inf") if budget is None else budget


def _beside(seen: Seen) -> dict[str, Any]:
    """The baseline in a few words; how it compares is in the result."""
    best = seen.best[0]["score"] if seen.best else None
    return {name: seen.figures[name] for name in ("strategy", "trials", "failed")} | {"best": best}


_STATES = ("phase", "finished")
