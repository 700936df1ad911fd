"""Where a deployed model loses: classes, confusions, confidence, capacity, data that drifted, layers that take long."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from azora.errors import TaskError
from azora.export.bundle import Bundle
from azora.export.data import with_values
from azora.export.reference import drift
from azora.improving.bottlenecks import ALONE, ANSWERS, JUDGED, ROWS, heaviest, learning_curve, rises, slowest
from azora.tasks import Split, Task, score_of
from azora.tasks.array import Array
from azora.training import outputs

BINS = 10  # of confidence
UNKNOWN = "unknown"
FIRST = {"data": "recipe", "capacity": "grow"}
WORST = 5  # classes and confusions that are told
WEAK, FEWEST_WRONG = 2.0, 5  # times the mean error, and wrong rows, from which on the model is weak at a class
GAP = 0.03  # by how much better its own rows are answered than new ones where more data, not more network, is wanted
SHARE = 0.1  # of a look's time, at most, for a profile and for a learning curve, each


@final
@dataclass(frozen=True)
class Analysis:
    """What was found on new data.

    Args:
        score: accuracy, or R², on search-validation, none of which the model has seen.
        trained_score: the same on rows that it was trained on, when it was made; None where it does not say.
        limits: "data" where those are answered much better than new rows, else "capacity"; where the model does not
            say, "data" where the learning curve still rises; "unknown" without one, or where the new rows are its own.
        classes: the worst ones: name, rows, share that is wrong.
        weak: classes of which much more is wrong than of all; none where the data have other classes than the model.
        confusions: what is most often taken for what: names, and how many rows.
        calibration: expected calibration error, (0 to 1): how far confidence is from being right.
        drift: two-sample tests against what the model was made with; None where it does not say.
        fresh: classes that the model does not know; `missing`, those that it knows and the data lack.
        slow, heavy: the layers in which most of an answer's time goes, and that hold most of the weights, with their
            shares (`azora.improving.bottlenecks`).
        curve: rows and score of a last layer learned anew from more and more of the new rows; None where it was not
            tried, for want of time or of such a layer.
        same: whether these are the very rows that it was made of, so that scores on them say little.
    """

    score: float
    trained_score: float | None
    limits: str
    classes: Sequence[Mapping[str, Any]] = ()
    weak: Sequence[str] = ()
    confusions: Sequence[Mapping[str, Any]] = ()
    calibration: float | None = None
    drift: Sequence[Mapping[str, Any]] | None = None
    fresh: Sequence[str] = ()
    missing: Sequence[str] = ()
    slow: Sequence[Mapping[str, Any]] = ()
    heavy: Sequence[Mapping[str, Any]] = ()
    curve: Sequence[Mapping[str, float]] | None = None
    same: bool = False

    @property
    def first(self) -> str | None:
        """The kind of challenger that answers what limits, as a policy names it. None where that is not known, and
        where the data have other classes or drifted: these make such a gap as well, and are answered by training on."""
        drifted = any(each["drifted"] for each in self.drift or ())
        return None if drifted or self.fresh or self.missing else FIRST.get(self.limits)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """The same for a reader."""
        own = "" if self.trained_score is None else f", {self.trained_score:.4f} on rows that it was trained on"
        limits = "what limits it is not known" if self.limits == UNKNOWN else f"{self.limits} limits"
        said = [f"score {self.score:.4f} on new rows{own}: {limits}"]
        if self.same:
            said.append(
                "these are the rows that the model was made of, and validation favours it: give rows that are new"
            )
        if self.curve is not None:
            rows, scores = ([each[name] for each in self.curve] for name in ("rows", "score"))
            told = ", ".join(f"{score:.4f} from {row:.0f}" for row, score in zip(rows, scores, strict=True))
            said.append(f"its last layer learned anew: {told} rows")
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
        if self.missing:
            said.append(f"the data lack {', '.join(self.missing)}: whether these are still known is not tested")
        return [*said, *_of_layers("time goes to", self.slow), *_of_layers("weights are in", self.heavy)]


def _of_layers(word: str, layers: Sequence[Mapping[str, Any]]) -> list[str]:
    told = ", ".join(f"{each['layer']} ({each['kind']}) {each['share']:.0%}" for each in layers)
    return [f"{word} {told}"] if told else []


def analyse(bundle: Bundle, task: Task, seconds: float = math.inf) -> Analysis:
    """Look at a model on new data: on search-validation, not on the test.

    Args:
        seconds: of the whole look; a profile and a learning curve take a tenth of it each, or are left out.

    Raises:
        TaskError: the data are of another shape or kind than the model's, or of another unit.
    """
    task = fitting(bundle, task)
    begun = time.perf_counter()
    judged = known_rows(bundle, task, task.validation)
    said = outputs(bundle.network, judged.x, bundle.signature, bundle.scaling)
    row = (time.perf_counter() - begun) / len(judged)
    curve = None
    if row * min(len(task.train), ROWS) + row * min(len(judged), JUDGED) < SHARE * seconds:
        curve = learning_curve(bundle, known_rows(bundle, task, task.train), judged)
    score, own = score_of(bundle.signature, said, judged.y), bundle.about.get("trained_score")
    trained_score = float(own) if isinstance(own, int | float) else None
    reference = bundle.about.get("reference")
    same = bundle.about.get("task", {}).get("sha256") == task.digest
    facts: dict[str, Any] = {
        "drift": drift(reference, judged.x, said, bundle.signature) if isinstance(reference, dict) else None,
        "slow": slowest(bundle) if ALONE * row * ANSWERS < SHARE * seconds else (),
        "heavy": heaviest(bundle), "curve": curve, "same": same,
    }  # fmt: skip
    limits = UNKNOWN if same else _limits(score, trained_score, curve)
    if bundle.signature.kind != "classification":
        return Analysis(score, trained_score, limits, **facts)
    names, theirs = bundle.signature.classes, task.signature.classes
    fresh, missing = (
        [each for each in some if each not in others] for some, others in ((theirs, names), (names, theirs))
    )
    return Analysis(
        score, trained_score, limits, _classes(said, judged.y, names),
        () if fresh or missing else weak_classes(said, judged.y, names), _confusions(said, judged.y, names),
        _calibration(said, judged.y), fresh=fresh, missing=missing, **facts,
    )  # fmt: skip


def _limits(score: float, own: float | None, curve: list[dict[str, float]] | None) -> str:
    if own is None and curve is None:
        return UNKNOWN
    wanting = rises(curve) if own is None and curve is not None else (own or 0.0) - score > GAP
    return "data" if wanting else "capacity"


def fitting(bundle: Bundle, task: Task) -> Task:
    """The task as the model takes it: pictures with black and white where the model's have them.

    Raises:
        TaskError: the model cannot take such data; with what differs.
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
    return with_values(task, bundle.values if "values" in bundle.about else ())


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
        raise TaskError(
            f"{task.name} has none of the model's classes ({', '.join(bundle.signature.classes)}); give rows of them"
            " beside the new ones, by which it shows whether they are still known"
        )
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


def weak_classes(said: Array, y: Array, names: Sequence[str]) -> tuple[str, ...]:
    """Those of which at least twice the mean share is wrong, and five rows."""
    wrong = said.argmax(axis=1) != y
    rows, lost = (np.bincount(each, minlength=len(names)) for each in (y, y[wrong]))
    weak = (lost >= FEWEST_WRONG) & (lost >= WEAK * wrong.mean() * rows)
    return tuple(name for name, found in zip(names, weak, strict=True) if found)


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
