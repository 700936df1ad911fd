"""Which part of a large module's tensor a smaller one of the same place uses: a rule for each kind of module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Box = tuple[tuple[int, int], ...]  # where a part begins and ends, in each dimension
Shape = tuple[int, ...]
Rule = Callable[[Any, Any, str], Box]
"""(large module, small module, name of a tensor of theirs) → the part of the large tensor; raises Unsliceable."""

RULES: dict[type[nn.Module], Rule] = {}
"""By kind of module; a kind that is not here has the rule of what it derives from. What has none is taken whole."""


PLACE = "a module's path must not depend on decisions: put what comes after an elastic depth beside it, not behind it"


class Unsliceable(Exception):
    """Why one module's tensor is no part of another's."""


def slices(*kinds: type[nn.Module]) -> Callable[[Rule], Rule]:
    """Enter a rule for modules of these kinds: a module of one's own says so how it is sliced."""

    def enter(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return enter


def box_of(large: nn.Module, small: nn.Module, name: str) -> Box:
    """The part of `large`'s tensor `name` that `small` borrows; shapes are looked at, and never values.

    Raises:
        Unsliceable: no rule says what the small tensor means in the large one.
    """
    if type(large) is not type(small):
        raise Unsliceable(f"the whole network has a {type(large).__name__} there; {PLACE}")
    rule = next((RULES[kind] for kind in type(small).__mro__ if kind in RULES), None)
    if rule is not None:
        return rule(large, small, name)
    if _shape(large, name) != _shape(small, name):
        raise Unsliceable("no rule says which part of it is meant; give it one (azora.networks.slicing.slices)")
    return whole(_shape(small, name))


def index(box: Box) -> tuple[slice, ...]:
    """What picks the box out of a tensor."""
    return tuple(slice(begin, end) for begin, end in box)


def whole(shape: Shape) -> Box:
    """The box of all of a tensor."""
    return tuple((0, size) for size in shape)


def holds(outer: Box, inner: Box) -> bool:
    """Whether `inner` lies in `outer`."""
    return all(a <= c and d <= b for (a, b), (c, d) in zip(outer, inner, strict=True))


@slices(nn.Linear, nn.Bilinear, nn.Embedding, nn.PReLU, nn.modules.batchnorm._NormBase)
def first(large: nn.Module, small: nn.Module, name: str) -> Box:
    """The first features, in every dimension."""
    return _first(_shape(large, name), _shape(small, name))


@slices(nn.LayerNorm, nn.RMSNorm)
def _norm_of_row(large: nn.LayerNorm | nn.RMSNorm, small: nn.LayerNorm | nn.RMSNorm, name: str) -> Box:
    if len(small.normalized_shape) > 1 and large.normalized_shape != small.normalized_shape:
        raise Unsliceable("it normalises maps of another size; normalise channels alone")
    return first(large, small, name)


@slices(nn.GroupNorm)
def _norm_of_groups(large: nn.GroupNorm, small: nn.GroupNorm, name: str) -> Box:
    each = large.num_channels // large.num_groups == small.num_channels // small.num_groups
    if large.num_channels != small.num_channels and not each:
        raise Unsliceable("its groups are of another size; let the number of groups grow with the channels")
    return first(large, small, name)


Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d


@slices(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
def _convolution(large: Convolution, small: Convolution, name: str) -> Box:
    """The first channels, and the centre of the kernel. Of several groups, the first ones, each whole."""
    same = (large.in_channels, large.out_channels, large.groups) == (
        small.in_channels, small.out_channels, small.groups,
    )  # fmt: skip
    if not same and (large.groups > 1 or small.groups > 1) and _group(large) != _group(small):
        raise Unsliceable(
            f"its {small.groups} groups of {_group(small)} channels are no part of {large.groups} of {_group(large)};"
            " let the number of groups grow with the channels"
        )
    large_shape, small_shape = _shape(large, name), _shape(small, name)
    channels = _first(large_shape[:2], small_shape[:2])
    return channels + tuple(map(_centre, large_shape[2:], small_shape[2:]))


def _group(module: Convolution) -> Shape:
    return module.in_channels // module.groups, module.out_channels // module.groups


def _centre(large: int, small: int) -> tuple[int, int]:
    if small > large or (large - small) % 2:
        raise Unsliceable(f"a kernel of {small} has no place in the centre of one of {large}")
    begin = (large - small) // 2
    return begin, begin + small


def _first(large: Shape, small: Shape) -> Box:
    if len(large) != len(small) or any(a < b for a, b in zip(large, small, strict=True)):
        raise Unsliceable(f"its shape {small} does not fit into {large}")
    return whole(small)


def _shape(module: nn.Module, name: str) -> Shape:
    tensor = getattr(module, name, None)
    if not isinstance(tensor, Tensor):
        raise Unsliceable("the whole network's has none: what some networks alone own cannot be borrowed")
    return tuple(tensor.shape)


def plain_tensors(module: nn.Module) -> list[str]:
    """The attributes of a module that hold tensors and are neither parameters nor buffers."""
    own = {name: value for name, value in vars(module).items() if name not in ("_parameters", "_buffers", "_modules")}
    return [name for name, value in own.items() if any(isinstance(each, Tensor) for each in _parts(value))]


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple | set) else [value]


def region(boxes: list[Box]) -> tuple[Box, Tensor | None]:
    """The smallest box around `boxes`, and which of its entries lie in any of them (None: all do)."""
    around = tuple((min(b for b, _ in sides), max(e for _, e in sides)) for sides in zip(*boxes, strict=True))
    if around in boxes:
        return around, None
    mask = torch.zeros([end - begin for begin, end in around], dtype=torch.bool)
    for box in boxes:
        shifted = tuple((b - a, e - a) for (b, e), (a, _) in zip(box, around, strict=True))
        mask[index(shifted)] = True
    return around, None if bool(mask.all()) else mask
