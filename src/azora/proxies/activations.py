"""Proxies by activations: how differently a fresh network sees different rows.

All take a fresh network in training mode, which they leave as it was, and a probe; more is better.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from azora.proxies.probe import Probe

BENT: frozenset[Callable[..., Any]] = frozenset(
    [
        torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, nn.functional.relu, nn.functional.relu6,
        nn.functional.leaky_relu, nn.functional.gelu, nn.functional.silu, nn.functional.hardswish,
    ]
)  # fmt: skip
"""Activations that bend at zero. Modules of them call these."""
SMALL = 1e-5  # the least that an eigenvalue counts as


def jacob_cov(network: nn.Module, probe: Probe) -> float:
    """How little the rows' Jacobians are alike: −Σ log(λ + k) + 1 / (λ + k) over the eigenvalues λ of their
    correlations (Mellor et al., 2021, first version). Minus infinity where nothing of a row comes through. It orders
    networks less well than the count of live parameters: τ 0.56 against 0.64."""
    x = probe.x.clone().requires_grad_()
    (jacobian,) = torch.autograd.grad(network(x).sum(), x, allow_unused=True)
    if jacobian is None:
        return -math.inf
    alike = torch.corrcoef(jacobian.flatten(1).double())
    if not bool(alike.isfinite().all()):
        return -math.inf
    values = torch.linalg.eigvalsh(alike).clamp(min=0) + SMALL
    return -float((values.log() + 1 / values).sum())


def naswot(network: nn.Module, probe: Probe) -> float:
    """The log-determinant of the kernel that counts in how many activations two rows are on the same side of zero
    (Mellor et al., 2021), whose eigenvalues count as 1e-5 at least: with fewer activations than rows some are 0. Minus
    infinity where no activation tells rows apart, or none bends at zero. It orders networks no better than the count of
    live parameters: τ 0.61 against 0.64."""
    kernel = torch.zeros(len(probe.x), len(probe.x), dtype=torch.float64)
    for codes in _codes(network, probe.x):
        kernel += codes @ codes.T + (1 - codes) @ (1 - codes).T
    if bool((kernel == kernel[0, 0]).all()):
        return -math.inf
    return float(torch.linalg.eigvalsh(kernel).clamp(min=SMALL).log().sum())


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
    """The last map that any module gives; without maps, what the last linear layer takes of those that take something
    else than `x`. A linear way past all layers is no part of them."""
    maps, rows, raw = list[Tensor](), list[Tensor](), x.flatten(1)

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if x.ndim == 4 and output.ndim == 4 and not isinstance(module, nn.AdaptiveAvgPool2d):
            maps.append(output)
        elif isinstance(module, nn.Linear) and not torch.equal(inputs[0], raw):
            rows.append(inputs[0])

    handles = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        network(x)
    finally:
        for handle in handles:
            handle.remove()
    return (maps or rows or [x])[-1]


def _codes(network: nn.Module, x: Tensor) -> list[Tensor]:
    """For each activation, on which side of zero each of its inputs is: (B, neurons), 0 or 1, float64."""
    sides = _Sides(len(x))
    with torch.no_grad(), sides:
        network(x)
    return sides.found


@final
class _Sides(TorchFunctionMode):
    """Notes on which side of zero the inputs of activations are, whether these are modules or functions."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.found: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func in BENT or (func is nn.functional.hardtanh and given.get("min_val") == 0):  # of nn.ReLU6
            x = args[0] if args else given["input"]
            if x.ndim > 1 and len(x) == self.rows:
                self.found.append((x > 0).flatten(1).double())
        return func(*args, **given)
