"""A network that was adapted to a task."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.statistics import recalibrate, statistics_kept
from azora.space import Architecture

JUDGED_BY = ("query", "support")


@final
@dataclass(frozen=True)
class Adapted:
    """A task's network: its own weights, and its own architecture where options were left to decide between.

    Args:
        network: (B, *shape) → (B, ways).
        architecture: of the network.
        support: the rows that it was adapted to, as the network sees them.
        strengths: what the options weighed at the end of the adaptation, by choice; empty where there was no choice.
    """

    network: nn.Module
    architecture: Architecture
    support: Tensor
    strengths: dict[str, Tensor]

    @property
    def decided(self) -> float:
        """The least weight of an option that was taken: 1 where the mixture had become the network by itself."""
        return min((float(each.max()) for each in self.strengths.values()), default=1.0)

    @torch.no_grad()
    def logits(self, x: Tensor, statistics: str = "query") -> Tensor:
        """(N, ways) for rows (N, *shape) as the network sees them.

        Args:
            statistics: of batch normalisations: "query", those of `x` itself (transductive: answers depend on what is
                asked together), or "support".
        """
        if statistics == "support":
            told: Tensor = self.frozen()(x)
            return told
        self.network.train()
        with statistics_kept(self.network):
            said: Tensor = self.network(x)
        return said

    def frozen(self) -> nn.Module:
        """A copy in eval mode with the support rows' statistics: what can be exported."""
        network = copy.deepcopy(self.network)
        recalibrate(network, [self.support])
        return network
