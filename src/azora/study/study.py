"""A study: everything that is known of a search, read from its journal."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from azora.fronts import front_ranks
from azora.space import Space
from azora.study.journal import Journal
from azora.trial import Objective, Proposal, Report, Trial


@final
class Study:
    """A fold of the journal's events, kept up to date as events are added.

    Events are JSON with a `kind`: `created` (what was asked for), `opened` (a session began), `asked`, `told`, `cut` (a
    judgement that the end of the budget interrupted: neither judged nor failed, pending again in the next session),
    `measured`, `boosted`, `fitted`, `phase`, `alive`, `finished`. Each carries `elapsed`: the seconds that all sessions
    have worked so far, by a clock that cannot be set back.
    """

    def __init__(self, journal: Journal, space: Space, started: float | None = None) -> None:
        self.space = space
        self.journal = journal
        self.created: Mapping[str, Any] | None = None
        self.measures: Mapping[str, Any] = {}
        self.boosted: Mapping[str, Any] | None = None  # what came of gradient boosting, which is no trial
        self.phase = ""
        self.phases: dict[str, float] = {}  # when each began, in seconds worked
        self.spent: dict[str, float] = {}  # seconds in each, up to the last event; reading and starting are in none
        self.worked: list[float] = []  # for each trial, the seconds that its phase had taken
        self.result: Mapping[str, Any] | None = None
        self.finished = False  # whether there is a result, and nothing was judged since
        self.trials: list[Trial] = []
        self.pending: dict[int, Proposal] = {}
        self.asks = 0
        self.failed = 0
        self._cut: dict[int, Proposal] = {}
        self._judged: set[str] = set()
        self._best: dict[Objective, _Best] = {}
        self._reports: dict[tuple[str, float | None], Report] = {}
        self._history: list[tuple[str, Any, Any]] = []
        self._before = self._clock = 0.0
        self._in_phase = False
        for event in journal.read():
            self._fold(event)
            self._before = max(self._before, float(event["elapsed"]))
        self._started = time.monotonic() if started is None else started

    # What is known ----------------------------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        """Seconds worked by all sessions, this one included."""
        return self._before + time.monotonic() - self._started

    @property
    def judged(self) -> int:
        """Distinct architectures with a judgement at a full epoch or more, or at no stated budget."""
        return len(self._judged)

    def spent_in(self, phase: str) -> float:
        """Seconds that a phase has taken, until now; `search:x` is a part of `search`."""
        going = self.elapsed - self._clock if self._in_phase and _within(self.phase, phase) else 0.0
        return self.spent_before(phase) + going

    def spent_before(self, phase: str) -> float:
        """Seconds that a phase had taken at the last event."""
        return sum(seconds for name, seconds in self.spent.items() if _within(name, phase))

    def find(self, proposal: Proposal) -> Report | None:
        """The report on the same architecture at the same budget, if there is one."""
        return self._reports.get(proposal.identity)

    def ranked(self, objective: Objective) -> list[Trial]:
        """The best trial of each architecture judged: those of the highest fidelity first, the best first among them.

        A short training's score does not compare with a long one's, so the highest fidelity decides alone.
        """
        best: dict[str, Trial] = {}
        for trial in self.trials:
            key = trial.proposal.architecture.key
            if objective.score(trial.report) > -math.inf and (
                key not in best or _standing(trial, objective) > _standing(best[key], objective)
            ):
                best[key] = trial
        return sorted(best.values(), key=lambda trial: _standing(trial, objective), reverse=True)

    def best(self, objective: Objective) -> Trial | None:
        """The best trial among those of the highest fidelity: the first of `ranked`."""
        return self._seen(objective).trial

    def top(self, objective: Objective) -> float:
        """The highest score at any fidelity; minus infinity when there is none."""
        return self._seen(objective).score

    def front(self, objectives: Sequence[Objective]) -> list[Trial]:
        """The trials of the highest fidelity that no other beats in every one of `objectives`, by the first of them.

        Architectures of one standing are all there; of one architecture, the first trial.
        """
        firsts: dict[str, Trial] = {}
        for trial in self.trials:
            if all(objective.score(trial.report) > -math.inf for objective in objectives):
                firsts.setdefault(trial.proposal.architecture.key, trial)
                if fidelity(trial) > fidelity(firsts[trial.proposal.architecture.key]):
                    firsts[trial.proposal.architecture.key] = trial
        longest = max(map(fidelity, firsts.values()), default=0.0)
        able = [trial for trial in firsts.values() if fidelity(trial) == longest]
        points = [[objective.score(trial.report) for objective in objectives] for trial in able]
        found = [trial for trial, rank in zip(able, front_ranks(points), strict=True) if rank == 0]
        return sorted(found, key=lambda trial: objectives[0].score(trial.report), reverse=True)

    def history(self) -> Iterator[tuple[str, Any, Any]]:
        """In order: `("asked", number, proposal)`, `("told", proposal, report)`, `("fitted", budgets, judgements)`."""
        return iter(self._history)

    # What becomes known -----------------------------------------------------------------------------------------

    def create(self, about: Mapping[str, Any]) -> None:
        """The first event: what was asked for."""
        self._add("created", about=dict(about))

    def open(self) -> None:
        """A session begins."""
        self._add("opened")

    def asked(self, proposal: Proposal) -> int:
        """A proposal is to be judged; its number.

        Not durable by itself: an ask that is lost with the process is asked again, and is the same.
        """
        number = self.asks
        self._add("asked", proposal, durable=False, number=number, proposal=proposal.to_json())
        return number

    def told(self, number: int, report: Report, *, known: bool = False) -> Trial:
        """A judgement is finished, or was `known` from one with the same identity. Durable when this returns."""
        self._add("told", number=number, report=report.to_json(), **({"known": True} if known else {}))
        return self.trials[-1]

    def cut(self, number: int, why: str) -> None:
        """A judgement was interrupted by the end of the budget, or by the user: it is for the next session, if any."""
        self._add("cut", number=number, why=why)

    def fitted(self, budgets: float, judgements: float = math.inf) -> None:
        """The strategy was told what the search can pay for: budgets that add up to so much, and so many judgements."""
        counted: dict[str, Any] = {} if judgements == math.inf else {"judgements": judgements}
        self._add("fitted", units=budgets, **counted)

    def measured(self, measures: Mapping[str, Any]) -> None:
        """What was measured of this machine, and must be the same when the study goes on."""
        self._add("measured", measures=dict(measures))

    def boost(self, facts: Mapping[str, Any]) -> None:
        """Gradient boosting stood on the same rows, with these facts, or did not stand for a reason."""
        self._add("boosted", facts=dict(facts))

    def enter(self, phase: str) -> None:
        """A phase begins."""
        self._add("phase", name=phase)

    def alive(self) -> None:
        """Note the time worked, so that a killed session's work is counted."""
        self._add("alive")

    def finish(self, result: Mapping[str, Any]) -> None:
        """The search is over, with these figures."""
        self._add("finished", result=dict(result))

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()

    # Inside -----------------------------------------------------------------------------------------------------

    def _add(self, kind: str, asked: Proposal | None = None, /, *, durable: bool = True, **body: Any) -> None:
        event = {"kind": kind, "elapsed": round(self.elapsed, 3), "at": time.time(), **body}
        self.journal.append(event, durable=durable)
        self._fold(event, asked)

    def _fold(self, event: Mapping[str, Any], asked: Proposal | None = None) -> None:
        """Take `event` in; `asked` is the proposal that it tells of, where that need not be read from it."""
        self._time(event["kind"], float(event["elapsed"]))
        match event["kind"]:
            case "created":
                self.created = event["about"]
            case "measured":
                self.measures = event["measures"]
            case "boosted":
                self.boosted = event["facts"]
            case "asked":
                proposal = asked or Proposal.from_json(event["proposal"], self.space)
                self.pending[event["number"]] = proposal
                self.asks = event["number"] + 1
                self._history.append(("asked", event["number"], proposal))
            case "told":
                proposal = self.pending.pop(event["number"])
                report = Report.from_json(event["report"])
                self._count(Trial(event["number"], proposal, report, float(event["elapsed"])))
                self._reports.setdefault(proposal.identity, report)
                self._history.append(("told", proposal, report))
                self.finished = False
            case "cut":
                if (left := self.pending.pop(event["number"], None)) is not None:
                    self._cut[event["number"]] = left
            case "opened":
                # The strategy believes them under way, and asks for none of them again.
                self.pending = dict(sorted({**self.pending, **self._cut}.items()))
                self._cut.clear()
            case "fitted":
                self._history.append(("fitted", event["units"], event.get("judgements", math.inf)))
            case "phase":
                self.phase = event["name"]
                self.phases.setdefault(event["name"], float(event["elapsed"]))
            case "finished":
                self.result, self.finished = event["result"], True
            # "alive" carries nothing but its time.

    def _time(self, kind: str, elapsed: float) -> None:
        if self._in_phase and kind != "opened":
            self.spent[self.phase] = self.spent.get(self.phase, 0.0) + elapsed - self._clock
        self._in_phase = kind == "phase" or (self._in_phase and kind not in ("opened", "finished"))
        self._clock = elapsed

    def _count(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.worked.append(self.spent_before(self.phase.partition(":")[0]))
        budget = trial.proposal.budget
        if not trial.report.ok:
            self.failed += 1
        elif budget is None or budget >= 1:
            self._judged.add(trial.proposal.architecture.key)

    def _seen(self, objective: Objective) -> _Best:
        """Only what is new is looked at: the loop asks several times a trial."""
        best = self._best.setdefault(objective, _Best())
        for trial in self.trials[best.looked :]:
            score = objective.score(trial.report)
            best.score = max(best.score, score)
            if score > -math.inf and (
                best.trial is None or _standing(trial, objective) > _standing(best.trial, objective)
            ):
                best.trial = trial
        best.looked = len(self.trials)
        return best


@dataclass
class _Best:
    trial: Trial | None = None
    score: float = -math.inf
    looked: int = 0


def _within(name: str, phase: str) -> bool:
    return name == phase or name.startswith(f"{phase}:")


def _standing(trial: Trial, objective: Objective) -> tuple[float, tuple[float, float], int]:
    """The earlier of two equals stands higher."""
    return (fidelity(trial), objective.order(trial.report), -trial.number)


def fidelity(trial: Trial) -> float:
    """The budget that a trial had, in the evaluator's unit; infinity is "in full"."""
    return math.inf if trial.proposal.budget is None else trial.proposal.budget
