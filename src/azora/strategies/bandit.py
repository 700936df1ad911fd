"""Several strategies in one search: who helps is asked more often."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import final

from azora.errors import ConfigError
from azora.strategies.member import Rank, rank
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Proposal, Report

GOOD = 0.25  # a proposal has helped when it is among so many of what was judged as long before
LEAST = 4  # judgements before any can be said to have helped
MARK = " by "


@final
class Bandit(Strategy):
    """Strategies side by side on one search, each of which is told everything; the next proposal is from the one whose
    proposals were lately the best.

    Dynamic Thompson sampling (Gupta et al., 2011): the chance that an arm's proposal is among the best quarter of what
    was judged equally long before it has a beta distribution, which forgets with each proposal of that arm that was
    judged; one draw of each arm's decides who is asked. No arm falls silent, so one that helps late is heard then. What
    is judged again for longer counts for nobody.

    Args:
        arms: the strategies, by name; of one space, seed and objective.
        forgetting: by how much what came before weighs less, after each judgement of an arm's proposal.

    Raises:
        ConfigError: fewer than two arms, or forgetting outside 0 to 1.
    """

    def __init__(self, arms: Mapping[str, Strategy], forgetting: float = 0.05) -> None:
        if len(arms) < 2:
            raise ConfigError(f"arms={list(arms)}: two strategies at least are to be chosen among")
        if not 0 <= forgetting < 1:
            raise ConfigError(f"forgetting={forgetting} must be at least 0 and below 1")
        first = next(iter(arms.values()))
        super().__init__(first.space, first.seed, first.objective)
        self.arms, self.forgetting = dict(arms), forgetting
        self.helped = {name: [0.0, 0.0] for name in arms}  # how often it did, and did not
        self.reached: dict[float | None, list[Rank]] = {}
        self.judged: set[str] = set()

    def proposers(self) -> Iterable[Strategy]:
        return self.arms.values()

    def propose(self, rng: random.Random) -> Proposal | None:
        drawn = {name: rng.betavariate(1 + yes, 1 + no) for name, (yes, no) in self.helped.items()}
        for name in sorted(drawn, key=lambda each: -drawn[each]):
            if (found := self.arms[name].propose(rng)) is not None:
                return Proposal(found.architecture, found.budget, f"{found.origin}{MARK}{name}")
        return None

    def proposed(self, proposal: Proposal) -> None:
        for arm in self.arms.values():
            arm.hand_out(proposal)

    def learn(self, proposal: Proposal, report: Report) -> None:
        reached, before = rank(self.objective, proposal, report), self.reached.setdefault(proposal.budget, [])
        key, name = proposal.architecture.key, proposal.origin.rpartition(MARK)[2]
        if name in self.helped and key not in self.judged and len(before) >= LEAST:
            better = sum(each >= reached for each in before)
            self._count(name, better < GOOD * len(before))
        self.judged.add(key)
        before.append(reached)
        for arm in self.arms.values():
            arm.tell(proposal, report)

    def fit(self, affordable: Affordable) -> None:
        for arm in self.arms.values():
            arm.fit(affordable)

    def keep(self) -> set[str] | None:
        kept = [each for each in (arm.keep() for arm in self.arms.values()) if each is not None]
        return set().union(*kept) if kept else None

    def _count(self, name: str, helped: bool) -> None:
        yes, no = (count * (1 - self.forgetting) for count in self.helped[name])
        self.helped[name] = [yes + helped, no + (not helped)]
