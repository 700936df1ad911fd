"""What stands around the searched part: stem, stages that halve the size and double the channels, head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from torch import Tensor, nn

from azora.operations import conv
from azora.operations.convolution import Convolution
from azora.tasks import Signature

SMALLEST = 8  # pixels each way that a stem which shrinks further than it must still leaves


def stem(signature: Signature, channels: int, shrink: int = 1, plain: bool = False) -> nn.Sequential:
    """(B, C, H, W) → (B, channels, ⌈H/s⌉, ⌈W/s⌉) with the stride s of `stem_stride`.

    The kernel is 3 (with `plain`, 1), and where the stride is larger as wide as it: no pixel between two windows is
    skipped.
    """
    stride = stem_stride(signature, shrink)
    kernel = max(1 if plain else 3, stride | 1)
    return nn.Sequential(conv(signature.shape[0], channels, kernel, stride), nn.BatchNorm2d(channels))


def stem_stride(signature: Signature, shrink: int = 1) -> int:
    """1, and for pictures of 64 pixels and more as large as brings them to about 32; `shrink` times that, where as much
    as 8 × 8 is left."""
    size = min(signature.shape[1:])
    least = max(1, size // 32)
    return least * shrink if size // (least * shrink) >= SMALLEST else least


def halves(size: int) -> bool:
    """Whether a map of `size` pixels each way is still halved between stages: never below 2 × 2."""
    return size > 2


def stage_sides(signature: Signature, stages: int, shrink: int = 1) -> list[tuple[int, int]]:
    """Height and width of the maps in each stage of `staged`."""
    _, height, width = signature.shape
    sides, stride = list[tuple[int, int]](), stem_stride(signature, shrink)
    for _ in range(stages):
        height, width = -(-height // stride), -(-width // stride)
        sides.append((height, width))
        stride = 2 if halves(min(height, width)) else 1
    return sides


@final
class Reduction(nn.Module):
    """A residual block that halves the size, or with stride 1 keeps it (He et al., 2016; as NAS-Bench-201 has it).

    (B, C_in, H, W) → (B, C_out, ⌈H/stride⌉, ⌈W/stride⌉).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 2) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.ReLU(), conv(channels_in, channels_out, 3, stride), nn.BatchNorm2d(channels_out))
        self.second = Convolution(channels_out, 1, kernel=3)
        self.shortcut = nn.Sequential(
            # Odd sizes are rounded up on both ways.
            nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
            conv(channels_in, channels_out, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        halved: Tensor = self.shortcut(x) + self.second(self.first(x))
        return halved


@final
class PlainReduction(nn.Sequential):
    """Means of 2 × 2 (with stride 1: of nothing) and a 1 × 1 convolution, which see no shapes.

    (B, C_in, H, W) → (B, C_out, ⌈H/stride⌉, ⌈W/stride⌉).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 2) -> None:
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
            conv(channels_in, channels_out, 1),
            nn.BatchNorm2d(channels_out),
        )


@final
class Head(nn.Sequential):
    """(B, C, H, W) → (B, outputs): normalise, mean over the picture, linear."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, outputs),
        )


def staged(
    signature: Signature,
    widths: Sequence[int],
    depth: int,
    cell: Callable[[int], nn.Module],
    shrink: int = 1,
    plain: bool = False,
) -> nn.Sequential:
    """A network of one stage a width, each of `depth` cells made by `cell(width)`, with reductions between.

    A map of 2 × 2 or less is not halved further. With `plain`, nothing but the cells sees more than one pixel of its
    map: what they do is then what makes networks differ.
    """
    sides = stage_sides(signature, len(widths), shrink)
    reduction = PlainReduction if plain else Reduction
    layers: dict[str, nn.Module] = {"stem": stem(signature, widths[0], shrink, plain)}
    for place, width in enumerate(widths):
        if place:
            stride = 2 if halves(min(sides[place - 1])) else 1
            layers[f"reduction_{place}"] = reduction(widths[place - 1], width, stride)
        layers[f"stage_{place}"] = nn.Sequential(*(cell(width) for _ in range(depth)))
    layers["head"] = Head(widths[-1], signature.outputs)
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network
