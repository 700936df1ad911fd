"""Proxies by activations: how differently a fresh network sees different rows.

All take a fresh network in training mode, which they leave as it was, and a probe; more is better.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from azora.proxies.probe import Probe

BENT = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Hardswish)  # activations that bend at zero
SMALL = 1e-5


def jacob_cov(network: nn.Module, probe: Probe) -> float:
    """How little the rows' Jacobians are alike: −Σ log(λ + k) + 1 / (λ + k) over the eigenvalues λ of their
    correlations (Mellor et al., 2021, first version). Minus infinity where nothing of the rows comes through. It
    orders networks less well than the count of live parameters: τ 0.56 against 0.64."""
    x = probe.x.clone().requires_grad_()
    (jacobian,) = torch.autograd.grad(network(x).sum(), x, allow_unused=True)
    if jacobian is None:
        return -math.inf
    values = torch.linalg.eigvalsh(torch.corrcoef(jacobian.flatten(1).double())).clamp(min=0) + SMALL
    return -float((values.log() + 1 / values).sum())


def naswot(network: nn.Module, probe: Probe) -> float:
    """The log-determinant of the kernel that counts in how many activations two rows are on the same side of zero
    (Mellor et al., 2021). Minus infinity for a network without activations that bend at zero. It orders networks no
    better than the count of live parameters: τ 0.61 against 0.64."""
    kernel = torch.zeros(len(probe.x), len(probe.x), dtype=torch.float64)
    for codes in _codes(network, probe.x):
        kernel += codes @ codes.T + (1 - codes) @ (1 - codes).T
    sign, logarithm = torch.linalg.slogdet(kernel)
    return float(logarithm) if sign > 0 else -math.inf


def swap(network: nn.Module, probe: Probe, rows: int = 16) -> float:
    """How many different patterns of signs the activations have over the first rows (Peng et al., 2024), not
    regularised by size. It orders networks no better than the count of live parameters: τ 0.59 against 0.64."""
    patterns = [codes.T for codes in _codes(network, probe.x[:rows])]
    return float(len(torch.unique(torch.cat(patterns), dim=0))) if patterns else -math.inf


def zen(network: nn.Module, probe: Probe, repeats: int = 4) -> float:
    """log mean |f(x) − f(x + 0.01 ε)| of the last map before pooling, for normal weights and inputs, with the
    logarithms of the normalisations' spreads added (Lin et al., 2021). It orders networks less well than the count
    of live parameters: τ 0.58 against 0.64."""
    scores = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for repeat in range(repeats):
            torch.manual_seed(repeat)
            scores.append(_zen(copy.deepcopy(network), torch.randn_like(probe.x)))
    return sum(scores) / repeats


def _zen(network: nn.Module, x: Tensor) -> float:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            module.weight.normal_()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0  # what is kept is the spread of the one batch
    before, after = _last_map(network, x), _last_map(network, x + 0.01 * torch.randn_like(x))
    spreads = sum(
        0.5 * math.log(float(norm.running_var.mean()) + 1e-12) for norm in norms if norm.running_var is not None
    )
    difference = float((before - after).abs().mean())
    return math.log(difference) + spreads if difference > 0 else -math.inf


def _last_map(network: nn.Module, x: Tensor) -> Tensor:
    """The last output with as many axes as `x` that any module gives (of a table: before the last linear layer)."""
    made: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if x.ndim == 4 and output.ndim == 4 and not isinstance(module, nn.AdaptiveAvgPool2d):
            made.append(output)
        elif x.ndim != 4 and isinstance(module, nn.Linear):
            made.append(inputs[0])

    handles = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        network(x)
    finally:
        for handle in handles:
            handle.remove()
    return made[-1]


def _codes(network: nn.Module, x: Tensor) -> list[Tensor]:
    """For each activation, on which side of zero each of its inputs is: (B, neurons), 0 or 1, float64."""
    codes: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        codes.append((inputs[0] > 0).flatten(1).double())

    handles = [module.register_forward_pre_hook(keep) for module in network.modules() if isinstance(module, BENT)]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    return codes
