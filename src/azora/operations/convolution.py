"""Convolutions: rectifier, convolution, batch normalisation, in this order."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from azora.operations.catalogue import operation

NARROW = 8  # channels


def conv(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, *, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A convolution without bias that keeps the size (divided by the stride); a batch normalisation follows."""
    padding = dilation * (kernel // 2)
    return nn.Conv2d(channels_in, channels_out, kernel, stride, padding, dilation, groups, bias=False)


def strided(point: nn.Conv2d, x: Tensor) -> Tensor:
    """What a convolution says of `x`.

    While a 1 × 1 with a stride trains on few channels the pixels are taken first: with channels last, torch's own
    gradient (2.13, AVX2) writes beyond its memory then.
    """
    if point.training and x.shape[1] < NARROW and point.kernel_size == (1, 1) and point.stride != (1, 1):
        return nn.functional.conv2d(x[:, :, :: point.stride[0], :: point.stride[1]], point.weight)
    done: Tensor = point(x)
    return done


@final
@operation("conv_1x1", kernel=1)
@operation("conv_3x3", kernel=3)
@operation("conv_5x5", kernel=5)
@operation("dilated_conv_3x3", kernel=3, dilation=2)
class Convolution(nn.Sequential):
    """A dense convolution. (B, C, H, W) → (B, C, H/stride, W/stride)."""

    def __init__(self, channels: int, stride: int, *, kernel: int, dilation: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            conv(channels, channels, kernel, stride, dilation=dilation),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        rectify, point, norm = self
        assert isinstance(point, nn.Conv2d)
        normed: Tensor = norm(strided(point, rectify(x)))
        return normed


@final
@operation("pooled_conv_3x3", kernel=3)
@operation("pooled_conv_5x5", kernel=5)
class PooledConvolution(nn.Sequential):
    """A dense convolution of every pixel, of which the largest of each 3 × 3 are left where there is a stride; without
    one it is the convolution alone. (B, C, H, W) → (B, C, H/stride, W/stride).

    The normalisation comes last, on the smaller map.
    """

    def __init__(self, channels: int, stride: int, *, kernel: int) -> None:
        pooling = [nn.MaxPool2d(3, stride, 1)] if stride > 1 else []
        super().__init__(nn.ReLU(), conv(channels, channels, kernel), *pooling, nn.BatchNorm2d(channels))


@final
@operation("depthwise_conv_3x3", kernel=3)
@operation("depthwise_conv_5x5", kernel=5)
@operation("dil_conv_3x3", kernel=3, dilation=2)
@operation("dil_conv_5x5", kernel=5, dilation=2)
class DepthwiseConvolution(nn.Sequential):
    """Each channel by itself, then the 1 × 1 that mixes them. (B, C, H, W) → (B, C, H/stride, W/stride).

    A depthwise convolution alone mixes no channels, and a cell that has nothing else learns next to nothing. Dilated,
    this is the `dil_conv` of DARTS (Liu et al., 2019).
    """

    def __init__(self, channels: int, stride: int, *, kernel: int, dilation: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            conv(channels, channels, kernel, stride, groups=channels, dilation=dilation),
            conv(channels, channels, 1),
            nn.BatchNorm2d(channels),
        )


@final
@operation("sep_conv_3x3", kernel=3)
@operation("sep_conv_5x5", kernel=5)
class SeparableConvolution(nn.Sequential):
    """The depthwise-separable convolution applied twice, as NASNet and DARTS do; the stride is the first one's.

    (B, C, H, W) → (B, C, H/stride, W/stride).
    """

    def __init__(self, channels: int, stride: int, *, kernel: int) -> None:
        super().__init__(
            DepthwiseConvolution(channels, stride, kernel=kernel), DepthwiseConvolution(channels, 1, kernel=kernel)
        )
