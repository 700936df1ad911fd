"""A network that runs on parts of shared weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, final

import torch
from torch import Tensor, nn

from azora.networks.kernels import Size, transform
from azora.networks.slicing import Box
from azora.space import Architecture, Space

BatchNorm = nn.modules.batchnorm._BatchNorm


@final
@dataclass(frozen=True)
class Slot:
    """A tensor of a small network, and where in the whole it lies."""

    name: str
    owner: nn.Module
    tensor: str
    box: Box
    index: tuple[slice, ...] | None  # None: all of it
    steps: tuple[tuple[str, Size], ...] = ()  # of a learned kernel transform
    norm: bool = False

    @property
    def whole(self) -> Tensor:
        """The whole network's tensor."""
        found: Tensor = getattr(self.owner, self.tensor)
        return found

    @property
    def part(self) -> Tensor:
        """A view of what is borrowed, without history."""
        whole = self.whole.detach()
        return whole if self.index is None else whole[self.index]


@final
@dataclass(frozen=True)
class Structure:
    """An architecture's own network on the meta device, and what it borrows."""

    network: nn.Module
    build: Callable[[], nn.Module]  # the same with weights of its own
    parameters: tuple[Slot, ...]
    buffers: tuple[Slot, ...]
    views: dict[str, Tensor]  # of what is borrowed, in the whole's own memory, without history

    @cached_property
    def places(self) -> tuple[tuple[dict[str, Any], str, str, Tensor], ...]:
        """Where the network's modules keep their tensors: a table of a module's, the key there, the tensor's name among
        the network's (tied ones have one), and the tensor on the meta device."""
        found, names = list[tuple[dict[str, Any], str, str, Tensor]](), dict[int, str]()
        for path, module in self.network.named_modules():
            for table in (module._parameters, module._buffers):
                for key, tensor in table.items():
                    if tensor is not None:
                        name = names.setdefault(id(tensor), f"{path}.{key}" if path else key)
                        found.append((table, key, name, tensor))
        return tuple(found)

    @cached_property
    def parts(self) -> tuple[tuple[str, Tensor, Tensor, Box], ...]:
        """Of each parameter its name, the whole's, a view of the part that is borrowed, and where that lies."""
        return tuple((slot.name, slot.whole, self.views[slot.name], slot.box) for slot in self.parameters)


@final
class Borrowed(nn.Module):
    """An architecture's network that runs on parts of shared weights; it owns nothing. (B, …) → (B, outputs).

    Gradients of a backward pass are added into the whole parameters' `grad`. What it holds are views where they are
    contiguous and copies elsewhere, so once the shared weights have changed it must be borrowed anew, and says so.
    Batch normalisations update the shared statistics while it trains.
    """

    def __init__(
        self,
        structure: Structure,
        tensors: dict[str, Tensor],
        transforms: Mapping[str, list[tuple[Tensor, Size]]],
        current: Callable[[], bool],
        collect: Callable[[], None] | None,
    ) -> None:
        super().__init__()
        self.structure, self.tensors = structure, tensors
        self._transforms, self._current, self._collect = transforms, current, collect

    def forward(self, x: Tensor) -> Tensor:
        network = self.structure.network
        if not self._current():
            raise RuntimeError("the shared weights have changed since this network was borrowed: borrow it again")
        network.train(self.training)  # always: another network may have some of its modules, and another mode
        out = self._run(network, x)
        if self._collect is not None and out.requires_grad:
            out.register_hook(self._at_the_end)  # type: ignore[no-untyped-call]
        return out

    def extract(self) -> nn.Module:
        """A stand-alone network with copies of all that this one runs on, in the same mode."""
        with torch.random.fork_rng(devices=[]):
            network = self.structure.build()
        given = self._given()
        with torch.no_grad():
            for name, tensor in (*network.named_parameters(), *network.named_buffers()):
                tensor.copy_(given[name])
        device = next(iter(given.values()), torch.empty(0)).device
        return network.to(device).train(self.training)

    def measure_statistics(self, batches: Iterable[Tensor]) -> None:
        """Measure the batch normalisations' statistics anew, into tensors of this network's own; then to eval mode.

        Mean and variance are the plain means over `batches` (Cai et al., 2020; Guo et al., 2020); scale and shift stay,
        and dropout is off.

        Raises:
            ValueError: there are normalisations and no batch.
        """
        self.eval()
        if self._norms() and not self._measured(batches):
            raise ValueError("statistics are measured on batches, and there was none")

    def by_batch_statistics(self, batches: Iterable[Tensor]) -> list[Tensor]:
        """What the network in eval mode says of each batch, its normalisations by that batch's own statistics.

        The plain means of these become the network's own statistics, as `measure_statistics` has it.
        """
        self.eval()
        return self._measured(batches)

    def _norms(self) -> list[BatchNorm]:
        modules = self.structure.network.modules()
        return [module for module in modules if isinstance(module, BatchNorm) and module.track_running_stats]

    def _measured(self, batches: Iterable[Tensor]) -> list[Tensor]:
        """The outputs for the batches, whose statistics go into tensors of this network's own."""
        network, norms = self.structure.network, self._norms()
        own = {slot.name: torch.zeros_like(slot.part) for slot in self.structure.buffers if slot.norm}
        self.tensors = {**self.tensors, **own}
        network.eval()
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.train()
            norm.momentum = None  # the plain mean
        try:
            with torch.no_grad():
                return [self._run(network, batch) for batch in batches]
        finally:
            network.eval()
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum

    def _at_the_end(self, gradient: Tensor) -> None:
        """Have gradients collected when the backward pass that came by here is done: all at once is much cheaper than
        a hook on every tensor."""
        if self._collect is not None:
            torch.autograd.Variable._execution_engine.queue_callback(self._collect)

    def _run(self, network: nn.Module, x: Tensor) -> Tensor:
        # As torch's functional_call, which finds its way to every tensor anew in every pass.
        given, places = self._given(), self.structure.places
        for table, key, name, _ in places:
            table[key] = given[name]
        try:
            out: Tensor = network(x)
        finally:
            for table, key, name, meta in places:
                given[name], table[key] = table[key], meta  # a buffer may be another now
        return out

    def _given(self) -> dict[str, Tensor]:
        """What the network runs on: kernels as their transforms make them."""
        if not self._transforms:
            return self.tensors
        made = {name: transform(self.tensors[name], steps) for name, steps in self._transforms.items()}
        return {**self.tensors, **made}


class Lender(Protocol):
    """What gives any architecture of a space weights to run on, without training it (see `SharedWeights`)."""

    @property
    def space(self) -> Space:
        """The space whose architectures it knows."""
        ...

    def borrow(self, architecture: Architecture, *, learns: bool = True) -> Borrowed:
        """The architecture's network, in training mode; in eval mode where it does not learn."""
        ...

    def recalibrate(self, architecture: Architecture, batches: Iterable[Tensor]) -> Borrowed:
        """The architecture's network in eval mode, its batch-norm statistics measured on `batches`."""
        ...

    def extract(self, architecture: Architecture) -> nn.Module:
        """A stand-alone network with its own copies, in eval mode."""
        ...


@final
class Recent:
    """The last structures asked for, made where they are not known."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._known: OrderedDict[Hashable, Structure] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Structure]) -> Structure:
        if key not in self._known:
            self._known[key] = make()
            if len(self._known) > self.count:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def forget(self) -> None:
        """Know nothing any more."""
        self._known.clear()
