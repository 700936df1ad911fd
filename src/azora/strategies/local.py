"""Hill climbing with restarts."""

from __future__ import annotations

import random
from typing import Literal, final, get_args

from azora.errors import ConfigError
from azora.settings import check_whole, closest
from azora.space import Architecture, Space
from azora.strategies.fresh import familiar, stranger
from azora.strategies.member import Member, rank
from azora.strategies.strategy import Strategy
from azora.trial import Objective, Proposal, Report

Improvement = Literal["first", "best"]


@final
class LocalSearch(Strategy):
    """Move to a better neighbour until there is none, then begin elsewhere (White et al., 2021).

    A neighbour has one other decision; numbers move a tenth of their range (`Choice.neighbours`). What is already known
    of a neighbour is used, and no network is judged twice. While all neighbours are being judged, starts of the next
    climb are handed out.

    Args:
        improvement: "first" moves to a better neighbour as soon as one is known, looking at them in random order;
            "best" judges all of them first.
        starts: how many points are judged before a climb, which begins at the best of them: the space's familiar
            points, then random ones.

    Raises:
        ConfigError: another improvement, or starts that are no whole number from 1 on.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objective: Objective | None = None,
        improvement: Improvement = "first",
        starts: int = 5,
    ) -> None:
        super().__init__(space, seed, objective)
        if improvement not in get_args(Improvement):
            raise ConfigError(f"improvement={improvement!r}: {closest(str(improvement), get_args(Improvement))}")
        check_whole(1, starts=starts)
        self.improvement, self.starts = improvement, starts
        self.top: Member | None = None  # where the climb stands
        self.around: dict[str, Architecture] = {}  # its neighbours, in the order in which they are looked at
        self.begun: list[Member] = []  # judged starts of the next climb
        self.known: dict[str, Member] = {}
        self.seen: set[str] = set()

    def propose(self, rng: random.Random) -> Proposal | None:
        if self.top is not None:
            origin = f"neighbour of {self.top.architecture.key}"
            for key, neighbour in self.around.items():
                if key not in self.seen:
                    return Proposal(neighbour, origin=origin)
        return familiar(self.space, self.seen) or stranger(self.space, self.seen, rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)

    def learn(self, proposal: Proposal, report: Report) -> None:
        key, reached = proposal.architecture.key, rank(self.objective, proposal, report)
        if (member := self.known.get(key)) is not None:
            member.judge_again(reached)
        else:
            member = self.known[key] = Member(proposal.architecture, reached)
            if key not in self.around and member.judged:
                self.begun.append(member)
        while self._move():
            pass

    def _move(self) -> bool:
        """One step up, the end of a climb, or the start of one; whether there was any."""
        if self.top is None:
            if len(self.begun) < self.starts:
                return False
            self._stand(max(self.begun, key=lambda member: member.rank))
            self.begun = []
            return True
        told = [member for key in self.around if (member := self.known.get(key)) is not None]
        if len(told) < len(self.around) and self.improvement == "best":
            return False
        if told and (best := max(told, key=lambda member: member.rank)).rank > self.top.rank:
            self._stand(best)
            return True
        if len(told) < len(self.around):
            return False
        self.top, self.around = None, {}
        return True

    def _stand(self, member: Member) -> None:
        self.top = member
        neighbours = list(self.space.neighbours(member.architecture))
        random.Random(f"{self.seed}:{member.architecture.key}").shuffle(neighbours)
        self.around = {neighbour.key: neighbour for neighbour in neighbours}
