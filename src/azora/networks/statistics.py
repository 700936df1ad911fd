"""The statistics of batch normalisations: left alone, or measured anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

BatchNorm = nn.modules.batchnorm._BatchNorm


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Batch normalisations train, but their running statistics are left as they are."""
    norms = _norms(network)
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


@torch.no_grad()
def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Measure the batch normalisations' statistics anew as plain means over `batches`, then to eval mode."""
    network.eval()
    norms = _norms(network)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        for batch in batches:
            network(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def _norms(network: nn.Module) -> list[BatchNorm]:
    return [module for module in network.modules() if isinstance(module, BatchNorm) and module.track_running_stats]
