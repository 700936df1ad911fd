"""Members of a population, and tournaments among them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from azora.space import Architecture
from azora.trial import Objective, Proposal, Report

Rank = tuple[float, float]
FAILED = (-math.inf, -math.inf)


def rank(objective: Objective, proposal: Proposal, report: Report) -> Rank:
    """(budget, score): who was worth a longer training stands above who was not, and below all who failed."""
    score = objective.score(report)
    return (proposal.budget or 0.0, score) if score > -math.inf else FAILED


@dataclass(eq=False)
class Member:
    """An architecture that was judged, and where it stands."""

    architecture: Architecture
    rank: Rank

    @property
    def judged(self) -> bool:
        """Whether any judgement of it came to a number."""
        return self.rank > FAILED

    def judge_again(self, rank: Rank) -> None:
        """The longest training counts; one that failed says nothing against a shorter one."""
        if rank[0] >= self.rank[0]:
            self.rank = rank


def tournament(members: Sequence[Member], draws: int, rng: random.Random, replacement: bool = True) -> Member:
    """The best of `draws` members, drawn with or without replacement (then no more of them than there are)."""
    drawn = rng.choices(members, k=draws) if replacement else rng.sample(members, min(draws, len(members)))
    return max(drawn, key=lambda member: member.rank)
