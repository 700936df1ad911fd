"""What one network learns from another's answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from azora.tasks import Signature


def distilled(signature: Signature, outputs: Tensor, teacher: Tensor) -> Tensor:
    """The mean loss of a batch whose targets are what a teacher gives (Hinton et al., 2015; temperature 1): cross
    entropy with its softmax, or of numbers the squared error. A teacher of fewer classes teaches how the first so many
    stand to each other, whatever the others are (Li & Hoiem, 2016).

    Args:
        outputs: (B, outputs), before any softmax.
        teacher: the same, or for the first classes alone, without a gradient.
    """
    if signature.kind == "regression":
        return nn.functional.mse_loss(outputs, teacher)
    return nn.functional.cross_entropy(outputs[:, : teacher.shape[1]], torch.softmax(teacher, dim=1))
