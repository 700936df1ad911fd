"""What one network learns from another's answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from azora.tasks import Signature


def distilled(signature: Signature, outputs: Tensor, teacher: Tensor) -> Tensor:
    """The mean loss of a batch whose targets are what a teacher gives (Hinton et al., 2015; temperature 1): cross
    entropy with its softmax, or of numbers the squared error.

    Args:
        outputs: (B, outputs), before any softmax.
        teacher: the same, without a gradient.
    """
    if signature.kind == "regression":
        return nn.functional.mse_loss(outputs, teacher)
    return nn.functional.cross_entropy(outputs, torch.softmax(teacher, dim=1))
