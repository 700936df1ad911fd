"""What a network costs, counted without running it: nothing is computed, no weights are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.decide import As
from azora.networks.lifetimes import Lifetimes
from azora.networks.shapes_only import ShapesKnown, ShapesOnly
from azora.space import Architecture, Space
from azora.tasks import Signature

BYTES = 4  # of a number
CHANNELS, ACROSS, FILTERS = 8, 4, 32  # that vectors of processors have at once, and the quickest loops over them
BLOCKS = (8, 16)  # channels that lie side by side where vectors are of 256 bits, and of 512
HEAVY = 2**18  # weights of a layer: a mebibyte, beyond which hardly a core's own cache goes
Shape = tuple[int, ...]
SHAPE_KEEPERS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.LayerNorm,
    nn.ReLU,
    nn.GELU,
    nn.SiLU,
    nn.Tanh,
    nn.Hardsigmoid,
    nn.Dropout,
)
"""What gives out what it takes in, as far as shapes go: it need not be run, and on the meta device it is slow."""


def parameters(network: nn.Module) -> int:
    """The number of trainable parameters, shared ones once."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def macs(network: nn.Module, shape: Shape) -> int:
    """Multiply-accumulates of convolutions and linear layers for one input of `shape`; additions, normalisations and
    poolings are not counted, as is usual. `network` may be on the meta device."""
    return measure(network, shape)["macs"]


def memory(network: nn.Module, shape: Shape, *, held: bool = False) -> int:
    """The most bytes of activations that are held at once for one input of `shape`, in float32 (see `Lifetimes`): the
    input, and what every layer and every sum between layers gives, each until its last use. What a runtime lays out
    beside that, such as unfolded pictures, is not counted.

    Args:
        held: whether the input is needed afterwards as well.
    """
    lifetimes = Lifetimes()
    run_shapes(network, shape, lifetimes)
    return BYTES * lifetimes.peak(held=held)


@final
@dataclass(frozen=True, slots=True)
class Layer:
    """One module that is run: what it is, and for one input its multiply-accumulates, the values that it reads and
    writes, and its parameters; and what is `odd` about a convolution (see `_odd`)."""

    kind: str
    macs: int
    read: int
    written: int
    weights: int
    odd: Mapping[str, int] = field(default_factory=dict)


def measure(network: nn.Module, shape: Shape) -> dict[str, int]:
    """`macs`, `memory` (bytes, as the function of that name counts), `values` that all layers write for one input of
    `shape`, and number of `layers`."""
    lifetimes = Lifetimes()
    found = layers(network, shape, lifetimes)
    return {
        "macs": sum(layer.macs for layer in found),
        "memory": BYTES * lifetimes.peak(),
        "values": sum(layer.written for layer in found),
        "layers": len(found),
    }


def layers(network: nn.Module, shape: Shape, lifetimes: Lifetimes | None = None) -> list[Layer]:
    """The modules without parts of a network in the order in which one input of `shape` meets them.

    Args:
        lifetimes: is told of what they give, and of what is made between them.
    """
    found, hooks = list[Layer](), []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        weights = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        counted = _layer_macs(module, inputs, output)
        layer = Layer(_kind(module), counted, _values(inputs), _values(output), weights)
        found.append(replace(layer, odd=_odd(layer, module, output.shape)) if isinstance(module, nn.Conv2d) else layer)

    for module in network.modules():
        if not any(True for _ in module.children()):
            hooks.append(module.register_forward_hook(note))
    try:
        run_shapes(network, shape, lifetimes)
    finally:
        for hook in hooks:
            hook.remove()
    return found


FREE = ("identity", "flatten", "dropout", "sequential")
"""Kinds of layers of which nothing is left in a runtime; a sequence without parts is one."""


def by_kind(network: nn.Module, shape: Shape) -> dict[str, int]:
    """Totals over the layers of each kind that takes time, and of `all`: `conv3.count`, `conv3.macs`, `conv3.traffic`
    (values read and written), `conv3.weights`; what is odd about all convolutions (see `_odd`); and `heavy.weights`,
    those of all layers beyond `HEAVY` of each."""
    totals: Counter[str] = Counter()
    for layer in layers(network, shape):
        if layer.kind in FREE:
            continue
        for kind in (layer.kind, "all"):
            totals[f"{kind}.count"] += 1
            totals[f"{kind}.macs"] += layer.macs
            totals[f"{kind}.traffic"] += layer.read + layer.written
            totals[f"{kind}.weights"] += layer.weights
        for name, more in {**layer.odd, "heavy.weights": max(0, layer.weights - HEAVY)}.items():
            if more:
                totals[name] += more
    return dict(totals)


def _kind(module: nn.Module) -> str:
    """`conv3`, `depthwise5`, `grouped3` for convolutions, by their longest side, `dilated-conv3` for those whose taps
    lie apart, which runtimes run in another way; otherwise the class."""
    if not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return type(module).__name__.lower()
    alone = module.groups == module.in_channels > 1
    form = "depthwise" if alone else "grouped" if module.groups > 1 else "conv"
    return f"{'dilated-' if max(module.dilation) > 1 else ''}{form}{max(module.kernel_size)}"


