"""Adam for architecture logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

EPSILON = 1e-8


@final
class LogitOptimiser:
    """Adam (Kingma & Ba, 2015) with the decay in the gradient, as the authors of DARTS use it, for one vector."""

    def __init__(self, values: Tensor, betas: tuple[float, float], decay: float) -> None:
        self.values, self.betas, self.decay = values, betas, decay
        self.mean, self.square, self.count = torch.zeros_like(values), torch.zeros_like(values), 0

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """One step down `gradient`. Where it is exactly zero and nothing remembers another, a value stays."""
        first, second = self.betas
        moved = gradient != 0
        gradient = torch.where(moved, gradient + self.decay * self.values, gradient)
        self.count += 1
        self.mean.mul_(first).add_(gradient, alpha=1 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        mean = self.mean / (1 - first**self.count)
        square = self.square / (1 - second**self.count)
        self.values.sub_(rate * mean / (square.sqrt() + EPSILON))

    def state(self) -> dict[str, Tensor]:
        """What a step depends on beside the values."""
        return {"mean": self.mean, "square": self.square, "count": torch.tensor(float(self.count))}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self.mean, self.square, self.count = state["mean"].clone(), state["square"].clone(), int(state["count"])
