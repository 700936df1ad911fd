"""Means of shared weights over the steps that moved them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from azora.errors import ConfigError
from azora.networks.shared_weights import SharedWeights
from azora.networks.slicing import Box, index


@final
class Averaged:
    """The exponential moving average of shared weights (Polyak & Juditsky, 1992), as shared weights of their own.

    A part that a step did not move is not averaged then: the mean reaches over the last 1 / (1 - decay) steps that
    moved it, however seldom it is borrowed, and a step costs in proportion to what it moved. In the first steps the
    mean reaches less far back, so that the weights it began with are soon forgotten.

    Batch-norm statistics are not followed: recalibrate what is borrowed here before it is judged.

    Args:
        shared: what is trained; the average is its copy at first.
        decay: share of the old mean in the new one, at least 0 and less than 1.

    Raises:
        ConfigError: a decay outside of that.
    """

    def __init__(self, shared: SharedWeights, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"ema={decay} must be at least 0 and less than 1")
        self.decay, self._source = decay, shared
        self.shared = copy.deepcopy(shared)
        self._pairs = list(zip(shared.parameters(), self.shared.parameters(), strict=True))

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Take in what `step` (from 0) has moved; its gradients must still be there to tell what that is."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        means, values = list[Tensor](), list[Tensor]()
        for parameter, mean in self._pairs:
            if (region := self._source.gradients.region(parameter)) is not None:
                self._collect(parameter, mean, *region, means, values)
        if means:
            torch._foreach_lerp_(means, values, share)
        self.shared.changed()

    def state(self) -> dict[str, Tensor]:
        """The averages, by name."""
        return dict(self.shared.state_dict())

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave.

        Raises:
            RuntimeError: it is of another space, or empty.
        """
        self.shared.load_state_dict(dict(state))

    @staticmethod
    def _collect(
        parameter: nn.Parameter,
        mean: nn.Parameter,
        box: Box,
        mask: Tensor | None,
        means: list[Tensor],
        values: list[Tensor],
    ) -> None:
        old, new = mean.detach()[index(box)], parameter.detach()[index(box)]
        means.append(old)
        # Where the mask says that nothing moved, the mean is drawn to itself.
        values.append(new if mask is None else torch.where(mask, new, old))
