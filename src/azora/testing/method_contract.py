"""What every method holds to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from azora.errors import SpaceError
from azora.executors import Executor, InlineExecutor
from azora.executors.workplace import Workplace, joint_space
from azora.methods import Method, Work
from azora.methods.method import PHASE
from azora.space import Categorical, Space
from azora.study import SqlJournal, Study
from azora.tasks import Task
from azora.trial import Objective

LATE = 20.0  # seconds after the end of its phases in which a method must have come to one
EACH = 1.5  # seconds of a phase: two epochs of a tiny mixture, on a machine that others use too


@dataclass
class Desk:
    """A method's work on a task in a folder, all of it in this process; each `sit` is a session.

    Args:
        about: the space, as workers are told of it.
        seconds: for each phase; empty: no clock.
    """

    task: Task
    folder: Path
    about: Mapping[str, Any]
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def sit(self) -> Work:
        """Begin a session: what it finds is what the last one left in the folder."""
        data, space = self.task.search_data, joint_space(self.about, self.task.signature)
        rows, scratch = self.folder / "rows", self.folder / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        data.save(rows)
        study = Study(SqlJournal(self.folder / "study.db"), space)
        if study.created is None:
            study.create({})
        study.open()

        def executor(changes: Mapping[str, Any]) -> Executor:
            setup = {
                "space": dict(self.about), "evaluator": "trained", "data": str(rows), "folder": str(self.folder),
                "seed": 0, "device": "cpu", "precision": "float32", "metric": "accuracy", "also": [], "threads": 1,
            }  # fmt: skip
            return InlineExecutor(Workplace.open({**setup, **changes}).evaluate)

        return Work(
            space=space, about=self.about, data=data, rows=rows, objective=Objective(), seed=0, device="cpu",
            precision="float32", workers=1, folder=self.folder / "one_shot", scratch=scratch, study=study,
            stop=self.stop, seconds=self.seconds, lowest=1.0, executor=executor, show=lambda phase, left, other: None,
            note=self.notes.append,
        )  # fmt: skip


class MethodContract:
    """Every method passes these. Subclass, and give two fixtures: `make`, which makes yours with settings so small that
    it has done its phases in seconds, and `desk`, a `Desk` with a space that it can search. `each` is how many seconds
    a phase has where there is a clock; give fewer, where a phase comes to something sooner."""

    each = EACH

    def test_enters_its_phases_and_gives_a_strategy_and_a_later_session_does_nothing_twice(
        self, make: Callable[[], Method], desk: Desk
    ) -> None:
        method, work = make(), desk.sit()
        shares = method.shares()
        assert 0 < sum(shares.values()) < 1 and min(shares.values()) > 0
        strategy = method.prepare(work)
        assert [name for name in work.study.phases if name.startswith(PHASE)] == [PHASE + name for name in shares]
        asked = [strategy.ask() for _ in range(4)]
        proposals = [proposal for proposal in asked if proposal is not None]
        assert len({proposal.identity for proposal in proposals}) > 1
        assert all(work.space.valid(dict(proposal.architecture)) for proposal in proposals)
        later = desk.sit()
        spent = later.study.spent_before("search")
        assert make().prepare(later).ask() == asked[0]
        assert later.study.spent_before("search") == spent

    def test_keeps_to_the_time_of_its_phases(self, make: Callable[[], Method], desk: Desk) -> None:
        method = make()
        desk.seconds = dict.fromkeys(method.shares(), self.each)
        begun = time.monotonic()
        assert method.prepare(desk.sit()).ask() is not None
        assert time.monotonic() - begun < self.each * len(desk.seconds) + LATE

    def test_stopped_at_once_it_leaves_the_best_there_is(self, make: Callable[[], Method], desk: Desk) -> None:
        desk.stop.set()
        work = desk.sit()
        make().prepare(work)
        best = work.study.best(Objective())
        assert best is not None
        assert best.proposal.budget == 0 and "accuracy" in best.report.metrics

    def test_refuses_a_space_of_no_networks(self, make: Callable[[], Method], desk: Desk) -> None:
        with pytest.raises(SpaceError):
            make().check(Space("words", [Categorical("word", ("one", "two"))]), desk.task.search_data)
