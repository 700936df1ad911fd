"""Depthwise convolutions without what is slow in them on a processor, for pictures with their channels last.

PyTorch has no fast backward pass of dilated ones, nor a fast gradient of weights of 5 × 5, or of weights larger than
the picture. Values and gradients are those of `nn.functional.conv2d`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from azora.operations.once import channels_last, once

KERNEL = 5  # whose weights' gradient is taken from four of 3 × 3
SMALL = 1 << 15  # numbers of an input; of fewer this does not pay


def depthwise(x: Tensor, weight: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """Each channel by itself, padded so that the size stays. (B, C, H, W), (C, 1, k, k) → (B, C, ⌈H/s⌉, ⌈W/s⌉)."""
    if dilation == 1:
        return _undilated(x, weight, stride)
    if stride % dilation == 0:  # all taps of all outputs are of the first phase
        first = once(x, f"every {dilation}", lambda: channels_last(x[:, :, ::dilation, ::dilation]))
        return _undilated(first, weight, stride // dilation)
    if stride == 1:
        parts = once(x, f"phases {dilation}", lambda: phases(x, dilation))
        return whole(_undilated(parts, weight, 1), dilation, x.shape[-2:])
    return torch.nn.functional.conv2d(x, weight, None, stride, _reach(weight, dilation), dilation, x.shape[1])


def phases(x: Tensor, count: int) -> Tensor:
    """Every `count`th row and column, from each of the first ones: (B, C, H, W) → (count²·B, C, ⌈H/count⌉, ⌈W/count⌉).

    A dilated convolution of `x` is one without dilation of these. Missing rows and columns are zeros.
    """
    down, across = (-size % count for size in x.shape[-2:])
    if down or across:
        x = torch.nn.functional.pad(x, (0, across, 0, down))
    made: Tensor = _Phases.apply(x, count)  # type: ignore[no-untyped-call]
    return made


def whole(x: Tensor, count: int, size: tuple[int, ...]) -> Tensor:
    """The picture of which these are the phases."""
    made: Tensor = _Whole.apply(x, count)  # type: ignore[no-untyped-call]
    return made[:, :, : size[0], : size[1]]


def _undilated(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    made: Tensor = _Depthwise.apply(channels_last(x), weight, stride)  # type: ignore[no-untyped-call]
    return made


def _reach(weight: Tensor, dilation: int = 1) -> int:
    return dilation * (weight.shape[-1] // 2)


def _parted(x: Tensor, count: int) -> Tensor:
    batch, channels, height, width = x.shape
    made = x.new_empty(count, count, batch, height // count, width // count, channels)
    for down in range(count):
        for across in range(count):
            made[down, across] = x[:, :, down::count, across::count].permute(0, 2, 3, 1)
    return made.view(-1, *made.shape[3:]).permute(0, 3, 1, 2)


def _joined(x: Tensor, count: int) -> Tensor:
    batch, channels, height, width = x.shape
    parts = x.permute(0, 2, 3, 1).reshape(count, count, -1, height, width, channels)
    made = x.new_empty(batch // count**2, height * count, width * count, channels)
    for down in range(count):
        for across in range(count):
            made[:, down::count, across::count] = parts[down, across]
    return made.permute(0, 3, 1, 2)


class _Phases(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int) -> Tensor:
        ctx.count = count
        return _parted(x, count)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _joined(gradient, ctx.count), None


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int) -> Tensor:
        ctx.count = count
        return _joined(x, count)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _parted(gradient, ctx.count), None


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return torch.nn.functional.conv2d(x, weight, None, stride, _reach(weight), 1, x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = _backward(gradient, x, weight, ctx.stride, _reach(weight), of_x=True) if _wanted(ctx, 0) else None
        return of_x, _of_weight(gradient, x, weight, ctx.stride) if _wanted(ctx, 1) else None, None


def _wanted(ctx: Any, place: int) -> bool:
    """Whether this backward pass goes to the input at `place`: a function is told only what it could need."""
    node = ctx.next_functions[place][0]
    if node is None:
        return False
    try:
        return bool(torch._C._will_engine_execute_node(node))
    except RuntimeError:  # a leaf whose gradient is asked for by name
        return True


def _of_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    if stride == 1 and weight.shape[-1] == KERNEL and x.numel() >= SMALL:
        return _of_corners(gradient, x)
    reach = _reach(weight)
    if min(x.shape[-2:]) < weight.shape[-1]:  # slow, unless the padding is a part of the picture
        x, reach = channels_last(torch.nn.functional.pad(x, (reach,) * 4)), 0
    return _backward(gradient, x, weight, stride, reach, of_x=False)


def _of_corners(gradient: Tensor, x: Tensor) -> Tensor:
    """The gradient of weights of 5 × 5: its corners of 3 × 3, each by the fast way, of inputs shifted by a pixel.

    Inputs are padded, so that a shifted picture is the same memory from another number on. What is read across an edge
    meets zeros of the gradient's padding.
    """
    batch, channels, height, width = x.shape
    padded = x.new_zeros(batch * (height + 4) * (width + 4) + 2 * (width + 5), channels)
    shape = (batch, height + 4, width + 4, channels)
    begin = width + 5  # a row and a pixel
    count = len(padded) - 2 * begin
    padded[begin : begin + count].view(shape)[:, 2:-2, 2:-2] = x.permute(0, 2, 3, 1)
    margin = torch.nn.functional.pad(gradient.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).permute(0, 3, 1, 2)
    made, small = x.new_empty(channels, 1, KERNEL, KERNEL), x.new_empty(channels, 1, 3, 3)
    for down in (0, 2):
        for across in (0, 2):
            first = begin + (down - 1) * (width + 4) + across - 1
            shifted = padded[first : first + count].view(shape).permute(0, 3, 1, 2)
            made[:, :, down : down + 3, across : across + 3] = _backward(margin, shifted, small, 1, 0, of_x=False)
    return made


def _backward(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, *, of_x: bool) -> Tensor:
    """The gradient of a depthwise convolution's input, or of its weight."""
    sides = ([stride, stride], [padding, padding], [1, 1], False, [0, 0], x.shape[1])
    found = torch.ops.aten.convolution_backward(gradient, x, weight, None, *sides, [of_x, not of_x, False])
    made: Tensor = found[0 if of_x else 1]
    return made
