"""What a trained network says of raw rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor, nn

from azora.tasks import Scaling, Signature, Split
from azora.tasks.array import Array
from azora.training.batches import Batches
from azora.training.mode import Mode


@final
class Asking:
    """Raw rows made ready once, (N, C, H, W) or (N, F), of which many networks are asked."""

    def __init__(
        self,
        x: Array,
        signature: Signature,
        scaling: Scaling,
        *,
        mode: Mode | None = None,
        device: str = "cpu",
        batch_size: int = 256,
    ) -> None:
        import numpy as np

        self.signature, self.scaling, self.mode, self.device = signature, scaling, mode or Mode(), device
        self.size = batch_size
        blind = np.zeros(len(x), np.int64) if signature.kind == "classification" else np.zeros((len(x), 1), np.float32)
        self.rows = Batches(Split(x, blind), signature, scaling, batch_size, mode=self.mode, device=device)

    def __call__(self, network: nn.Module) -> Array:
        """Probabilities (N, classes) float32 of a classifier, or predictions (N, outputs) in the target's own unit.

        `network` is put into eval mode.
        """
        network.eval()
        with torch.no_grad(), self.mode.cast(self.device):
            found = torch.cat([network(batch).float() for batch in self.batches()])
        return self.answer(found)

    def batches(self) -> Iterator[Tensor]:
        """The rows as networks take them, one batch after another."""
        for at in range(0, len(self.rows.x), self.size):
            yield self.rows.plain(slice(at, at + self.size))

    def answer(self, found: Tensor) -> Array:
        """What a network's outputs (N, outputs) say: probabilities, or predictions in the target's own unit."""
        found = found.float()
        if self.signature.kind == "classification":
            found = torch.softmax(found, dim=1)
        else:
            found = found * torch.tensor(self.scaling.target_spread, device=self.device)
            found = found + torch.tensor(self.scaling.target_mean, device=self.device)
        answer: Array = found.cpu().numpy()
        return answer


def outputs(
    network: nn.Module,
    x: Array,
    signature: Signature,
    scaling: Scaling,
    *,
    mode: Mode | None = None,
    device: str = "cpu",
    batch_size: int = 256,
) -> Array:
    """Probabilities (N, classes) float32 of a classifier, or predictions (N, outputs) in the target's own unit.

    `network` is put into eval mode; `x` is raw, (N, C, H, W) or (N, F).
    """
    return Asking(x, signature, scaling, mode=mode, device=device, batch_size=batch_size)(network)
