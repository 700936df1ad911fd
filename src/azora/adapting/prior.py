"""How far a task's weights and logits are from the meta-learned prior.

The prior over a choice's options is Cat(softmax(meta-learned logits)), that over weights a normal distribution around
the meta-learned ones; both are by Shaw et al. (2019), reconstructed from the paper's text: its code has no search.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def options_divergence(logits: Tensor, prior: Tensor, spans: Iterable[slice]) -> Tensor:
    """KL(Cat(softmax logits) ‖ Cat(softmax prior)) in nats, summed over choices; both vectors are (N,)."""
    terms = []
    for span in spans:
        own, before = torch.log_softmax(logits[span], 0), torch.log_softmax(prior[span], 0)
        terms.append((own.exp() * (own - before)).sum())
    return torch.stack(terms).sum()


@torch.no_grad()
def add_weights_gradient(weights: Sequence[Tensor], prior: Sequence[Tensor], variance: float, share: float) -> None:
    """Add the gradient of share · ‖weights − prior‖² / (2 · variance), the divergence of point estimates from their
    normal prior, to the weights' own, where they have one: what a pass did not run is left alone."""
    pairs = [(each.grad, each, before) for each, before in zip(weights, prior, strict=True) if each.grad is not None]
    if pairs:
        gradients, own, before = (list(each) for each in zip(*pairs, strict=True))
        torch._foreach_add_(gradients, torch._foreach_sub(own, before), alpha=share / variance)
