"""One look at a deployed model: challengers, one test, and a second look after it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from torch import nn

from azora.errors import BudgetError, BundleError
from azora.export.bundle import read_bundle
from azora.improving.analysis import Analysis, analyse, fitting
from azora.improving.bottlenecks import TOLERANCE, latency_here
from azora.improving.challengers import Challenger, Challengers, Neighbour, beyond
from azora.improving.cheaper import SOONER, compared
from azora.improving.held_out import Held, first_half, least
from azora.improving.paired import LEVEL, level_of, losses, margin_of
from azora.improving.promotion import numbered, promote
from azora.improving.remembering import carried_of, neighbours, policy_of, record_of_look, statement
from azora.improving.versions import Versions, mark_of
from azora.meta import Record, describe_task
from azora.meta.policy import Policy
from azora.networks.complexity import cost
from azora.tasks import Signature, Split, Task
from azora.tasks.array import Array
from azora.training import TrainingDiverged, outputs

LEAST_SECONDS = 3.0  # of training that tell anything
LOOKING = 0.1  # of the time, for timing networks that may be tried
SAME = 1e-3  # what is written and read back may differ by the order of its sums
Say = Callable[[str], None]
Trained = tuple[Challenger, nn.Module, float]  # and its mean loss on search-validation


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
    model: Path, task: Task, seconds: float, *, seed: int = 0, dry: bool = False, prefer: str | None = None,
    records: Sequence[Record] = (), say: Say = unsaid, promoted: Callable[[Path], None] = lambda folder: None,
) -> Outcome:  # fmt: skip
    """Look for a better network than the deployed one, and deploy it if a test says that it is better.

    The rows of `task`: search-train is trained on, search-validation chooses among challengers, and of the test split
    one half is for the test of the one that was chosen, the other for a second look at what was written to disk: where
    that is worse than what was there before, the former version is put back; so it is at the next look, where this one
    is interrupted before that. What is tried, and by which rules, is said by the policy that the model carries
    (`azora.meta.policy`), or the usual one.

    Args:
        task: of a file, as `azora.export.data.read_alike` reads it: by the model's columns and words.
        seconds: for all of it; where a fifth is too little for the files of a promotion, these end some seconds later.
        dry: look, and change nothing.
        prefer: in place of what the policy prefers, for this look: "accuracy" or "smaller".
        records: of searches, to be heard beside those that the model carries.
        promoted: called with the model's folder between its promotion and the second look.

    Raises:
        BudgetError: too little time to train anything, or too few rows to tell anything.
        AzoraError: no model, data of another shape, or another process at work on it.
    """
    versions = Versions(model)
    if dry:
        bundle = read_bundle(versions.model)
        carried, task = carried_of(bundle), fitting(bundle, task)
        for line in (statement(carried), *task.notes):
            say(line)
        return Outcome("looked at", analyse(bundle, task, seconds), {})
    with versions.locked():
        put_back(versions, say)
        return _Cycle(versions, task, seconds, seed, prefer, records, say, promoted).run()


def put_back(versions: Versions, say: Say) -> None:
    """What a promotion replaced that was interrupted before its second look, under the lock of `versions`."""
    if (settled := versions.settle()) is not None:
        say(f"an earlier promotion was interrupted before its second look: version {settled} is back")


@final
class _Cycle:
    def __init__(
        self, versions: Versions, task: Task, seconds: float, seed: int, prefer: str | None,
        records: Sequence[Record], say: Say, promoted: Callable[[Path], None],
    ) -> None:  # fmt: skip
        self.versions, self.seed, self.say, self.promoted = versions, seed, say, promoted
        self.end = time.monotonic() + seconds
        self.bundle = read_bundle(versions.model)
        self.task = fitting(self.bundle, task)
        self.carried = carried_of(self.bundle)
        self.records = [*(self.carried.records if self.carried else ()), *records]
        policy = policy_of(self.bundle, self.carried)
        self.policy = policy if prefer is None else Policy.of({**policy.to_json(), "prefer": prefer})
        self.mark, self.tries = mark_of(self.bundle.about), _tries(versions)
        self.level = level_of(self.tries, self.policy.level)
        self.margin = 0.0  # by how much what is deployed may be worse, where it is to be smaller
        self.yardsticks = [self.bundle]  # what it must not be worse than by that, or must be better than
        self.sooner = self.policy.prefer == "smaller"  # and where it is to answer sooner
        self.slow: float | None = None  # milliseconds on its target, where those are beyond their limit
        self.heard = not records  # whether memory was asked for networks, where one was named

    @property
    def kind(self) -> str:
        return self.bundle.signature.kind

    @cached_property
    def features(self) -> Mapping[str, float]:
        return describe_task(self.task.search_data)

    def run(self) -> Outcome:
        analysis = analyse(self.bundle, self.task, self.end - time.monotonic())
        for line in (statement(self.carried), *self.task.notes, *analysis.lines()):
            self.say(line)
        recipe = self.carried.recipe if self.carried else None
        made = Challengers(
            self.bundle, tuple(analysis.fresh), self.policy, self.seed, recipe,
            lambda: self._remembered(made.signature), bool(analysis.missing), analysis.weak,
            LOOKING * (self.end - time.monotonic()),
        )  # fmt: skip
        train, judged = (
            numbered(self.task, split, made.signature) for split in (self.task.train, self.task.validation)
        )
        smaller = self._smaller(made, analysis, judged)
        self._check_rows()
        count = min(self.policy.challengers, int(self._seconds() // LEAST_SECONDS))
        found = made.some(count, smaller=smaller, first=analysis.first)
        if not self.heard:
            self.say("the memory that was named has no say in this look")
        if still := sorted({each for challenger in found for each in self._beyond(challenger)}):
            self.say(f"none that is smaller holds {', '.join(still)}: what comes nearer is tried")
        return self._chosen(analysis, self._trained(found, train, judged), judged)

    def _smaller(self, made: Challengers, analysis: Analysis, judged: Split) -> bool:
        """Whether a smaller network is looked for: it is preferred, or the deployed one is beyond its limits."""
        self.slow = None if analysis.fresh else self._too_slow()
        over = [*made.over, *(() if self.slow is None else (f"latency (it has {self.slow:.3g} ms)",))]
        if not over and (analysis.fresh or not self.sooner):
            return False
        if not analysis.fresh:
            self.margin = margin_of(self.kind, self.policy.margin, judged.y, self.bundle.scaling.target_spread)
            if (before := self.versions.standard()) != self.versions.model:
                self.yardsticks.append(read_bundle(before))
        self.sooner = self.sooner and not made.over  # limits that are counted are held by what costs less, be it slower
        self.say(f"a smaller network is looked for{f', within {over[0]}' if over else ''}")
        return True

    def _too_slow(self) -> float | None:
        """Milliseconds of an answer, where there is a limit that can be looked at here, and the model is beyond it."""
        most = self.policy.limits.get("latency", math.inf)
        now = None if most == math.inf else latency_here(self.bundle)
        return now if now is not None and now > TOLERANCE * most else None

    def _beyond(self, challenger: Challenger) -> list[str]:
        return beyond(challenger.space, challenger.architecture, self.policy.limits)

    def _remembered(self, signature: Signature) -> list[Neighbour]:
        self.heard = True
        if not self.records:
            return []
        found = neighbours(self.records, self.bundle, signature, self.features)
        if not found:
            self.say(f"memory: none of {len(self.records)} searches is in this space and of a task like this")
        return found

    def _seconds(self) -> float:
        left = self.policy.share * (self.end - time.monotonic())
        if left < LEAST_SECONDS:
            raise BudgetError(f"{left:.1f}s are left for training after a look at the data; give 15s at least")
        return left

    @cached_property
    def first(self) -> Array:
        """(N,) which of the held-out rows the test asks; the second look asks the others."""
        return first_half(self.task.test_rows, self.policy.held_out, self.task.test_groups)

    def _check_rows(self) -> None:
        """A test of so few rows could never be passed."""
        groups = self.task.test_groups
        word, first, second = ("rows", self.first.sum(), (~self.first).sum()) if groups is None else (
            "groups of rows", *(len(np.unique(groups[each])) for each in (self.first, ~self.first))
        )  # fmt: skip
        if least(self.kind, self.first, groups, level=self.level) >= self.level:
            raise BudgetError(
                f"{self.task.name} has {first} {word} for the test, which can show nothing at a level of"
                f" {self.level:.2g}; give more"
            )
        if least(self.kind, ~self.first, groups) >= LEVEL:
            raise BudgetError(
                f"{self.task.name} has {second} {word} for the second look, which can show nothing; give more, or a"
                f" model whose held_out is below {self.policy.held_out:g}"
            )
        if self.margin and least(self.kind, self.first, groups, self.margin, self.level) >= self.level:
            raise BudgetError(
                f"{self.task.name} has {first} {word} for the test, which cannot show that a network is not worse by"
                f" {self.policy.margin:g} at a level of {self.level:.2g}; give more, or a model of a wider margin"
            )

    def _trained(self, found: list[Challenger], train: Split, judged: Split) -> list[Trained]:
        """The challengers, trained for equal times."""
        trained: list[Trained] = []
        seconds = self._seconds() / max(1, len(found))
        for challenger in found:
            try:
                network = challenger.train(self.bundle, train, seconds, self.seed)
            except TrainingDiverged:
                self.say(f"{challenger.change}: its loss became no number")
                continue
            score = self._mean_loss(network, challenger.signature, judged)
            if not math.isfinite(score):
                self.say(f"{challenger.change}: its answers became no numbers")
                continue
            self.say(f"{challenger.change}: {score:.4f} of loss a row on validation")
            trained.append((challenger, network, score))
        if found and not trained:
            raise BundleError("the loss of every challenger became no number: the data may hold values never seen")
        return trained

    def _chosen(self, analysis: Analysis, trained: list[Trained], judged: Split) -> Outcome:
        """Test the one that validation likes best, or of smaller ones the cheapest that it does not mind."""
        now = self._mean_loss(self.bundle.network, self.bundle.signature, judged)
        most = min(self._mean_loss(each.network, each.signature, judged) for each in self.yardsticks) + self.margin
        tried = {challenger.change: round(score, 6) for challenger, _, score in trained}
        facts: dict[str, Any] = {"tried": tried, "deployed_validation_loss": now}
        facts |= {"prefer": "smaller", "margin": self.policy.margin} if self.margin else {}
        closest, costs, chosen = None, dict[str, Any](), None
        for each in sorted(trained, key=_macs if self.margin else _loss):
            fits, found = self._fits(each, most)
            if closest is None or fits:
                closest, costs = each, found
            if fits:
                chosen = each
                break
        if closest is not None:
            facts |= {**costs, "change": closest[0].change, "validation_loss": closest[2]}
        if chosen is None:
            why = self._why_none(trained)
            self.say(f"{why}: {facts.get('change', 'nothing')} came closest")
            self.versions.note("kept", {**facts, "why": why})
            return Outcome("kept", analysis, facts)
        return self._test(analysis, chosen, facts, trained)

    def _why_none(self, trained: list[Trained]) -> str:
        if not trained:
            return "there is no challenger within the limits"
        if not self.margin:
            return "no challenger was better on validation"
        sooner = " and sooner" if self.sooner or self.slow is not None else ""
        return f"no smaller network was as good on validation{sooner}"

    def _fits(self, trained: Trained, most: float) -> tuple[bool, dict[str, Any]]:
        """Whether validation likes it, and if it is to be cheaper, whether it is, with what it costs."""
        challenger, network, score = trained
        if not score < most:
            return False, {}
        if not self.margin:
            return True, {}
        costs: dict[str, Any] = compared(self.bundle, challenger, network, self.task.validation.x[:1])
        if self.slow is None:
            return not self.sooner or costs["latency_ms"] < SOONER * costs["deployed_latency_ms"], costs
        ms = latency_here(self.bundle, network, challenger.signature)
        costs |= {"target_latency_ms": ms, "deployed_target_latency_ms": self.slow}
        if ms is not None and ms > TOLERANCE * self.policy.limits["latency"]:
            self.say(f"{challenger.change} is beyond the limit too, with {ms:.3g} ms")
        return ms is not None and ms < SOONER * self.slow, costs

    def _test(self, analysis: Analysis, chosen: Trained, facts: dict[str, Any], trained: list[Trained]) -> Outcome:
        best, network, _ = chosen
        held = Held(numbered(self.task, self.task.read_test(), best.signature), self.task.test_groups)
        first, second = held.part(self.first), held.part(~self.first)
        old, new = (
            self._losses(self.bundle.network, self.bundle.signature, first.rows),
            self._losses(network, best.signature, first.rows),
        )
        p = max(
            first.p(self.kind, self._losses(each.network, each.signature, first.rows), new, self.margin, self.level)
            for each in self.yardsticks
        )
        facts |= {
            "p": p, "level": self.level, "rows": len(first.rows), "tries": self.tries + 1, "model": self.mark,
            "test_loss": float(new.mean()), "deployed_test_loss": float(old.mean()),
        }  # fmt: skip
        word = "not worse" if self.margin else "better"
        why = None if p < self.level else f"the test did not say that it is {word}"
        if (why := why or self._forgets(network, best.signature, first)) is not None:
            self.say(f"{best.change}: {why}; p {p:.3g} against a level of {self.level:.3g}")
            self.versions.note("kept", {**facts, "why": why})
            return Outcome("kept", analysis, facts)
        self.versions.check_still(self.bundle.about)
        with self.versions.promoting() as before:
            promote(
                self.versions, self.bundle, self.task, best, network, facts, first.rows,
                self._carried_on(best, trained),
            )  # fmt: skip
            after = self.versions.keep()
            facts |= {"from": before, "to": after}
            self.say(f"{best.change} is deployed: p {p:.3g} below {self.level:.3g}")
            self.promoted(self.versions.model)
            why = self._worse(best, network, second)
            self.versions.note("promoted", facts)
            if why is not None:
                self.versions.deploy(before)
                self.versions.note("rolled back", {"from": after, "to": before, "why": why})
        if why is None:
            return Outcome("promoted", analysis, facts)
        self.say(f"rolled back: {why}")
        return Outcome("rolled back", analysis, {**facts, "why": why})

    def _carried_on(self, best: Challenger, trained: list[Trained]) -> str | None:
        """What the model carries, with what this look learned."""
        if self.carried is None:
            return None
        judged = [(challenger, score) for challenger, _, score in trained]
        record = record_of_look(judged, self.bundle, self.carried, self.task.name, self.features)
        return replace(self.carried, recipe=asdict(best.recipe)).learned(record).to_text()

    def _worse(self, best: Challenger, network: nn.Module, held: Held) -> str | None:
        """Why what is on disk now must not stay; None where it may."""
        try:
            there = read_bundle(self.versions.model)
        except BundleError as error:
            return f"what was written cannot be read: {error}"
        rows = held.rows
        answers = outputs(there.network, rows.x, there.signature, there.scaling)
        tested = outputs(network, rows.x, best.signature, self.bundle.scaling)
        if answers.shape != tested.shape or not np.allclose(answers, tested, rtol=SAME, atol=SAME):
            return "what was written answers otherwise than what was tested"
        new = losses(there.signature.kind, answers, rows.y, self.bundle.scaling.target_spread)
        for each in self.yardsticks:
            old = self._losses(each.network, each.signature, rows)
            if (p := held.p(self.kind, new, old, -self.margin)) < LEVEL:
                was = "before" if each is self.bundle else "before smaller ones were looked for"
                told = f"{new.mean():.4f} of loss against {old.mean():.4f}, p {p:.2g}"
                return f"on fresh rows it is worse than {was}: {told}"
        return self._forgets(there.network, there.signature, held)

    def _forgets(self, network: nn.Module, signature: Signature, held: Held) -> str | None:
        """Whether a network that has learned new classes tells apart surely worse those that were known before. That
        it takes some of their rows for new classes is no forgetting: these may be alike."""
        classes = self.bundle.signature.outputs
        if signature.outputs == classes or not (known := held.rows.y < classes).any():
            return None
        part = held.part(known)
        answers = outputs(network, part.rows.x, signature, self.bundle.scaling)[:, :classes]
        old = self._losses(self.bundle.network, self.bundle.signature, part.rows)
        new = losses(self.kind, answers, part.rows.y)
        if part.p(self.kind, new, old) >= LEVEL:
            return None
        return f"it tells apart worse what was known before: {new.mean():.4f} of loss against {old.mean():.4f}"

    def _losses(self, network: nn.Module, signature: Signature, rows: Split) -> Array:
        answers = outputs(network, rows.x, signature, self.bundle.scaling)
        return losses(signature.kind, answers, rows.y, self.bundle.scaling.target_spread)

    def _mean_loss(self, network: nn.Module, signature: Signature, rows: Split) -> float:
        return float(self._losses(network, signature, rows).mean())


def _loss(trained: Trained) -> float:
    return trained[2]


def _macs(trained: Trained) -> float:
    return cost(trained[0].space, trained[0].architecture)["macs"]


def _tries(versions: Versions) -> int:
    """Tests of what is deployed against something else, whenever they were: none of a model that came since."""
    tests, mark = [each for each in versions.history() if "p" in each or each.get("what") == "promoted"], versions.mark
    return sum(each.get("model") == mark for each in tests)
