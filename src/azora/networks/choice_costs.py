"""What a network costs as a sum over its choices: tables by which expected costs have gradients."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
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
        options: (K,) of each choice; of a number of channels, what it adds to its middle one.
        factors: (K,) of each number of channels, by how much all of a network grows with it: for these, no sum holds.
    """

    quantity: str
    fixed: float
    options: Mapping[str, Tensor]
    factors: Mapping[str, Tensor] = field(default_factory=dict)

    def expected(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The cost of options that weigh so much, (K,) of each choice; the gradient reaches the weights."""
        tables = {name: table for name, table in self.options.items() if name not in self.factors}
        found = self.fixed + sum((weights[name].cpu() * table).sum() for name, table in tables.items())
        for name, factors in self.factors.items():
            found = found * (weights[name].cpu() * factors).sum()
        return torch.as_tensor(found)

    def even(self) -> float:
        """The cost when all options weigh the same."""
        alike = {name: torch.full((len(table),), 1 / len(table)) for name, table in self.options.items()}
        return float(self.expected(alike))

    def least(self) -> float:
        """The cost of the cheapest option of every choice."""
        least = {name: torch.zeros(len(table)) for name, table in self.options.items()}
        for name, table in self.options.items():
            least[name][table.argmin()] = 1.0
        return float(self.expected(least))


def choice_costs(
    space: Space,
    quantity: str,
    shape: Shape,
    kept: Mapping[str, tuple[Option, ...]] | None = None,
    masked: Collection[str] = (),
) -> ChoiceCosts:
    """The table of a space's mixture for one input of `shape`: counted, or for latencies measured here and now.

    Args:
        kept: of each choice the options that are left (a choice that is not here: all).
        masked: numbers of channels that are mixed too. The others' tables are then those at the middle of each; a
            number's are by how much the network costs, all options alike, when this one is another. Of latencies, that
            is by the multiply-accumulates.

    Raises:
        ConfigError: a quantity that there is not.
    """
    if quantity not in COSTS:
        raise ConfigError(f"there is no cost {quantity!r}; {closest(quantity, COSTS)}")
    numbers = {name: (kept or {}).get(name, tuple(space.choices[name].options())) for name in masked}
    middle = {name: sorted(each)[len(each) // 2] for name, each in numbers.items()}

    def table(quantity: str, **other: Option) -> ChoiceCosts:
        part = space.constrain(None, "numbers of channels", **{**middle, **other}) if masked else space
        return _table(part, quantity, shape, kept)

    found, counted = table(quantity), "macs" if quantity == "latency" else quantity
    usual = found.even() if counted == quantity else table(counted).even()
    factors = {
        name: torch.tensor([table(counted, **{name: each}).even() for each in options]) / usual
        for name, options in numbers.items()
        if len(options) > 1
    }
    added = {name: (each - 1.0) * found.even() for name, each in factors.items()}
    return replace(found, options={**found.options, **added}, factors=factors)


def _table(space: Space, quantity: str, shape: Shape, kept: Mapping[str, tuple[Option, ...]] | None) -> ChoiceCosts:
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
