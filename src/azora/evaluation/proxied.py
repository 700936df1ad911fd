"""Judging a proposal without training it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from azora.proxies import Probe, find_proxies, score
from azora.space import Space
from azora.tasks import SearchData
from azora.trial import Proposal


@final
class ZeroCost:
    """Scores a proposal's fresh network by the proxy called `metric`, on rows of search-train.

    A proxy shortlists: on published tables none of them orders the best networks (Krishnakumar et al., 2022), and the
    number of parameters is hard to beat. Where the proxy says nothing, the metric is -1e30.

    Raises:
        ConfigError: there is no such proxy.
    """

    heeds_budget = False

    def __init__(self, space: Space, data: SearchData, seed: int = 0, metric: str = "params", rows: int = 64) -> None:
        find_proxies([metric])
        self.space, self.metric, self.seed = space, metric, seed
        self.probe = Probe.of(data, rows, seed)

    def __call__(self, proposal: Proposal) -> Mapping[str, float]:
        return {
            name: max(value, LOWEST)
            for name, value in score(self.space, proposal.architecture, self.probe, [self.metric], self.seed).items()
        }


LOWEST = -1e30  # stands for minus infinity, which a report cannot hold
