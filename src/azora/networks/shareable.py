"""Whether the networks of a space can live in one whole: what is refused when shared weights are made."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from azora.errors import SpaceError
from azora.networks.borrowed import Structure
from azora.networks.complexity import Shape
from azora.networks.flattened import flattened
from azora.networks.kernels import Size
from azora.networks.slicing import plain_tensors


def refusal(space: str, name: str, module: nn.Module, reason: str) -> SpaceError:
    """The error that names a tensor which cannot be shared."""
    return SpaceError(f"{space} cannot share weights: {name} of {type(module).__name__} cannot be sliced: {reason}")


def check_tensors(space: str, structure: Structure) -> None:
    """Raises SpaceError for tensors that would stay on the meta device, and buffers whose values depend on the
    architecture."""
    for path, module in structure.network.named_modules():
        for name in plain_tensors(module):
            raise refusal(space, f"{path}.{name}".strip("."), module, "it is a plain attribute; register it")
    fixed = [slot for slot in structure.buffers if not slot.norm]
    if not fixed:
        return
    with torch.random.fork_rng(devices=[]):
        values = dict(structure.build().named_buffers())
    for slot in fixed:
        if not torch.equal(values[slot.name], slot.part):
            raise refusal(space, slot.name, slot.owner, "its values are the architecture's; compute them in forward")


def check_flattened(space: str, structures: Sequence[Structure], shape: Shape) -> None:
    """Raises SpaceError where a linear layer of elastic width reads flattened maps of several sizes: its first columns
    are the first channels only while the size stays. Networks are run on the meta device with one input of `shape`."""
    linear = [
        {path: module for path, module in each.network.named_modules() if isinstance(module, nn.Linear)}
        for each in structures
    ]
    widths: dict[str, set[int]] = {}
    for layers in linear:
        for path, module in layers.items():
            widths.setdefault(path, set()).add(module.in_features)
    elastic = {path for path, found in widths.items() if len(found) > 1}
    places: dict[str, set[Shape]] = {}
    for structure, layers in zip(structures, linear, strict=True) if elastic else ():
        found = flattened(structure.network, shape)
        for path in elastic & layers.keys():
            places.setdefault(path, set()).add(found.get(path, ()))
            if len(places[path]) > 1:
                sizes = " and ".join("×".join(map(str, each or (1, 1))) for each in sorted(places[path]))
                reason = f"it reads flattened maps of {sizes}; pool them to one size"
                raise refusal(space, f"{path}.weight", layers[path], reason)


def kernel_sizes(structures: Sequence[Structure]) -> dict[str, list[Size]]:
    """The kernels of each convolution that has several, by its path."""
    sizes: dict[str, list[Size]] = {}
    for structure in structures:
        for slot in structure.parameters:
            if isinstance(slot.owner, nn.Conv1d | nn.Conv2d | nn.Conv3d) and slot.tensor == "weight":
                found = sizes.setdefault(slot.name.removesuffix(".weight"), [tuple(slot.whole.shape[2:])])
                found.append(tuple(end - begin for begin, end in slot.box[2:]))
    return {path: found for path, found in sizes.items() if len(set(found)) > 1}
