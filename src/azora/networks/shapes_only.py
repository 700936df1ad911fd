"""Modules that have shapes and no values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

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
    """In its context the usual functions (sums, products, channels side by side, rectifiers, linear maps, means over
    places, pictures brought to another size) are told the shapes of what they give, on the meta device.

    Torch would run a decomposition in Python for each, and import its compiler for the first: a second and a half in
    every process that counts what a network costs.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        first = args[0] if args else None
        x = first[0] if func is torch.cat and isinstance(first, list | tuple) and first else first
        if isinstance(x, Tensor) and x.is_meta and (shape := _known(func, x, args, given)) is not None:
            return x.new_empty(shape)
        return func(*args, **given)


def _known(
    func: Callable[..., Any], x: Tensor, args: tuple[Any, ...], given: Mapping[str, Any]
) -> tuple[int, ...] | None:
    """The shape of `func(*args, **given)`, of the kind of numbers of `x`; None where only torch knows."""
    if func is torch.cat and given == {"dim": 1} and all(each.dtype == x.dtype and each.ndim > 1 for each in args[0]):
        return (x.shape[0], sum(each.shape[1] for each in args[0]), *x.shape[2:])
    others = args[1:]
    if func is nn.functional.interpolate and isinstance(given.get("size"), tuple):
        return (*x.shape[:2], *given["size"])
    if given:
        return None
    if func in SAME or (func in BROADCAST and isinstance(others[0], int | float) and x.is_floating_point()):
        return x.shape
    if func in BROADCAST and isinstance(others[0], Tensor) and others[0].dtype == x.dtype:
        return tuple(torch.broadcast_shapes(x.shape, others[0].shape))  # type: ignore[no-untyped-call]
    if func is nn.functional.linear:
        return (*x.shape[:-1], others[0].shape[0])
    if func is nn.functional.adaptive_avg_pool2d and isinstance(others[0], int):
        return (*x.shape[:-2], others[0], others[0])
    return None
