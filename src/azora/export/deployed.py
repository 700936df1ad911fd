"""A network with everything that stands between raw values and answers."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from azora.tasks import Scaling, Signature
from azora.training.prepared import Prepared


@final
class Deployed(nn.Module):
    """Raw values in, probabilities (or predictions in the target's unit) out: (B, *raw shape) → (B, outputs)."""

    mean: Tensor
    spread: Tensor
    target_mean: Tensor
    target_spread: Tensor

    def __init__(self, network: nn.Module, signature: Signature, scaling: Scaling) -> None:
        super().__init__()
        self.network, self.classifies = network, signature.kind == "classification"
        shape = (1, -1, 1, 1) if signature.pictures else (1, -1)
        self.raw = scaling.raw
        self.prepared = None if scaling.table is None or scaling.raw else Prepared(scaling.table)
        self.register_buffer("mean", torch.tensor(scaling.mean).reshape(shape))
        self.register_buffer("spread", torch.tensor(scaling.spread).reshape(shape))
        self.register_buffer("target_mean", torch.tensor(scaling.target_mean))
        self.register_buffer("target_spread", torch.tensor(scaling.target_spread))

    def forward(self, x: Tensor) -> Tensor:
        if self.prepared is not None:
            x = self.prepared(x)
        elif not self.raw:
            x = (x - self.mean) / self.spread
        answer: Tensor = self.network(x)
        if self.classifies:
            return torch.softmax(answer, dim=1)
        return answer * self.target_spread + self.target_mean
