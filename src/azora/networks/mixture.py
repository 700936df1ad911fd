"""A network in which the options of every choice are mixed, by logits that learn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.decide import Make, OfChannels, Options, Undecided, module_name
from azora.networks.masked import Masked
from azora.networks.mixed import Mixed
from azora.networks.relaxation import Gate, Moment, Relaxation
from azora.space import Architecture, Option, Space, Subset

FEWEST_CHANNELS = 4  # of a part: PC-DARTS' smallest have so many, and on fewer all options look alike


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
        # On the processor where all else has shapes alone, too: torch would import its compiler to compute with them.
        self.values = nn.Parameter(spread * torch.randn(ends[-1], generator=generator, device="cpu"))

    def __getitem__(self, name: str) -> Tensor:
        return self.values[self.spans[name]]

    def __contains__(self, name: str) -> bool:
        return name in self.spans

    def __iter__(self) -> Iterator[str]:
        return iter(self.spans)


@final
class Mixture(Undecided):
    """All options of every choice of a module, mixed; refuses choices of numbers by name.

    Args:
        space: its numbers are fixed, but for those that are masked.
        relaxation: how options are weighed; its `channels` are looked at.
        kept: of each choice the options that are left (a choice that is not here: all).
        deeper: cells more than the space has, where it says how many it repeats.
        masked: numbers that are mixed too, some of what `azora.networks.masked.maskable` gives.
    """

    def __init__(
        self,
        space: Space,
        relaxation: Relaxation | None = None,
        kept: Mapping[str, tuple[Option, ...]] | None = None,
        deeper: int = 0,
        masked: Collection[str] = (),
    ) -> None:
        super().__init__(space)
        self.deeper, self.masked = deeper, masked
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
            parts = max(1, min(parts, make.channels // FEWEST_CHANNELS))
            made = make.of(make.channels // parts)
        self.options[name] = values
        mixed = Mixed(name, {module_name(value): made(value) for value in values}, self.gates, parts)
        if isinstance(made, OfChannels):
            mixed.normalise(made.channels)
        return mixed

    def repeats(self, count: int) -> int:
        return count + self.deeper

    def number(self, name: str) -> Any:
        """The number, where only one is left; the largest of one that is masked.

        Raises:
            SpaceError: several are left: other numbers cannot be weighed.
        """
        if name in self.masked:
            left = self.kept.get(name, tuple(self._choice(name).options()))
            if len(left) > 1:
                self.options[name] = left
            return max(left)
        numbers = set(self._numbers(name))
        if len(numbers) > 1:
            raise SpaceError(f"{name!r} is a number, which cannot be mixed; constrain it to one value first")
        return numbers.pop()

    def narrowed(self, name: str, module: nn.Module) -> nn.Module:
        return Masked(name, self.options[name], self.gates, module) if name in self.options else module


@final
class Relaxed(nn.Module):
    """The mixture of a space as a network, with its logits. (B, …) → (B, outputs).

    Before a pass, `draw` (or `settle`, `decide`) says what the choices do. Subsets that say which inputs a node has are
    weighed too, where the relaxation has `edges`: by the softmax of logits of their own. A choice in `taken` is no
    longer weighed or drawn: its option runs with a weight of 1. What is in `left_out` is not run, and what is left
    weighs what it did.

    Args:
        space: its choices of numbers have one value each, but for those that are masked.
        relaxation: how options are weighed.
        seed: of weights and logits.
        kept: of each choice the options that are left; all, where it is not here.
        deeper: cells more than the space has.
        masked: numbers that are mixed too (see `azora.networks.masked`).

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
        masked: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.space, self.relaxation = space, relaxation or Relaxation()
        mixture = Mixture(space, self.relaxation, kept, deeper, masked)
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
        self.taken: dict[str, int] = {}  # of choices that are decided, the option that every pass runs, by itself
        self.left_out: dict[str, frozenset[int]] = {}  # of choices, options that no pass runs
        self.norms = nn.ModuleList(
            norm for module in self.network.modules() if isinstance(module, Mixed) for norm in module.norms()
        )
        self.settle()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x)
        return out

    def draw(self, moment: Moment, held: Mapping[str, Gate] | None = None) -> None:
        """Say what the next passes do, by the logits as they are now; gradients reach these.

        Args:
            held: what an earlier draw of the same moment gave, whose paths run again (see `Relaxation.gate`).
        """
        edges, again = self._edges(), held or {}
        self._set(
            {
                name: replace(self.relaxation.gate(self.logits[name], moment, again.get(name)), edge=edges.get(name))
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
            gates[name] = Gate(weights, (place,), whole=True)
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

    def expected(self) -> dict[str, Tensor]:
        """What the options of every choice weigh in a sum over them, by the last draw, with its gradient."""
        return {name: self.relaxation.expected(self.logits[name], self._gates[name]) for name in self.options}

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
            if (place := self.taken.get(name)) is not None:
                one = torch.zeros_like(gate.weights)
                one[place] = 1.0
                gate = replace(gate, weights=one, runs=(place,), whole=True)
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
