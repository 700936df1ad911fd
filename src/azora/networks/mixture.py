"""A network in which the options of every choice are mixed, by logits that learn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks import fast_mixture
from azora.networks.decide import Make, OfChannels, Options, Undecided, module_name
from azora.networks.relaxation import Gate, Moment, Relaxation
from azora.operations import Zero
from azora.operations.once import channels_last
from azora.space import Architecture, Option, Space, Subset

BatchNorm = nn.modules.batchnorm._BatchNorm
POOLINGS = (nn.MaxPool2d, nn.AvgPool2d)


@final
class Logits:
    """A vector a choice, all in one: `values` (N,) is what learns.

    Args:
        sizes: how many options each choice has.
        spread: standard deviation at the start.
    """

    def __init__(self, sizes: Mapping[str, int], spread: float, seed: int) -> None:
        ends = [0, *accumulate(sizes.values())]
        self.spans = {name: slice(*span) for name, span in zip(sizes, pairwise(ends), strict=True)}
        generator = torch.Generator().manual_seed(seed)
        self.values = nn.Parameter(spread * torch.randn(ends[-1], generator=generator))

    def __getitem__(self, name: str) -> Tensor:
        return self.values[self.spans[name]]

    def __contains__(self, name: str) -> bool:
        return name in self.spans

    def __iter__(self) -> Iterator[str]:
        return iter(self.spans)


@final
class Mixed(nn.ModuleDict):
    """The options of one choice of a module, all run and weighed as the choice's gate says. (B, C, H, W) → as they do.

    Poolings are normalised here, and normalisations inside of options have no scale and shift (Liu et al., 2019):
    weights would otherwise say nothing of what an option is worth. `none` is never run where another option is. While
    training on pictures on a processor, options are run as `azora.networks.fast_mixture` says.

    Args:
        gates: what to do until the next draw, by choice.
        parts: options are made for one in so many channels; the others go by, and all are shuffled (Xu et al., 2020).
    """

    def __init__(self, choice: str, options: dict[str, nn.Module], gates: Mapping[str, Gate], parts: int = 1) -> None:
        super().__init__(options)
        self.choice, self.gates, self.parts = choice, gates, parts
        self.nothing = frozenset(place for place, each in enumerate(options.values()) if isinstance(each, Zero))
        for module in self.modules():
            if isinstance(module, BatchNorm) and module.affine:
                module.weight.requires_grad_(False)
                module.bias.requires_grad_(False)
        self._norms: dict[int, BatchNorm] = {}

    def normalise(self, channels: int) -> None:
        """Put a normalisation behind poolings, whose results have so many channels."""
        for place, each in enumerate(self.values()):
            if isinstance(each, POOLINGS):
                self._norms[place] = nn.BatchNorm2d(channels, affine=False)

    @property
    def idle(self) -> bool:
        """Whether the next pass gives nothing: no option is run, or `none`."""
        return self.nothing.issuperset(self.gates[self.choice].runs)

    def norms(self) -> Iterable[BatchNorm]:
        """Those behind poolings: they hold no parameters, and are no part of any option."""
        return self._norms.values()

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gates[self.choice]
        if self.parts == 1:
            return self._weighed(x, gate)
        count = x.shape[1] // self.parts
        part = channels_last(x, count) if self._is_fast(x) else x[:, :count]
        others = x[:, count:]
        done = self._weighed(part, replace(gate, edge=None))
        if done.dim() == 0:
            return done
        if done.shape[-2:] != others.shape[-2:]:
            others = nn.functional.max_pool2d(others, 2, 2, ceil_mode=True)
        shuffled = _shuffled(torch.cat([done, others], dim=1), self.parts)
        return shuffled if gate.edge is None else gate.edge * shuffled

    def _weighed(self, x: Tensor, gate: Gate) -> Tensor:
        modules = list(self.values())
        runs = [place for place in gate.runs if place not in self.nothing] or list(gate.runs)[:1]
        if runs and self._is_fast(x):
            norms = [self._norms.get(place) for place in runs]
            out = fast_mixture.mixed(x, gate.weights[runs], [modules[place] for place in runs], norms, gate.drop)
        else:
            out = self._one_by_one(x, gate, runs)
        if gate.rest:
            others = [place for place in range(len(modules)) if place not in runs]
            out = out + gate.weights[others].sum()
        if gate.skip > 0 and runs and out.shape[1] == x.shape[1]:  # where channels change, nothing can be skipped
            out = out + gate.skip * _resized(x, out)
        return out if gate.edge is None else gate.edge * out

    def _is_fast(self, x: Tensor) -> bool:
        return self.training and fast_mixture.serves(x)

    def _one_by_one(self, x: Tensor, gate: Gate, runs: list[int]) -> Tensor:
        modules, out = list(self.values()), x.new_zeros(())
        for place in runs:
            said = modules[place](x)
            if gate.drop > 0 and isinstance(modules[place], nn.Identity):
                said = nn.functional.dropout(said, gate.drop, self.training)
            if (norm := self._norms.get(place)) is not None:
                said = norm(said)
            out = said * gate.weights[place] + out
        return out


def _shuffled(x: Tensor, groups: int) -> Tensor:
    """Channels of all groups in turn, so that the next cell's first part is of all (Zhang et al., 2018: ShuffleNet)."""
    if x.shape[1] % groups:
        return x
    if x.is_contiguous(memory_format=torch.channels_last):  # and stays so
        pixels = x.permute(0, 2, 3, 1)
        grouped = pixels.reshape(*pixels.shape[:3], groups, -1).transpose(3, 4)
        return grouped.reshape(pixels.shape).permute(0, 3, 1, 2)
    count, channels, height, width = x.shape
    return x.reshape(count, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    """`x`, or where the size was halved, its means."""
    return x if x.shape[-2:] == like.shape[-2:] else nn.functional.avg_pool2d(x, 2, 2, ceil_mode=True)


@final
class Mixture(Undecided):
    """All options of every choice of a module, mixed; refuses choices of numbers by name.

    Args:
        space: its numbers are fixed.
        relaxation: how options are weighed; its `channels` are looked at.
        kept: of each choice the options that are left (a choice that is not here: all).
        deeper: cells more than the space has, where it says how many it repeats.
    """

    def __init__(
        self,
        space: Space,
        relaxation: Relaxation | None = None,
        kept: Mapping[str, tuple[Option, ...]] | None = None,
        deeper: int = 0,
    ) -> None:
        super().__init__(space)
        self.deeper = deeper
        self.relaxation, self.kept = relaxation or Relaxation(), dict(kept or {})
        self.options: dict[str, tuple[Option, ...]] = {}  # of the choices that are mixed
        self.gates: dict[str, Gate] = {}

    def module(self, name: str, make: Make) -> nn.Module:
        values = self.kept.get(name, self._values(name))
        if len(values) == 1:
            return Options(name, {module_name(values[0]): make(values[0])})
        parts, made = self.relaxation.channels, make
        if parts > 1:
            if not isinstance(make, OfChannels):
                raise SpaceError(
                    f"{name!r} does not say how many channels its modules have (azora.networks.decide.OfChannels), so"
                    " a part of them cannot be taken"
                )
            parts = min(parts, make.channels)
            made = make.of(make.channels // parts)
        self.options[name] = values
        mixed = Mixed(name, {module_name(value): made(value) for value in values}, self.gates, parts)
        if isinstance(made, OfChannels):
            mixed.normalise(made.channels)
        return mixed

    def repeats(self, count: int) -> int:
        return count + self.deeper

    def number(self, name: str) -> Any:
        """The number, where only one is left.

        Raises:
            SpaceError: several are left: numbers cannot be weighed.
        """
        numbers = set(self._numbers(name))
        if len(numbers) > 1:
            raise SpaceError(f"{name!r} is a number, which cannot be mixed; constrain it to one value first")
        return numbers.pop()


@final
class Relaxed(nn.Module):
    """The mixture of a space as a network, with its logits. (B, …) → (B, outputs).

    Before a pass, `draw` (or `settle`, `decide`) says what the choices do. Subsets that say which inputs a node has are
    weighed too, where the relaxation has `edges`: by the softmax of logits of their own.

    Args:
        space: its choices of numbers have one value each.
        relaxation: how options are weighed.
        seed: of weights and logits.
        kept: of each choice the options that are left; all, where it is not here.
        deeper: cells more than the space has.

    Raises:
        SpaceError: a number is open, or no choice of a module is (with the name).
    """

    def __init__(
        self,
        space: Space,
        relaxation: Relaxation | None = None,
        *,
        seed: int = 0,
        kept: Mapping[str, tuple[Option, ...]] | None = None,
        deeper: int = 0,
    ) -> None:
        super().__init__()
        self.space, self.relaxation = space, relaxation or Relaxation()
        mixture = Mixture(space, self.relaxation, kept, deeper)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network: nn.Module = space.build(mixture)
        if not mixture.options:
            raise SpaceError(
                f"the space {space.name!r} has no choice of a module that is open: there is nothing to mix"
            )
        self.kept, self.options, self._gates = mixture.kept, mixture.options, mixture.gates
        self.inputs = inputs_of(space, self.options)
        sizes = {name: len(values) for name, values in self.options.items()}
        if self.relaxation.edges:
            sizes |= {name: len(of) for name, of in self.inputs.items() if len(of) > 1}
        self.logits = Logits(sizes, self.relaxation.spread, seed)
        self.left_out: dict[str, frozenset[int]] = {}  # of choices, options that no pass runs
        self.norms = nn.ModuleList(
            norm for module in self.network.modules() if isinstance(module, Mixed) for norm in module.norms()
        )
        self.settle()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x)
        return out

    def draw(self, moment: Moment) -> None:
        """Say what the next passes do, by the logits as they are now; gradients reach these."""
        edges = self._edges()
        self._set(
            {
                name: replace(self.relaxation.gate(self.logits[name], moment), edge=edges.get(name))
                for name in self.options
            }
        )

    @torch.no_grad()
    def settle(self, skip: float = 0.0) -> None:
        """The next passes weigh all options by their means, without a draw."""
        edges = self._edges()
        self._set(
            {
                name: Gate(
                    self.relaxation.means(self.logits[name]), tuple(range(len(values))), False, edges.get(name), skip
                )
                for name, values in self.options.items()
            }
        )

    def decide(self, architecture: Architecture) -> None:
        """The next passes run this architecture's options alone, each with a weight of 1.

        Raises:
            SpaceError: it has an option that is no longer here.
        """
        gates = dict[str, Gate]()
        for name, values in self.options.items():
            if name not in architecture:
                gates[name] = Gate(torch.zeros(len(values)), ())
                continue
            if architecture[name] not in values:
                left = ", ".join(map(str, values))
                raise SpaceError(f"{name}={architecture[name]!r} is no longer in the mixture, which has {left}")
            place = values.index(architecture[name])
            weights = torch.zeros(len(values))
            weights[place] = 1.0
            gates[name] = Gate(weights, (place,))
        self._set(gates)

    @torch.no_grad()
    def take(self, other: Relaxed) -> None:
        """Take along what another mixture of the space has learned, as far as it fits: tensors of one shape under one
        name, and the logits of options that are here too."""
        theirs = other.state_dict()
        fitting = {name: theirs[name] for name, value in self.state_dict().items() if _fits(theirs.get(name), value)}
        self.load_state_dict({**self.state_dict(), **fitting})
        for name, values in self.options.items():
            if name in other.options:
                places = [other.options[name].index(value) for value in values if value in other.options[name]]
                if len(places) == len(values):
                    self.logits[name].copy_(other.logits[name][places])
        for name in self.logits:
            if name not in self.options and name in other.logits:
                self.logits[name].copy_(other.logits[name])

    def gates(self) -> Mapping[str, Gate]:
        """What the choices do now."""
        return self._gates

    @torch.no_grad()
    def strengths(self) -> dict[str, Tensor]:
        """What the options of every choice weigh, without any draw; of a subset whose inputs are weighed, those."""
        found = {name: self.relaxation.means(self.logits[name]) for name in self.options}
        return found | {name: torch.softmax(self.logits[name], 0) for name in self.logits if name not in self.options}

    def _edges(self) -> dict[str, Tensor]:
        """By choice, what its mixed module is multiplied by."""
        found: dict[str, Tensor] = {}
        for name, of in self.inputs.items():
            if name in self.logits:
                found |= dict(zip(of, torch.softmax(self.logits[name], 0), strict=True))
        return found

    def _set(self, gates: Mapping[str, Gate]) -> None:
        device = next(self.network.parameters()).device
        for name, gate in gates.items():
            edge = None if gate.edge is None else gate.edge.to(device)
            if out := self.left_out.get(name):
                kept = torch.tensor([float(place not in out) for place in range(len(gate.weights))])
                runs = tuple(place for place in gate.runs if place not in out)
                gate = replace(gate, weights=gate.weights * kept, runs=runs, skip=gate.skip if runs else 0.0)
            self._gates[name] = replace(gate, weights=gate.weights.to(device), edge=edge)


def _fits(one: Tensor | None, other: Tensor) -> bool:
    return one is not None and one.shape == other.shape


def inputs_of(space: Space, names: Iterable[str]) -> dict[str, list[str]]:
    """Of every subset choice, the choices (of those named) that exist only with one of its items, in the items' order:
    the edges into a node, for whatever is wired so."""
    found: dict[str, dict[Option, str]] = {}
    for name in names:
        for when in space.choices[name].when:
            if isinstance(space.choices[when.choice], Subset) and len(when.among) == 1:
                found.setdefault(when.choice, {})[when.among[0]] = name
    ordered = {}
    for subset, of in found.items():
        choice = space.choices[subset]
        assert isinstance(choice, Subset)
        if set(of) == set(choice.items):
            ordered[subset] = [of[item] for item in choice.items]
    return ordered


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
