"""Where a deployed model loses: classes, confusions, confidence, capacity, data that drifted, layers that take long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from azora.errors import TaskError
from azora.export.bundle import Bundle
from azora.export.reference import drift
from azora.tasks import Split, Task, score_of
from azora.tasks.array import Array
from azora.training import outputs

BINS = 10  # of confidence
UNKNOWN = "unknown"
WORST = 5  # classes and confusions that are told
GAP = 0.03  # by how much better its own rows are answered than new ones where more data, not more network, is wanted


@final
@dataclass(frozen=True)
class Analysis:
    """What was found on new data.

    Args:
        score: accuracy, or R², on search-validation, none of which the model has seen.
        trained_score: the same on rows that it was trained on, when it was made; None where it does not say.
        limits: "data" where those are answered much better than new rows, else "capacity"; "unknown" where the model
            does not say, or where the new rows are its own.
        classes: the worst ones: name, rows, share that is wrong.
        confusions: what is most often taken for what: names, and how many rows.
        calibration: expected calibration error, (0 to 1): how far confidence is from being right.
        drift: two-sample tests against what the model was made with; None where it does not say.
        fresh: classes that the model does not know.
        same: whether these are the very rows that it was made of, so that scores on them say little.
    """

    score: float
    trained_score: float | None
    limits: str
    classes: Sequence[Mapping[str, Any]] = ()
    confusions: Sequence[Mapping[str, Any]] = ()
    calibration: float | None = None
    drift: Sequence[Mapping[str, Any]] | None = None
    fresh: Sequence[str] = ()
    same: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """The same for a reader."""
        own = "" if self.trained_score is None else f", {self.trained_score:.4f} on rows that it was trained on"
        limits = "what limits it is not known" if self.limits == UNKNOWN else f"{self.limits} limits"
        said = [f"score {self.score:.4f} on new rows{own}: {limits}"]
        if self.same:
            said.append("these are the rows that the model was made of: give rows that are new")
        said += [f"class {each['class']}: {each['wrong']:.1%} of {each['rows']} rows wrong" for each in self.classes]
        said += [f"{each['class']} taken for {each['for']}: {each['rows']} rows" for each in self.confusions]
        if self.calibration is not None:
            said.append(f"confidence is off by {self.calibration:.3f} in the mean")
        if self.drift is None:
            said.append("drift: the model does not say what its data were like")
        else:
            found = [each for each in self.drift if each["drifted"]]
            told = ", ".join(f"{each['of']} (p {each['p']:.1g})" for each in found)
            said.append(f"drift: {told}" if found else "drift: none found")
        if self.fresh:
            said.append(f"new classes: {', '.join(self.fresh)}")
        return said


def analyse(bundle: Bundle, task: Task) -> Analysis:
    """Look at a model on new data: on search-validation, not on the test.

    Raises:
        TaskError: the data are of another shape or kind than the model's.
    """
    check_shape(bundle, task)
    fresh = [name for name in task.signature.classes if name not in bundle.signature.classes]
    judged = known_rows(bundle, task, task.validation)
    said = outputs(bundle.network, judged.x, bundle.signature, bundle.scaling)
    score, own = score_of(bundle.signature, said, judged.y), bundle.about.get("trained_score")
    trained_score = float(own) if isinstance(own, int | float) else None
    reference = bundle.about.get("reference")
    tested = drift(reference, judged.x, said, bundle.signature) if isinstance(reference, dict) else None
    same = bundle.about.get("task", {}).get("sha256") == task.digest
    limits = UNKNOWN if same or trained_score is None else "data" if trained_score - score > GAP else "capacity"
    if bundle.signature.kind != "classification":
        return Analysis(score, trained_score, limits, drift=tested, same=same)
    names = bundle.signature.classes
    return Analysis(
        score, trained_score, limits, _classes(said, judged.y, names), _confusions(said, judged.y, names),
        _calibration(said, judged.y), tested, fresh, same,
    )  # fmt: skip


def check_shape(bundle: Bundle, task: Task) -> None:
    """Refuse data that the model cannot take.

    Raises:
        TaskError: with what differs.
    """
    mine, theirs = bundle.signature, task.signature
    if mine.kind != theirs.kind:
        raise TaskError(f"{task.name} is a {theirs.kind}, the model is for {mine.kind}")
    if mine.raw_shape != theirs.raw_shape:
        raise TaskError(
            f"{task.name} has inputs of {_shape(theirs.raw_shape)}, the model takes {_shape(mine.raw_shape)}"
        )
    if mine.kind == "regression" and mine.outputs != theirs.outputs:
        raise TaskError(f"{task.name} has {theirs.outputs} numbers to predict, the model predicts {mine.outputs}")


def known_rows(bundle: Bundle, task: Task, split: Split) -> Split:
    """The rows of classes that the model knows, numbered as it numbers them.

    Raises:
        TaskError: there is none.
    """
    if bundle.signature.kind != "classification":
        return split
    places = {name: place for place, name in enumerate(bundle.signature.classes)}
    numbers = np.array([places.get(name, -1) for name in task.signature.classes])[split.y]
    if not (numbers >= 0).any():
        raise TaskError(f"{task.name} has none of the model's classes ({', '.join(bundle.signature.classes)})")
    return Split(split.x[numbers >= 0], numbers[numbers >= 0])


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _classes(said: Array, y: Array, names: Sequence[str]) -> list[dict[str, Any]]:
    wrong = said.argmax(axis=1) != y
    found = [
        {"class": names[number], "rows": int((y == number).sum()), "wrong": float(wrong[y == number].mean())}
        for number in np.unique(y)
    ]
    return sorted((each for each in found if each["wrong"] > 0), key=lambda each: -each["wrong"])[:WORST]


def _confusions(said: Array, y: Array, names: Sequence[str]) -> list[dict[str, Any]]:
    answer = said.argmax(axis=1)
    pairs, counts = np.unique(np.stack([y, answer], 1)[answer != y], axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:WORST]
    return [
        {"class": names[pairs[place][0]], "for": names[pairs[place][1]], "rows": int(counts[place])} for place in order
    ]


def _calibration(said: Array, y: Array) -> float:
    """Guo et al. (2017): the mean over ten bins of confidence of |share right − confidence|, by their rows."""
    confidence, right = said.max(axis=1), said.argmax(axis=1) == y
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    away = [
        abs(right[bins == each].mean() - confidence[bins == each].mean()) * (bins == each).mean() for each in set(bins)
    ]
    return float(sum(away))
