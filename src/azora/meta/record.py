"""What is kept of a search: results and features, never the data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from azora.errors import AzoraError, KnowledgeError
from azora.space import Space
from azora.strategies.memory import Remembered

FORMAT = 1
MOST_BYTES = 200_000_000
OTHER = ("budget", "score", "seconds")


@final
@dataclass(frozen=True)
class Judgement:
    """One network of a search.

    Args:
        decisions: its architecture (and recipe), as JSON.
        score: by the record's metric.
        budget: the epochs that it was trained for; None where nobody says.
        seconds: of the judgement.
        costs: parameters, multiply-accumulates and the like, where they are known.
        others: what else it was trained for, the shortest first: epochs, score and seconds. `score` is of the longest.
    """

    decisions: Mapping[str, Any]
    score: float
    budget: float | None = None
    seconds: float = 0.0
    costs: Mapping[str, float] = field(default_factory=dict)
    others: Sequence[tuple[float | None, float, float]] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "decisions": dict(self.decisions),
            "score": self.score,
            "budget": self.budget,
            "seconds": round(self.seconds, 3),
            "costs": dict(self.costs),
            **({"others": [dict(zip(OTHER, each, strict=True)) for each in self.others]} if self.others else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Judgement:
        """Raises ValueError, TypeError or KeyError where this is none."""
        costs = {str(name): _finite(f"cost {name}", value) for name, value in data.get("costs", {}).items()}
        budget, score, seconds = _training(data)
        others = tuple(_training(each) for each in data.get("others", ()))
        return cls(dict(data["decisions"]), score, budget, seconds, costs, others)


@final
@dataclass(frozen=True)
class Record:
    """One search, as it is remembered.

    Args:
        id: names it among others.
        task: what the data were called.
        features: of the task (`azora.meta.describe_task`).
        space: `{"name", "fingerprint"}`; the fingerprint says which searches have the same choices.
        metric: what scores are of; `maximise`, whether more is better.
        trials: what was judged.
        facts: strategy, seed, budget, device, versions, when; where they are told, what came of it
            (`azora.meta.evidence.experienced` reads them).
    """

    id: str
    task: str
    features: Mapping[str, float]
    space: Mapping[str, str]
    metric: str
    maximise: bool
    trials: Sequence[Judgement]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "task": {"name": self.task, "features": dict(self.features)},
            "space": dict(self.space),
            "metric": self.metric,
            "maximise": self.maximise,
            **self.facts,
            "trials": [each.to_json() for each in self.trials],
        }

    @classmethod
    def from_json(cls, data: Any) -> Record:
        """Raises KnowledgeError where this is none."""
        try:
            own = {"id", "task", "space", "metric", "maximise", "trials"}
            features = {str(name): _finite(name, value) for name, value in data["task"]["features"].items()}
            made = cls(
                str(data["id"]),
                str(data["task"]["name"]),
                features,
                {"name": str(data["space"]["name"]), "fingerprint": str(data["space"]["fingerprint"])},
                str(data["metric"]),
                bool(data["maximise"]),
                [Judgement.from_json(each) for each in data["trials"]],
                {name: value for name, value in data.items() if name not in own},
            )
            # Decisions and facts are whatever JSON there was; what is no number cannot be written again.
            json.dumps([made.facts, [each.decisions for each in made.trials]], allow_nan=False)
            return made
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise KnowledgeError(f"this is no record of a search: {type(error).__name__}: {error}") from error

    def standing(self, judged: Judgement) -> tuple[float, float]:
        """More is better: how long it was trained, and its score among those that were trained as long."""
        length = math.inf if judged.budget is None else judged.budget
        return length, judged.score if self.maximise else -judged.score

    def remembered(self, space: Space, likeness: float) -> Remembered | None:
        """What a search in `space` can take from it: the networks that were trained longest, and those whose longest
        training was shorter behind them. None where fewer than two are points of that space.

        A training that was cut short says less, so no score of one is compared with that of a longer one: rungs are
        put one above the other, as successive halving leaves them.
        """
        if self.space["fingerprint"] != space.root.fingerprint:
            return None
        best: dict[str, tuple[Any, tuple[float, float]]] = {}
        for each in self.trials:
            try:
                architecture = space.root.parse(each.decisions)
            except (AzoraError, OverflowError):  # a later azora knows other options
                continue
            order = self.standing(each)
            if architecture.key not in best or order > best[architecture.key][1]:
                best[architecture.key] = (architecture, order)
        if len(best) < 2:
            return None
        places = {order: float(place) for place, order in enumerate(sorted({order for _, order in best.values()}))}
        found = list(best.values())
        return Remembered(
            self.task, tuple(each for each, _ in found), tuple(places[order] for _, order in found), likeness
        )


def _training(data: Mapping[str, Any]) -> tuple[float | None, float, float]:
    """How long a network was trained, what it came to, and the seconds of that. Raises as `Judgement.from_json`."""
    budget = data.get("budget")
    length = None if budget is None else _finite("budget", budget)
    return length, _finite("score", data["score"]), _finite("time", data.get("seconds", 0.0))


def _finite(word: str, value: Any) -> float:
    """A number that is one. Raises ValueError or TypeError where it is not."""
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"the {word} {found} is not a finite number")
    return found


def write_records(records: Sequence[Record]) -> str:
    """A file of them, as JSON text."""
    return json.dumps({"format": FORMAT, "studies": [each.to_json() for each in records]}) + "\n"


def read_records(file: Path) -> list[Record]:
    """The records in a file that `write_records` wrote.

    Raises:
        KnowledgeError: there is no such file, it is damaged, or of a newer format.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise KnowledgeError(f"{file} has {file.stat().st_size:,} bytes, more than a memory has")
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = (error.strerror or error) if isinstance(error, OSError) else error
        raise KnowledgeError(f"{file} cannot be read: {said}") from error
    if (
        not isinstance(data, dict)
        or not isinstance(data.get("format"), int)
        or not isinstance(data.get("studies"), list)
    ):
        raise KnowledgeError(f"{file} is no memory of azora's; azora memory export writes one")
    if data["format"] > FORMAT:
        raise KnowledgeError(f"{file} has format {data['format']}, this azora reads up to {FORMAT}; use a newer azora")
    return [Record.from_json(each) for each in data["studies"]]
