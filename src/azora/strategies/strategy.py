"""What a strategy is."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from azora.space import Space
from azora.trial import Objective, Proposal, Report


@dataclass(frozen=True)
class Affordable:
    """What the search can still pay for, told once it has been measured.

    Args:
        budgets: what the budgets of all proposals to come may add up to, by the clock; in the unit of `Proposal.budget`
            (epochs).
        judgements: how many proposals may yet be judged, however long each of them is.
    """

    budgets: float
    judgements: float = math.inf

    @property
    def units(self) -> float:
        """How many judgements there may be of one unit each: for who names no budgets, how many there will be."""
        return min(self.budgets, self.judgements)


Asked = tuple[str, Proposal]
Told = tuple[str, Proposal, Report]
Fitted = tuple[str, Affordable]
Event = Asked | Told | Fitted


class Strategy(ABC):
    """Chooses what to judge next.

    An author writes `propose`, and `proposed`, `learn` and `fit` where there is something to remember. State
    changes in those three alone, and ask *n* draws from a generator seeded by (seed, n): so a strategy resumes by
    being shown the journal's events again, without thinking twice. `ask` may be called again before earlier
    proposals are told, and may think: the time is charged to the study.

    `asked` counts what was handed out, whether by `ask` or by a strategy around this one that asked it by `propose`.
    Such a one calls `hand_out`, and not `proposed`, for what it hands on.

    `deadline` (a `time.monotonic` value, or None) is when the search ends; a strategy that thinks looks at it. Who asks
    other strategies names them in `proposers`, so that they know of it too.
    """

    def __init__(self, space: Space, seed: int = 0, objective: Objective | None = None) -> None:
        self.space = space
        self.seed = seed
        self.objective = objective or Objective()
        self.objectives: tuple[Objective, ...] = (self.objective,)  # of several, `objective` is the first
        self.asked = 0
        self.deadline: float | None = None

    @abstractmethod
    def propose(self, rng: random.Random) -> Proposal | None:
        """The next proposal; None means "wait" while others are pending, and "nothing is left" when none are.

        Changes no state.
        """

    def proposed(self, proposal: Proposal) -> None:
        """Remember that `proposal` was handed out."""

    def learn(self, proposal: Proposal, report: Report) -> None:
        """Learn from a report. Reports come in any order, failed ones too."""

    def fit(self, affordable: Affordable) -> None:
        """Fit settings that were left open to what the search can pay for. Called once, before most asks."""

    def keep(self) -> set[str] | None:
        """Keys of architectures that may be asked for again at a larger budget; None: nothing ever is."""
        return None

    def proposers(self) -> Iterable[Strategy]:
        """The strategies whose proposals this one hands on."""
        return ()

    @final
    def until(self, deadline: float | None) -> None:
        """Tell this strategy, and all that it asks, when the search ends."""
        self.deadline = deadline
        for each in self.proposers():
            each.until(deadline)

    @final
    def ask(self, deadline: float | None = None) -> Proposal | None:
        """The next proposal, or None when there is nothing to try for now."""
        self.until(deadline)
        proposal = self.propose(random.Random(f"{self.seed}:{self.asked}"))
        if proposal is not None:
            self.hand_out(proposal)
        return proposal

    @final
    def hand_out(self, proposal: Proposal) -> None:
        """Count `proposal` among those that were handed out, and remember it."""
        self.asked += 1
        self.proposed(proposal)

    @final
    def tell(self, proposal: Proposal, report: Report) -> None:
        """Show the strategy what came of a proposal."""
        self.learn(proposal, report)

    @final
    def replay(self, events: Iterable[Event]) -> None:
        """Bring a fresh strategy to where another stood, by the journal's events in their order."""
        for event in events:
            match event:
                case ("asked", Proposal() as proposal):
                    self.hand_out(proposal)
                case ("told", Proposal() as proposal, Report() as report):
                    self.learn(proposal, report)
                case ("fitted", Affordable() as affordable):
                    self.fit(affordable)
