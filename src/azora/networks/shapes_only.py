"""Modules that have shapes and no values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

from azora.networks.lifetimes import Lifetimes

MAKERS: frozenset[Callable[..., Any]] = frozenset(_device_constructors())
FILLERS: frozenset[Callable[..., Any]] = frozenset(
    [Tensor.uniform_, Tensor.normal_, Tensor.zero_, Tensor.fill_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_]
)

BROADCAST: frozenset[Callable[..., Any]] = frozenset(
    [
        torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__, torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__,
    ]
)  # fmt: skip
SAME: frozenset[Callable[..., Any]] = frozenset([torch.relu, nn.functional.relu, torch.sigmoid, Tensor.sigmoid])


@final
class ShapesOnly(TorchFunctionMode):
    """In its context tensors are made on the meta device, as in that of `torch.device("meta")`, and are not filled.

    Filling what holds nothing goes through Python in torch, and took a fifth of the time in which a network is made.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func in FILLERS:
            filled = args[0] if args else given.get("tensor")
            if isinstance(filled, Tensor) and filled.is_meta:
                return filled
        elif func in MAKERS and given.get("device") is None:
            given["device"] = "meta"
        return func(*args, **given)


@final
class ShapesKnown(TorchFunctionMode):
    """In its context the usual functions (convolutions, poolings, sums, products, channels side by side, rectifiers,
    linear maps, means over places, pictures brought to another size) are told the shapes of what they give, on the meta
    device.

    Torch would run a decomposition in Python for each, and import its compiler for the first: more than a second in
    every process that counts what a network costs.

    Args:
        lifetimes: is told of all that gives tensors.
    """

    def __init__(self, lifetimes: Lifetimes | None = None) -> None:
        super().__init__()
        self.lifetimes = lifetimes

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        first: Any = args[0] if args else None
        x: Any = first[0] if func is torch.cat and isinstance(first, list | tuple) and first else first
        shape = _known(func, x, args, given) if isinstance(x, Tensor) and x.is_meta else None
        out = func(*args, **given) if shape is None else x.new_empty(shape)
        # What gives a size and the like reads no numbers; what sets some gives nothing.
        if self.lifetimes is not None and (isinstance(out, Tensor | tuple | list) or func is Tensor.__setitem__):
            by_itself = func in SAME or func in BROADCAST
            self.lifetimes.note((*args, *given.values()), out, fresh=shape is not None, by_itself=by_itself)
        return out


def _known(
    func: Callable[..., Any], x: Tensor, args: tuple[Any, ...], given: Mapping[str, Any]
) -> tuple[int, ...] | None:
    """The shape of `func(*args, **given)`, of the kind of numbers of `x`; None where only torch knows, or refuses."""
    if func is torch.cat and given == {"dim": 1} and all(_beside(x, each) for each in args[0]):
        return (x.shape[0], sum(each.shape[1] for each in args[0]), *x.shape[2:])
    others = args[1:]
    if func is torch.conv2d and len(others) == 6 and not given and not isinstance(others[3], str):
        weight, _, stride, padding, dilation, groups = others
        lead = (*x.shape[:-3], weight.shape[0])
        fits = x.shape[-3] == groups * weight.shape[1]
        return _slid(x, lead, weight.shape[2:], stride, padding, dilation) if fits else None
    if func is nn.functional.avg_pool2d and len(others) == 6 and not given:
        return _slid(x, x.shape[:-2], *others[:3], 1, up=others[3])
    if func is nn.functional.max_pool2d and len(others) == 1 and not given["return_indices"]:
        stride, padding, dilation, up = (given[name] for name in ("stride", "padding", "dilation", "ceil_mode"))
        return _slid(x, x.shape[:-2], others[0], stride, padding, dilation, up=up)
    if func is nn.functional.interpolate and isinstance(given.get("size"), tuple):
        return (*x.shape[:2], *given["size"])
    if given:
        return None
    if func in SAME or (func in BROADCAST and isinstance(others[0], int | float) and x.is_floating_point()):
        return x.shape
    if func in BROADCAST and isinstance(others[0], Tensor) and others[0].dtype == x.dtype:
        with contextlib.suppress(ValueError):
            return np.broadcast_shapes(x.shape, others[0].shape)  # torch's own imports what it traces symbols with
    if func is nn.functional.linear and x.shape[-1] == others[0].shape[1]:
        return (*x.shape[:-1], others[0].shape[0])
    if func is nn.functional.adaptive_avg_pool2d and isinstance(others[0], int):
        return (*x.shape[:-2], others[0], others[0])
    return None


def _beside(x: Tensor, other: Tensor) -> bool:
    """Whether channels of both can stand side by side."""
    return x.ndim > 1 and (x.dtype, x.shape[0], x.shape[2:]) == (other.dtype, other.shape[0], other.shape[2:])


def _slid(
    x: Tensor, lead: tuple[int, ...], kernel: Any, stride: Any, padding: Any, dilation: Any, *, up: bool = False
) -> tuple[int, ...] | None:
    """`lead`, and height and width of what a window gives that slides over `x`: None where it is the larger one.

    The others are numbers, or two of them each. With `up` the window may begin anywhere inside, and end beyond the rim.
    """
    stride = kernel if stride is None else stride
    pairs = [(each, each) if isinstance(each, int) else tuple(each) for each in (kernel, stride, padding, dilation)]
    found = []
    for size, wide, step, rim, spread in zip(x.shape[-2:], *pairs, strict=True):
        room = size + 2 * rim - spread * (wide - 1) - 1
        if room < 0:
            return None
        places = -(-room // step) + 1 if up else room // step + 1
        found.append(places - 1 if up and (places - 1) * step >= size + rim else places)
    return (*lead, *found)
