"""What operations compute first of their input: once, however many of them have the same input.

A result is kept by the input itself, as long as that lives. None of the functions here keeps its input in the graph, or
the two would keep each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

KEPT = "_azora_kept"  # attribute of a tensor: its version, and what was made of it by name


def once(x: Tensor, name: str, make: Callable[[], Tensor]) -> Tensor:
    """What `make` makes of `x`, or made of it before. A leaf keeps nothing: its graph leads back to it."""
    if x.is_leaf:
        return make()
    kept: dict[str, Tensor]
    version, kept = getattr(x, KEPT, (-1, {}))
    if version != x._version:  # written to since, or new
        kept = {}
        setattr(x, KEPT, (x._version, kept))
    if name not in kept:
        kept[name] = make()
    return kept[name]


def channels_last(x: Tensor, channels: int | None = None) -> Tensor:
    """The first `channels` of `x` (None: all), those of a pixel side by side."""
    if channels is None and x.is_contiguous(memory_format=torch.channels_last):
        return x
    return once(x, f"last {channels}", lambda: x[:, :channels].contiguous(memory_format=torch.channels_last))


def rectified(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return once(x, "relu", lambda: torch.relu(x))


def pooled(x: Tensor, pooling: nn.MaxPool2d | nn.AvgPool2d) -> Tensor:
    """What the pooling says of `x`."""
    sizes: tuple[Any, ...] = (_pair(pooling.kernel_size), _pair(pooling.stride), _pair(pooling.padding))
    if isinstance(pooling, nn.MaxPool2d):
        sizes = (*sizes, _pair(pooling.dilation), pooling.ceil_mode)
        return once(x, f"max {sizes}", lambda: _Largest.apply(x, sizes))  # type: ignore[no-untyped-call]
    sizes = (*sizes, pooling.ceil_mode, pooling.count_include_pad, pooling.divisor_override)
    return once(x, f"mean {sizes}", lambda: _Mean.apply(x, sizes))  # type: ignore[no-untyped-call]


def _pair(size: int | tuple[int, ...]) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)


class _Largest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: tuple[Any, ...]) -> Tensor:
        made, places = torch.ops.aten.max_pool2d_with_indices(x, *sizes)
        ctx.sizes = sizes
        ctx.save_for_backward(x.detach(), places)
        largest: Tensor = made
        return largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, places = ctx.saved_tensors
        return torch.ops.aten.max_pool2d_with_indices_backward(gradient, x, *ctx.sizes, places), None


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: tuple[Any, ...]) -> Tensor:
        ctx.sizes = sizes
        ctx.save_for_backward(x.detach())
        mean: Tensor = torch.ops.aten.avg_pool2d(x, *sizes)
        return mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.avg_pool2d_backward(gradient, x, *ctx.sizes), None
