"""What a trained network says of raw rows."""

from __future__ import annotations

import torch
from torch import nn

from azora.tasks import Scaling, Signature, Split
from azora.tasks.array import Array
from azora.training.batches import Batches
from azora.training.mode import Mode


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
    import numpy as np

    mode = mode or Mode()
    blind = np.zeros(len(x), np.int64) if signature.kind == "classification" else np.zeros((len(x), 1), np.float32)
    rows = Batches(Split(x, blind), signature, scaling, batch_size, mode=mode, device=device)
    network.eval()
    with torch.no_grad(), mode.cast(device):
        parts = [
            network(rows.plain(slice(start, start + batch_size))).float() for start in range(0, len(x), batch_size)
        ]
    found = torch.cat(parts)
    if signature.kind == "classification":
        found = torch.softmax(found, dim=1)
    else:
        found = found * torch.tensor(scaling.target_spread, device=device)
        found = found + torch.tensor(scaling.target_mean, device=device)
    answer: Array = found.cpu().numpy()
    return answer
