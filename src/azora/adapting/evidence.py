"""What tasks that train single paths tell of the options on them.

While logits are frozen every task trains one path, drawn uniformly, and its loss costs nothing more: the mean over all
paths with an option says what the option is worth on average over the others (after the one-shot networks of Guo et
al., 2020). MetaNAS (Elsken et al., 2020) lets its logits begin at 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from azora.networks.mixture import Relaxed
from azora.space import Option

LEAST = 1e-12  # spread, below which nothing is told apart


@final
class Evidence:
    """By option, the mean of (a task's loss − the mean loss of all tasks in the same step of the meta-training).

    Losses are to be of rows that the task's weights have not learned from: they are then of what was learned, and not
    of how well rows are remembered.
    """

    def __init__(self, relaxed: Relaxed) -> None:
        self.options, self.spans = relaxed.options, relaxed.logits.spans
        self.sums = torch.zeros(relaxed.logits.values.shape)
        self.counts = torch.zeros_like(self.sums)

    def add(self, paths: Sequence[Mapping[str, Option]], losses: Sequence[float]) -> None:
        """The losses of the tasks of one step, by the path of each."""
        mean = sum(losses) / len(losses)
        for path, loss in zip(paths, losses, strict=True):
            for name in self.options.keys() & path.keys():
                place = self.spans[name].start + self.options[name].index(path[name])
                self.sums[place] += loss - mean
                self.counts[place] += 1.0

    def logits(self, spread: float) -> Tensor:
        """(N,): −mean of every option, 0 of one that no path had; `spread` is the standard deviation of all. One scale
        for all choices: where options are alike, logits are."""
        means = self.sums / self.counts.clamp_min(1.0)
        return -means * (spread / means.std().clamp_min(LEAST))