def run_shapes(network: nn.Module, shape: Shape, lifetimes: Lifetimes | None = None) -> None:
    """One forward pass in eval mode for what hooks see of shapes: the values are not those of the network.

    Args:
        lifetimes: is told of it.
    """
    kept = [module for module in network.modules() if isinstance(module, SHAPE_KEEPERS)]
    for keeper in kept:
        # What a rectifier gives need not be what it takes: that may be used again.
        alone = lifetimes is None or isinstance(keeper, nn.Dropout)
        keeper.forward = _itself if alone else torch.relu  # type: ignore[assignment]
    training, device = network.training, next(network.parameters(), torch.empty(0)).device
    network.eval()
    try:
        with torch.no_grad(), ShapesKnown(lifetimes):
            network(torch.empty(1, *shape, device=device))
    finally:
        for keeper in kept:
            del keeper.forward
        network.train(training)


def _itself(x: Tensor) -> Tensor:
    return x


def _values(given: Any) -> int:
    """The numbers in a tensor, or in all tensors of a nest: a recurrent layer gives out several."""
    if isinstance(given, Tensor):
        return given.numel()
    return sum(map(_values, given)) if isinstance(given, tuple | list) else 0


def _odd(layer: Layer, module: nn.Conv2d, shape: Shape) -> dict[str, int]:
    """How many more multiply-accumulates a convolution with an output of this shape (B, C, H, W) had, were its channels
    a multiple of `CHANNELS` (`odd-channels.macs`) or of twice as many (`odd-blocks.macs`), or its rows of `ACROSS`:
    processors compute so many at once, and others in slower ways; and were its channels, if it is not grouped, a
    multiple of `FILTERS`: what is read is read once for so many of them.

    Runtimes keep channels side by side in `BLOCKS`, of the one size or the other. What no block holds is laid out anew
    or computed in another way: the values that are read, where these are no multiple (`loose8.traffic`), and of a
    grouped convolution those read and written (`loose-groups8.traffic`).
    """
    channels, across, counted = shape[1], shape[3], layer.macs
    found = {
        "odd-channels.macs": counted * (-channels % CHANNELS) // channels,
        "odd-blocks.macs": counted * (-channels % (2 * CHANNELS)) // channels,
        "odd-rows.macs": counted * (-across % ACROSS) // across,
    }
    if module.groups == 1:
        loose = {f"loose{block}.traffic": layer.read for block in BLOCKS if module.in_channels % block}
        return found | {"odd-filters.macs": counted * (-channels % FILTERS) // channels} | loose
    moved = layer.read + layer.written
    return found | {f"loose-groups{block}.traffic": moved for block in BLOCKS if channels % block}


def _layer_macs(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> int:
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        # It scatters: each value read is weighed for every place of the kernel and every channel of its group.
        return int(prod(inputs[0].shape[1:])) * (module.out_channels // module.groups) * prod(module.kernel_size)
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return int(prod(output.shape[1:])) * (module.in_channels // module.groups) * prod(module.kernel_size)
    if isinstance(module, nn.Linear):
        return int(prod(output.shape[1:])) * module.in_features
    return 0


_KNOWN: WeakKeyDictionary[Space, dict[tuple[Any, Signature], dict[str, int]]] = WeakKeyDictionary()


def cost(space: Space, architecture: Architecture) -> dict[str, int]:
    """What an architecture costs; the space, or a part of the product, has a `signature`.

    `params`, `macs`, `memory` (bytes of the weights and of peak activations, in float32), `values` that all layers
    write for one input, and number of `layers`.
    """
    if (told := space.root.cost(architecture)) is not None:
        return dict(told)
    signature = signature_of(space)
    known = _KNOWN.setdefault(space.root, {})
    # By decisions and not by key: cells that share a node and cells that copy it have one key, and different costs.
    decisions = tuple(architecture.items())
    if (decisions, signature) not in known:
        with ShapesOnly():
            network = space.root.build(As(architecture))
        known[decisions, signature] = with_weights({"params": parameters(network)} | measure(network, signature.shape))
    return dict(known[decisions, signature])


def with_weights(counted: Mapping[str, int]) -> dict[str, int]:
    """What is counted of layers, with `memory` of weights as well as of activations."""
    return {**counted, "memory": counted["memory"] + BYTES * counted["params"]}


def signature_of(space: Space) -> Signature:
    """The shape that the networks of a space are made for.

    Raises:
        SpaceError: the space has no attribute `signature`.
    """
    parts = getattr(space.root, "parts", {"": space.root})
    found: list[Signature] = [
        part.root.signature for part in parts.values() if isinstance(getattr(part.root, "signature", None), Signature)
    ]
    if not found:
        raise SpaceError(f"the space {space.name!r} does not say what its networks take; give it a `signature`")
    return found[0]
