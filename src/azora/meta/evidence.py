"""Which strategy for a task: by what strategies did in cases like it."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from azora.errors import KnowledgeError
from azora.meta.features import likeness
from azora.meta.record import Record

FORMAT = 1
TRAINED = "trained"  # the evaluator of searches that do not say
FILE = Path(__file__).parent / "data" / "evidence.json"  # the cases that come with azora, where there are any
SPREAD = 2.0  # logarithms of time, and of values to learn from for each second, by which two cases differ much
REACH = 8.0  # times as long or as short, beyond which a case says nothing: what is best changes with the time
OTHER = {"space": 0.5, "limits": 0.7, "device": 0.7}  # what is left of a likeness where these are others
PRIOR = 2.0  # cases just alike that the mean over all cases is worth; so many of a middling rank are added to those
ENOUGH = 2.0  # likeness, over all cases, below which too little is known


@final
@dataclass(frozen=True)
class Situation:
    """What a strategy is chosen for.

    Args:
        features: of the task (`describe_task`).
        space: the name of the networks' space.
        seconds: of the budget.
        workers: processes that train.
        limits: the quantities that have hard limits.
        device: that trains.
    """

    features: Mapping[str, float]
    space: str
    seconds: float
    workers: int = 1
    limits: tuple[str, ...] = ()
    device: str = "cpu"

    def likeness(self, other: Situation) -> float:
        """From 0 to 1, how much `other` says of this one."""
        away = abs(self._work() - other._work())
        if away > math.log(REACH):
            return 0.0
        away += abs(self._load() - other._load())
        alike = likeness(self.features, other.features) * math.exp(-away / (2 * SPREAD))
        for name, left in OTHER.items():
            if getattr(self, name) != getattr(other, name):
                alike *= left
        return alike

    def _work(self) -> float:
        return math.log(max(1e-3, self.seconds * self.workers))

    def _load(self) -> float:
        """The logarithm of the values to learn from for each second of a core."""
        return self.features.get("log_rows", 0.0) + self.features.get("log_inputs", 0.0) - self._work()


@final
@dataclass(frozen=True)
class Experience:
    """What strategies came to in one situation: `scores`, the more the better, one a seed; none where one failed.

    `data` is where the task comes from: tasks cut from the same data are no evidence of each other.
    """

    task: str
    situation: Situation
    scores: Mapping[str, Sequence[float]]
    data: str = ""

    def ranks(self, candidates: Collection[str]) -> dict[str, float]:
        """Of those of the candidates that were tried here: 0 the best, 1 the worst, ties shared; who failed is last.
        Empty where fewer than two were."""
        means = {
            name: float(np.mean(found)) if found else -math.inf
            for name, found in self.scores.items()
            if name in candidates
        }
        if len(means) < 2:
            return {}
        values = list(means.values())
        return {
            name: (sum(other > own for other in values) + 0.5 * (sum(other == own for other in values) - 1))
            / (len(values) - 1)
            for name, own in means.items()
        }

    def to_json(self) -> dict[str, Any]:
        situation = self.situation
        return {
            "task": self.task, "data": self.data, "features": dict(situation.features), "space": situation.space,
            "seconds": situation.seconds, "workers": situation.workers, "limits": list(situation.limits),
            "device": situation.device, "scores": {name: list(found) for name, found in self.scores.items()},
        }  # fmt: skip

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Experience:
        situation = Situation(
            {str(name): float(value) for name, value in told["features"].items()}, str(told["space"]),
            float(told["seconds"]), int(told["workers"]), tuple(told["limits"]), str(told["device"]),
        )  # fmt: skip
        scores = {str(name): tuple(map(float, found)) for name, found in told["scores"].items()}
        return cls(str(told["task"]), situation, scores, str(told["data"]))


@final
@dataclass(frozen=True)
class Choice:
    """A strategy, why, and the rank that is expected of each (0 the best, 1 the worst), the best first."""

    strategy: str
    why: str
    ranks: Mapping[str, float] = field(default_factory=dict)


def choose(experiences: Sequence[Experience], situation: Situation, candidates: Collection[str]) -> Choice | None:
    """The candidate of the best expected rank; None where no case is like this one, or nothing tells candidates apart.

    The expected rank is the mean over all cases that are like this one at all, each weighed by its likeness, drawn
    towards their plain mean: so far as little like it was seen, who is best in general is chosen.
    """
    found = [(each, each.situation.likeness(situation), each.ranks(candidates)) for each in experiences]
    found = [(each, alike, ranks) for each, alike, ranks in found if ranks and alike]
    if sum(alike for _, alike, _ in found) < ENOUGH:
        return None
    expected = {}
    for name in sorted({name for _, _, ranks in found for name in ranks}):
        own = [(alike, ranks[name]) for _, alike, ranks in found if name in ranks]
        # Of one case, however well it went, nothing general is known: two of a middling rank are added.
        general = (sum(rank for _, rank in own) + PRIOR * 0.5) / (len(own) + PRIOR)
        total = sum(alike for alike, _ in own) + PRIOR
        expected[name] = (sum(alike * rank for alike, rank in own) + PRIOR * general) / total
    ordered = dict(sorted(expected.items(), key=lambda each: each[1]))
    best = next(iter(ordered))
    return Choice(best, _why(best, ordered, found), ordered)


def _why(
    best: str, ordered: Mapping[str, float], found: Sequence[tuple[Experience, float, Mapping[str, float]]]
) -> str:
    nearest = sorted((each for each in found if best in each[2]), key=lambda each: -each[1])[:3]
    cases = "; ".join(
        f"on {each.task} within {each.situation.seconds:g} s it was"
        f" number {1 + round(ranks[best] * (len(ranks) - 1))} of {len(ranks)}"
        for each, _, ranks in nearest
    )
    others = list(ordered)[1:2]
    behind = f", {others[0]} {ordered[others[0]]:.2f}" if others else ""
    return f"expected rank {ordered[best]:.2f} of 0 to 1{behind}, by {len(found)} cases; the most alike: {cases}"


def shipped_cases() -> list[Experience]:
    """The cases that come with azora; none where there is no such file.

    Raises:
        KnowledgeError: it cannot be read, or it is of a newer format.
    """
    return read_evidence(FILE) if FILE.is_file() else []


def read_evidence(file: Path) -> list[Experience]:
    """The cases in a file.

    Raises:
        KnowledgeError: there is none, it cannot be read, or it is of a newer format.
    """
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if told["format"] > FORMAT:
            raise KnowledgeError(f"{file} has format {told['format']}, this azora reads up to {FORMAT}")
        return [Experience.from_json(each) for each in told["cases"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KnowledgeError(f"{file} is no evidence of strategies: {error}") from error


def write_evidence(experiences: Sequence[Experience]) -> str:
    """A file of them, as JSON text: a case a line."""
    cases = ",\n".join(json.dumps(each.to_json()) for each in experiences)
    return f'{{"format": {FORMAT}, "cases": [\n{cases}\n]}}\n'


def space_of(name: str) -> str:
    """The name of a space without what is searched beside its networks, such as the recipe."""
    return name.partition(" × ")[0]


def experienced(records: Sequence[Record], test: str = "", evaluator: str = TRAINED) -> list[Experience]:
    """What a memory says of strategies: searches judged on the same test rows, in one space of the same settings, with
    a recipe or without, with a usual network beside the winner or without, within the same time and limits (by amount,
    on the same target), by at least two strategies without settings; a search's score is its outcome on those rows, and
    one that came to nothing is told of its strategy too. That is why searches whose test rows have the digest `test`
    say nothing: what is chosen for rows must not have seen their test. Nor do those say anything that had limits of
    which no amount is known, or another `evaluator`, nor all of a case in which trees shipped in place of a network: a
    strategy would be judged by the seeds in which it was better than they.
    """
    grouped: dict[_Case, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    features: dict[_Case, Mapping[str, float]] = {}
    failed, beaten = set[tuple[_Case, str]](), set[_Case]()
    for record in records:
        if record.facts.get("trees") and (case := _case_of(record, test, evaluator)) is not None:
            beaten.add(case)
        strategy, outcome = record.facts.get("strategy"), record.facts.get("outcome")
        ended = isinstance(outcome, int | float) or record.facts.get("failed") is True
        if not (ended and isinstance(strategy, str)):
            continue
        if (case := _case_of(record, test, evaluator)) is None:
            continue
        scores, features[case] = grouped[case][strategy], record.features
        if isinstance(outcome, int | float):
            scores.append(outcome if record.maximise else -outcome)
        else:
            failed.add((case, strategy))
    return [
        Experience(
            case.task,
            Situation(features[case], space_of(case.space), case.seconds, case.workers, case.limits, case.device),
            {name: [] if (case, name) in failed else scores for name, scores in found.items()},
        )
        for case, found in grouped.items()
        if len(found) > 1 and case not in beaten
    ]


@final
@dataclass(frozen=True)
class _Case:
    """What searches have in common whose strategies may be compared."""

    task: str
    rows: str
    metric: str
    space: str
    fingerprint: str  # by which spaces of one name and other settings differ
    seconds: float
    halved: bool | None  # whether a usual network had half of the last training; nothing is known of older searches
    workers: int
    limits: tuple[str, ...]
    amounts: tuple[str, ...]
    target: str | None
    device: str


def _case_of(record: Record, test: str, evaluator: str) -> _Case | None:
    """None of a search that can be compared with no other."""
    facts = record.facts
    rows, seconds = facts.get("test"), facts.get("budget")
    other = facts.get("settings") or facts.get("evaluator", TRAINED) != evaluator
    if rows in (None, test) or seconds is None or other:
        return None
    if facts.get("limits") and not facts.get("amounts"):
        return None  # whoever had the narrower limits would pass for the worse strategy
    try:
        limits, amounts = (tuple(map(str, facts.get(name, ()))) for name in ("limits", "amounts"))
        target, reference = facts.get("target"), facts.get("reference")
        return _Case(
            record.task, str(rows), record.metric, record.space["name"], record.space["fingerprint"], float(seconds),
            None if reference is None else bool(reference), int(facts.get("workers", 1)), limits, amounts,
            None if target is None else str(target), str(facts.get("device", "cpu")),
        )  # fmt: skip
    except (TypeError, ValueError):  # a record of another program's
        return None
