"""Proxies by gradients: how much the weights have to say about the loss, or about the outputs.

All take a fresh network in training mode, which they leave as it was, and a probe; more is better.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from azora.proxies.probe import Probe, weights

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


def grad_norm(network: nn.Module, probe: Probe) -> float:
    """The sum over layers of the gradient's length (Abdelfattah et al., 2021). It orders networks less well than the
    count of live parameters: τ 0.05 against 0.64."""
    return float(sum(gradient.norm() for gradient in _gradients(network, probe)))


def snip(network: nn.Module, probe: Probe) -> float:
    """The sum of |weight × gradient|: what the loss would lose by each connection (Lee et al., 2019). It orders
    networks less well than the count of live parameters: τ 0.16 against 0.64."""
    pairs = zip(weights(network), _gradients(network, probe), strict=True)
    return float(sum((weight.detach() * gradient).abs().sum() for weight, gradient in pairs))


def grasp(network: nn.Module, probe: Probe) -> float:
    """Minus the sum of weight × (Hessian × gradient): what pruning would do to the gradient's flow (Wang et al., 2020).
    It orders networks less well than the count of live parameters: τ -0.09 against 0.64."""
    network = _replaced(copy.deepcopy(network), nn.Hardsigmoid, _Hardsigmoid)
    matrices = weights(network)
    gradients = _gradients(network, probe, graph=True)
    flow = torch.stack([(gradient * gradient.detach()).sum() for gradient in gradients]).sum()
    curved = torch.autograd.grad(flow, matrices, allow_unused=True)
    return -float(
        sum((weight.detach() * each).sum() for weight, each in zip(matrices, curved, strict=True) if each is not None)
    )


def fisher(network: nn.Module, probe: Probe) -> float:
    """The sum over channels of half the mean over rows of (Σ activation × its gradient)² (Turner et al., 2020). It
    orders networks less well than the count of live parameters: τ -0.20 against 0.64."""
    made: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        made.append(output)

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        loss = probe.loss(network(probe.x))
    finally:
        for handle in handles:
            handle.remove()
    total = 0.0
    for output, gradient in zip(made, torch.autograd.grad(loss, made, allow_unused=True), strict=True):
        if gradient is not None:
            by_channel = (output.detach() * gradient).reshape(*output.shape[:2], -1).sum(dim=2)
            total += 0.5 * float((by_channel**2).mean(dim=0).sum())
    return total


def synflow(network: nn.Module, probe: Probe) -> float:
    """The logarithm of Σ weight × ∂R/∂weight, where R is the sum of the outputs for an input of ones and all weights
    are made positive (Tanaka et al., 2020). In double precision and without normalisations, which would undo it. It
    orders networks less well than the count of live parameters: τ 0.59 against 0.64."""
    bare = _replaced(copy.deepcopy(network), NORMS, nn.Identity).double().eval()
    with torch.no_grad():
        for parameter in bare.parameters():
            parameter.abs_()
    ones = torch.ones(1, *probe.x.shape[1:], dtype=torch.float64)
    matrices = weights(bare)
    gradients = torch.autograd.grad(bare(ones).sum(), matrices, allow_unused=True)
    pairs = zip(matrices, gradients, strict=True)
    total = float(sum((weight.detach() * each).sum() for weight, each in pairs if each is not None))
    return math.log(total) if total > 0 else -math.inf


def zico(network: nn.Module, probe: Probe) -> float:
    """The sum over layers of log Σ mean|gradient| / its standard deviation, over two batches (Li et al., 2023). It
    orders networks no better than the count of live parameters: τ 0.61 against 0.64."""
    first, second = (_gradients(network, half) for half in probe.halves())
    total = 0.0
    for one, other in zip(first, second, strict=True):
        both = torch.stack([one, other])
        spread = both.std(dim=0, correction=0)
        ratios = (both.abs().mean(dim=0) / spread)[spread > 0]
        if len(ratios):
            total += math.log(float(ratios.sum()))
    return total


def _gradients(network: nn.Module, probe: Probe, *, graph: bool = False) -> list[Tensor]:
    """Of the loss by each of `weights(network)`; zeros for those that it does not depend on."""
    matrices = weights(network)
    found = torch.autograd.grad(probe.loss(network(probe.x)), matrices, create_graph=graph, allow_unused=True)
    return [torch.zeros_like(weight) if each is None else each for weight, each in zip(matrices, found, strict=True)]


class _Hardsigmoid(nn.Module):
    """PyTorch differentiates its own once only."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu6(x + 3) / 6


def _replaced(
    network: nn.Module, kinds: type[nn.Module] | tuple[type[nn.Module], ...], make: Callable[[], nn.Module]
) -> nn.Module:
    for name, child in network.named_children():
        if isinstance(child, kinds):
            setattr(network, name, make())
        else:
            _replaced(child, kinds, make)
    return network
