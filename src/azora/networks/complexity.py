"""What a network costs, counted without running it: nothing is computed, no weights are made."""

from __future__ import annotations

from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.decide import As
from azora.networks.shapes_only import ShapesOnly
from azora.space import Architecture, Space
from azora.tasks import Signature

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


def memory(network: nn.Module, shape: Shape) -> int:
    """An estimate of peak activation bytes for one float32 input: the most that any layer reads and writes."""
    return measure(network, shape)["memory"]


def measure(network: nn.Module, shape: Shape) -> dict[str, int]:
    """`macs`, `memory` (bytes), `values` that all layers write for one input of `shape`, and number of `layers`."""
    found, hooks = {"macs": 0, "memory": 0, "values": 0, "layers": 0}, []

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        read, written = _values(inputs), _values(output)
        found["macs"] += _layer_macs(module, inputs, output)
        found["memory"] = max(found["memory"], 4 * (read + written))
        found["values"] += written
        found["layers"] += 1

    for module in network.modules():
        if not any(True for _ in module.children()):
            hooks.append(module.register_forward_hook(count))
    try:
        run_shapes(network, shape)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def run_shapes(network: nn.Module, shape: Shape) -> None:
    """One forward pass in eval mode for what hooks see of shapes: the values are not those of the network."""
    kept = [module for module in network.modules() if isinstance(module, SHAPE_KEEPERS)]
    for keeper in kept:
        keeper.forward = _itself  # type: ignore[assignment, method-assign]
    training, device = network.training, next(network.parameters(), torch.empty(0)).device
    network.eval()
    try:
        with torch.no_grad():
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


def _layer_macs(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> int:
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        # It scatters: each value read is weighed for every place of the kernel and every channel of its group.
        return int(inputs[0][0].numel()) * (module.out_channels // module.groups) * prod(module.kernel_size)
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return int(output[0].numel()) * (module.in_channels // module.groups) * prod(module.kernel_size)
    if isinstance(module, nn.Linear):
        return int(output[0].numel()) * module.in_features
    return 0


_KNOWN: WeakKeyDictionary[Space, dict[tuple[Any, Signature], dict[str, int]]] = WeakKeyDictionary()


def cost(space: Space, architecture: Architecture) -> dict[str, int]:
    """What an architecture costs; the space, or a part of the product, has a `signature`.

    `params`, `macs`, `memory` (bytes) as above; `values` that all layers write for one input, and number of `layers`.
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
        known[decisions, signature] = {"params": parameters(network)} | measure(network, signature.shape)
    return dict(known[decisions, signature])


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
