"""One look at a deployed model: challengers, one test, and a second look after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from torch import nn

from azora.errors import BudgetError, BundleError
from azora.export.bundle import read_bundle, write_bundle
from azora.export.onnx import export_onnx
from azora.export.reference import reference_of
from azora.improving.analysis import Analysis, analyse
from azora.improving.challengers import Challenger, challengers
from azora.improving.paired import LEVEL, level_of, losses, paired_test
from azora.improving.versions import Versions
from azora.networks.complexity import cost
from azora.report.card import write_card
from azora.tasks import Signature, Split, Task, default_metric, evaluate, interval
from azora.tasks.array import Array
from azora.training import TrainingDiverged, outputs

MOST = 4  # challengers of a cycle
LEAST_SECONDS = 3.0  # of training that tell anything
SAME = 1e-3  # what is written and read back may differ by the order of its sums
SCORES = ("test_", "validation_", "onnx_", "latency_")
OLD = (
    "reference",
    "boosting",
    "ensemble",
    "baseline",
    "target",
    "front",
    "recalled",
    "deployed",
    "advice",
)  # of the search that found the first network
SHARE = 0.8  # of the budget, for training challengers
Say = Callable[[str], None]


def unsaid(line: str) -> None:
    """Nobody listens."""


@final
@dataclass(frozen=True)
class Outcome:
    """What a cycle came to.

    Args:
        what: "promoted", "kept", "rolled back" or "looked at".
        analysis: of the deployed model on the new data.
        facts: of the test: what was changed, scores, p and its level, the versions.
    """

    what: str
    analysis: Analysis
    facts: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"what": self.what, "analysis": self.analysis.to_json(), **self.facts}


def improve(
    model: Path, task: Task, seconds: float, *, seed: int = 0, dry: bool = False, say: Say = unsaid,
    promoted: Callable[[Path], None] = lambda folder: None,
) -> Outcome:  # fmt: skip
    """Look for a better network than the deployed one, and deploy it if a test says that it is better.

    The rows of `task`: search-train is trained on, search-validation chooses among challengers, and of the test split
    one half is for the test of the one that was chosen, the other for a second look at what was written to disk: where
    that is worse than what was there before, the former version is put back.

    Args:
        seconds: for all of it.
        dry: look, and change nothing.
        promoted: called with the model's folder between its promotion and the second look.

    Raises:
        BudgetError: too little time to train anything, or too few rows to tell anything.
        AzoraError: no model, data of another shape, or another process at work on it.
    """
    versions = Versions(model)
    if dry:
        analysis = analyse(read_bundle(versions.model), task)
        return Outcome("looked at", analysis, {})
    with versions.locked():
        return _Cycle(versions, task, seconds, seed, say, promoted).run()


@final
class _Cycle:
    def __init__(
        self, versions: Versions, task: Task, seconds: float, seed: int, say: Say, promoted: Callable[[Path], None]
    ) -> None:
        self.versions, self.task, self.seed, self.say, self.promoted = versions, task, seed, say, promoted
        self.end = time.monotonic() + seconds
        self.bundle = read_bundle(versions.model)
        self.tries = _tries(versions)
        self.level = level_of(self.tries)

    def run(self) -> Outcome:
        analysis = analyse(self.bundle, self.task)
        for line in analysis.lines():
            self.say(line)
        fresh = tuple(analysis.fresh)
        self._check_rows()
        each = self._seconds_each()
        found = challengers(self.bundle, fresh, min(MOST, int(each // LEAST_SECONDS)), self.seed)
        signature = found[0].signature
        train, judged = (_numbered(self.task, split, signature) for split in (self.task.train, self.task.validation))
        best, network, score = self._best(found, train, judged, each / len(found))
        now = self._mean_loss(self.bundle.network, self.bundle.signature, judged)
        facts = {"change": best.change, "validation_loss": score, "deployed_validation_loss": now}
        if not score < now:
            self.say(f"nothing was better than what is deployed: {best.change} came closest")
            self.versions.note("kept", {**facts, "why": "no challenger was better on validation"})
            return Outcome("kept", analysis, facts)
        return self._test(analysis, best, network, facts)

    def _seconds_each(self) -> float:
        left = SHARE * (self.end - time.monotonic())
        if left < LEAST_SECONDS:
            raise BudgetError(f"{left:.1f}s are left for training after a look at the data; give 15s at least")
        return left

    def _check_rows(self) -> None:
        """A test of so few rows could never be passed."""
        rows = self.task.test_rows // 2
        if 0.5**rows > self.level:
            raise BudgetError(
                f"{self.task.name} has {rows} rows for the test, which can show nothing at a level of {self.level:.2g};"
                " give more rows"
            )

    def _best(
        self, found: list[Challenger], train: Split, judged: Split, seconds: float
    ) -> tuple[Challenger, nn.Module, float]:
        """The challenger that validation likes best, trained, and its mean loss there."""
        best: tuple[Challenger, nn.Module, float] | None = None
        for challenger in found:
            try:
                network = challenger.train(self.bundle, train, seconds, self.seed)
            except TrainingDiverged:
                self.say(f"{challenger.change}: its loss became no number")
                continue
            score = self._mean_loss(network, challenger.signature, judged)
            self.say(f"{challenger.change}: {score:.4f} of loss a row on validation")
            if best is None or score < best[2]:
                best = (challenger, network, score)
        if best is None:
            raise BundleError("the loss of every challenger became no number: the data may hold values never seen")
        return best

    def _test(self, analysis: Analysis, best: Challenger, network: nn.Module, facts: dict[str, Any]) -> Outcome:
        held = _numbered(self.task, self.task.read_test(), best.signature)
        half = np.arange(len(held)) % 2 == 0
        first, second = Split(held.x[half], held.y[half]), Split(held.x[~half], held.y[~half])
        old, new = (
            self._losses(self.bundle.network, self.bundle.signature, first),
            self._losses(network, best.signature, first),
        )
        p = paired_test(self.task.signature.kind, old, new)
        facts |= {
            "p": p, "level": self.level, "rows": len(first), "tries": self.tries + 1,
            "test_loss": float(new.mean()), "deployed_test_loss": float(old.mean()),
        }  # fmt: skip
        if not p < self.level:
            self.say(f"{best.change} is not surely better: p {p:.3g} against a level of {self.level:.3g}")
            self.versions.note("kept", {**facts, "why": "the test did not say that it is better"})
            return Outcome("kept", analysis, facts)
        before = self.versions.keep()
        self._write(best, network, facts, first)
        after = self.versions.keep()
        facts |= {"from": before, "to": after}
        self.versions.note("promoted", facts)
        self.say(f"{best.change} is deployed: p {p:.3g} below {self.level:.3g}")
        self.promoted(self.versions.model)
        if (why := self._worse(best, network, second)) is not None:
            self.versions.deploy(before)
            self.versions.note("rolled back", {"from": after, "to": before, "why": why})
            self.say(f"rolled back: {why}")
            return Outcome("rolled back", analysis, {**facts, "why": why})
        return Outcome("promoted", analysis, facts)

    def _worse(self, best: Challenger, network: nn.Module, rows: Split) -> str | None:
        """Why what is on disk now must not stay; None where it may."""
        try:
            there = read_bundle(self.versions.model)
        except BundleError as error:
            return f"what was written cannot be read: {error}"
        answers = outputs(there.network, rows.x, there.signature, there.scaling)
        tested = outputs(network, rows.x, best.signature, self.bundle.scaling)
        if answers.shape != tested.shape or not np.allclose(answers, tested, rtol=SAME, atol=SAME):
            return "what was written answers otherwise than what was tested"
        old = self._losses(self.bundle.network, self.bundle.signature, rows)
        new = losses(there.signature.kind, answers, rows.y)
        p = paired_test(self.task.signature.kind, new, old)
        if p < LEVEL:
            return (
                f"on fresh rows it is worse than before: {new.mean():.4f} of loss against {old.mean():.4f}, p {p:.2g}"
            )
        return None

    def _write(self, best: Challenger, network: nn.Module, facts: Mapping[str, Any], tested: Split) -> None:
        task, bundle = self.task, self.bundle
        rows = _numbered(task, task.validation, best.signature)
        answers = outputs(network, rows.x, best.signature, bundle.scaling)
        onnx: Path | None = self.versions.folder / ".model.onnx"
        judged = outputs(network, tested.x, best.signature, bundle.scaling)
        figures = _figures(bundle.about.get("figures", {}), best, task.name, judged, tested.y)
        try:
            assert onnx is not None
            figures["onnx_difference"] = export_onnx(network, best.signature, bundle.scaling, onnx, rows.x[:64])
        except BundleError as error:
            figures["onnx_error"], onnx = str(error), None
        about = bundle.about
        known = {"task": {"name": task.name, "sha256": task.digest}}
        known |= {name: about[name] for name in ("values",) if name in about}
        table = bundle.scaling.table
        write_bundle(
            self.versions.model, network, best.signature, bundle.scaling, space=about["space"],
            architecture=best.architecture.to_json(), onnx=onnx,
            facts={
                **known, "figures": figures, "improved": dict(facts),
                "reference": reference_of(rows.x, answers, best.signature),
            },
            card=write_card(figures, best.signature, task.digest, task.test_rows, table and table.table),
        )  # fmt: skip

    def _losses(self, network: nn.Module, signature: Signature, rows: Split) -> Array:
        answers = outputs(network, rows.x, signature, self.bundle.scaling)
        return losses(signature.kind, answers, rows.y)

    def _mean_loss(self, network: nn.Module, signature: Signature, rows: Split) -> float:
        return float(self._losses(network, signature, rows).mean())


def _numbered(task: Task, split: Split, signature: Signature) -> Split:
    """Rows with their classes numbered as `signature` numbers them."""
    if signature.kind != "classification":
        return split
    places = {name: place for place, name in enumerate(signature.classes)}
    return Split(split.x, np.array([places[name] for name in task.signature.classes])[split.y])


def _figures(before: Mapping[str, Any], best: Challenger, task: str, answers: Array, y: Array) -> dict[str, Any]:
    """What is to be said of the new network: of the old one only how it was found, and no score."""
    kept = {name: value for name, value in before.items() if name not in OLD and not name.startswith(SCORES)}
    about, metric = cost(best.space, best.architecture), default_metric(best.signature)
    return {
        **kept,
        **{f"test_{name}": value for name, value in evaluate(best.signature, answers, y).items()},
        "test_interval": {"metric": metric, **interval(metric, y, answers)},
        "task": task,
        "architecture": dict(best.architecture),
        "key": best.architecture.key,
        "parameters": about["params"],
        "macs": about["macs"],
        "memory": about["memory"],
    }


def _tries(versions: Versions) -> int:
    """Tests since the last promotion that stayed."""
    count = before = 0
    for each in versions.history():
        if each.get("what") == "promoted":
            count, before = 0, count + 1
        elif each.get("what") == "rolled back":
            count = before
        elif "p" in each:
            count += 1
    return count
