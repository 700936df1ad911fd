"""What a network costs as a sum over its choices: tables by which expected costs have gradients."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from azora.errors import ConfigError
from azora.networks.complexity import measure, parameters, run_shapes
from azora.networks.mixed import Mixed
from azora.networks.mixture import Mixture
from azora.networks.relaxation import Gate
from azora.networks.shapes_only import ShapesOnly
from azora.networks.statistics import BatchNorm
from azora.settings import closest
from azora.space import Option, Space

COUNTED = ("macs", "params")  # quantities by whose tables limits are approached
WARMUP, RUNS = 3, 15  # passes of an option before its time is taken, and those whose median it is

Shape = tuple[int, ...]
Places = list[tuple[nn.Module, Shape]]  # a module, and the shape (without the batch) of what it is given


@final
@dataclass(frozen=True)
class ChoiceCosts:
    """An additive table: what is always there, and what each option of each choice adds, all its places together.

    Args:
        quantity: "macs", "params", or "latency" (microseconds on this machine, one picture, one thread).
        fixed: of what no choice decides.
        options: (K,) of each choice.
    """

    quantity: str
    fixed: float
    options: Mapping[str, Tensor]

    def expected(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The cost of options that weigh so much, (K,) of each choice; the gradient reaches the weights."""
        weighed = [(weights[name].cpu() * table).sum() for name, table in self.options.items()]
        return self.fixed + torch.stack(weighed).sum()

    def least(self) -> float:
        """The cost of the cheapest option of every choice."""
        return self.fixed + sum(float(table.min()) for table in self.options.values())


def choice_costs(
    space: Space, quantity: str, shape: Shape, kept: Mapping[str, tuple[Option, ...]] | None = None
) -> ChoiceCosts:
    """The table of a space's mixture for one input of `shape`: counted, or for latencies measured here and now.

    Args:
        kept: of each choice the options that are left (a choice that is not here: all).

    Raises:
        ConfigError: a quantity that there is not.
    """
    if quantity not in COSTS:
        raise ConfigError(f"there is no cost {quantity!r}; {closest(quantity, COSTS)}")
    value, measured = COSTS[quantity], quantity == "latency"
    mixture = Mixture(space, kept=kept)
    with nullcontext() if measured else ShapesOnly():
        network = space.build(mixture)
        for name, values in mixture.options.items():
            mixture.gates[name] = Gate(torch.ones(len(values)), tuple(range(len(values))))
    mixed, others = _places(network, shape)
    options = {name: torch.zeros(len(values)) for name, values in mixture.options.items()}
    for module, given in mixed:
        assert isinstance(module, Mixed)
        options[module.choice] += torch.tensor([value(option, given) for option in module.values()])
    return ChoiceCosts(quantity, sum(value(module, given) for module, given in others), options)


def _places(network: nn.Module, shape: Shape) -> tuple[Places, Places]:
    """The mixed modules and the leaves outside of them, in the order in which they are run."""
    found: tuple[Places, Places] = [], []
    mixed = [module for module in network.modules() if isinstance(module, Mixed)]
    inside = {id(part) for module in mixed for part in module.modules()}
    leaves = [each for each in network.modules() if id(each) not in inside and not any(True for _ in each.children())]

    def hook(among: Places) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda module, inputs: among.append((module, tuple(inputs[0].shape[1:])))

    hooks = [module.register_forward_pre_hook(hook(found[0])) for module in mixed]
    hooks += [module.register_forward_pre_hook(hook(found[1])) for module in leaves]
    try:
        run_shapes(network, shape)
    finally:
        for each in hooks:
            each.remove()
    return found


def _macs(module: nn.Module, shape: Shape) -> float:
    return float(measure(module, shape)["macs"])


def _parameters(module: nn.Module, shape: Shape) -> float:
    with_scales = [part for part in module.modules() if isinstance(part, BatchNorm) and part.affine]
    fixed = sum(part.num_features for part in with_scales if not part.weight.requires_grad)
    return float(parameters(module) + 2 * fixed)  # a mixture's have no scale and shift, a network's have


@torch.no_grad()
def _microseconds(module: nn.Module, shape: Shape) -> float:
    x, was = torch.randn(1, *shape), module.training
    module.eval()
    times = []
    for run in range(WARMUP + RUNS):
        begun = time.perf_counter()
        module(x)
        if run >= WARMUP:
            times.append(time.perf_counter() - begun)
    module.train(was)
    return 1e6 * statistics.median(times)


COSTS: Mapping[str, Callable[[nn.Module, Shape], float]] = {
    "macs": _macs,
    "params": _parameters,
    "latency": _microseconds,
}
