"""What comes nearest to limits that nothing holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import final

from azora.trial import Limit


@final
class Nearest:
    """The costs of that one network, of all that it is shown, whose dearest cost is the smallest share of its limit.

    The least of each cost by itself would be of several networks, and may be within limits that none of them holds.
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self.costs: Mapping[str, float] = {}
        self._share = math.inf

    def see(self, costs: Mapping[str, float]) -> float:
        """The dearest of these costs, as a share of its limit."""
        share = max(costs[limit.quantity] / limit.most for limit in self.limits)
        if share < self._share:
            self.costs, self._share = costs, share
        return share

    def told(self, where: str) -> str:
        """For the reader: `the smallest found has macs 300`, where `where` is `found`."""
        word = "smallest" if len(self.limits) == 1 else "nearest"
        costs = ", ".join(f"{limit.quantity} {limit.show(self.costs[limit.quantity])}" for limit in self.limits)
        return f"the {word} {where} has {costs}"

    def __str__(self) -> str:
        return " and ".join(map(str, self.limits))
