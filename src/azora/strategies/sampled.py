"""What a policy draws."""

from __future__ import annotations

import random
from typing import final

from azora.errors import SpaceError
from azora.space import Architecture, Space
from azora.strategies.fresh import stranger
from azora.strategies.policy import Policy
from azora.strategies.strategy import Strategy
from azora.trial import Objective, Proposal

ROWS = 16  # architectures that are drawn at once, to find one that is new
PASSES = 10  # of them; then the policy hardly says anything else


@final
class Sampled(Strategy):
    """Distinct architectures drawn from a policy that learns no more (the derivation of ENAS, Pham et al., 2018).

    Where the policy has said all that it says often, the rest is random.

    Args:
        policy: over `space`, or over a space that this one is a part of; draws outside of it are left out.
    """

    def __init__(self, space: Space, seed: int = 0, objective: Objective | None = None, *, policy: Policy) -> None:
        super().__init__(space, seed, objective)
        self.policy = policy
        self.seen: set[str] = set()

    def propose(self, rng: random.Random) -> Proposal | None:
        for _ in range(PASSES):
            for architecture, _ in self.policy.draw(rng, ROWS):
                if architecture.key not in self.seen and self._holds(architecture):
                    return Proposal(architecture, origin="policy")
        return stranger(self.space, self.seen, rng)

    def _holds(self, architecture: Architecture) -> bool:
        try:
            self.space.architecture(**architecture)
        except SpaceError:
            return False
        return True

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
