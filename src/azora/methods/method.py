"""What a method is, and what it has to work with."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from azora.executors import Executor
from azora.space import Space
from azora.strategies import Strategy
from azora.strategies.memory import Remembered
from azora.study import Study
from azora.tasks import SearchData, Signature
from azora.trial import Objective

PHASE = "search:"  # the names of a method's phases begin so: their time is the search's


@final
@dataclass(frozen=True)
class Work:
    """One search on its way, as a method sees it.

    Args:
        space: what may be chosen: within the limits and quick enough, with a recipe where one is searched.
        about: the space as workers are told of it.
        data: search-train and search-validation, also saved in the folder `rows`.
        precision: a mode's name.
        folder: for what is to outlast a kill.
        scratch: for what is not.
        study: of the trainings that will decide; a method enters its phases there.
        stop: is set when the user wants an early end.
        seconds: for each phase; empty where there is no clock.
        lowest: epochs of a network's first training.
        executor: makes workers that judge as a setup says (what it leaves out is the search's own).
        show: is told how it goes: the phase, the seconds that are left of it, and the study that is to be looked at.
        note: tells the user something.
        recall: gives what searches on other tasks found in this space, and tells the user where it comes from.
    """

    space: Space
    about: Mapping[str, Any]
    data: SearchData
    rows: Path
    objective: Objective
    seed: int
    device: str
    precision: str
    workers: int
    folder: Path
    scratch: Path
    study: Study
    stop: threading.Event
    seconds: Mapping[str, float]
    lowest: float
    executor: Callable[[Mapping[str, Any]], Executor]
    show: Callable[[str, float | None, Study | None], None]
    note: Callable[[str], None]
    recall: Callable[[], Sequence[Remembered]] = tuple

    def left(self, phase: str) -> float:
        """Seconds that are left of a phase."""
        return self.seconds.get(phase, math.inf) - self.study.spent_in(PHASE + phase)

    def gone(self, phase: str) -> float:
        """The share, 0 to 1, of a phase's time that has gone."""
        return min(1.0, self.study.spent_in(PHASE + phase) / max(self.seconds[phase], 1e-9))


class Method(ABC):
    """Phases that come before networks are trained for real, and the strategy that then trains what they found.

    A strategy cannot be this, for what judges changes from phase to phase. Settings are the constructor's.
    """

    name: str

    @abstractmethod
    def check(self, space: Space, data: SearchData) -> None:
        """Refuse, before anything is begun, a space that the method cannot work on.

        Raises:
            SpaceError: with the reason.
        """

    @abstractmethod
    def shares(self) -> Mapping[str, float]:
        """Of the time before the last training, the share of each phase; the rest is for the strategy."""

    @abstractmethod
    def prepare(self, work: Work) -> Strategy:
        """Do the phases, or what is left of them after a kill, and give the strategy that trains what they found.

        It may be called again in a later session, and then gives the same strategy without doing a phase twice.
        """

    def settle(self, work: Work) -> None:
        """Nothing could be trained by itself before the search's time was over: tell the study of the best that the
        phases know, so that it is trained last. Here: nothing is known."""

    def space(self, signature: Signature) -> tuple[str, Mapping[str, Any]] | None:
        """The space and its settings where the user names none; None is the task's default."""
        return None

    def diagnose(self, folder: Path, space: Space, study: Study, objective: Objective) -> Mapping[str, Any]:
        """What `result.json` says of the phases, by the name under which it says so.

        Args:
            folder: the work's.
            space: of the search, limits aside.
            study: of the trainings that decided.
        """
        return {}

    def hears(self) -> bool:
        """Whether it begins with what a memory has to tell (`Work.recall`)."""
        return False

    def keeps(self) -> bool:
        """Whether the shared weights are for use after the search."""
        return False
