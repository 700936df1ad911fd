"""Blocks of the macro search: residual, inverted bottleneck, depthwise-separable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.importance import Use, norm_of
from azora.operations import conv
from azora.operations.convolution import strided


@final
class Residual(nn.Module):
    """Two convolutions and a shortcut (He et al., 2016). (B, C_in, H, W) → (B, C_out, H/stride, W/stride)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Sequential(conv(channels_in, channels_out, kernel, stride), nn.BatchNorm2d(channels_out))
        self.second = nn.Sequential(conv(channels_out, channels_out, kernel), nn.BatchNorm2d(channels_out))
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(conv(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        point, norm = self.first
        assert isinstance(point, nn.Conv2d)
        first = torch.relu(norm(strided(point, x)))
        return torch.relu(self.second(first) + self._way(x))

    def _way(self, x: Tensor) -> Tensor:
        if len(self.shortcut) == 0:
            return x
        point, norm = self.shortcut
        assert isinstance(point, nn.Conv2d)
        normed: Tensor = norm(strided(point, x))
        return normed

    def hidden(self) -> tuple[str, Sequence[Use]]:
        """The channels between the convolutions (see `azora.networks.importance`)."""
        return "second.0.weight", [("first.0.weight", 0), *norm_of("first.1"), ("second.0.weight", 1)]


@final
class SqueezeExcitation(nn.Module):
    """Weighs each channel by what all channels say of the whole picture (Hu et al., 2018). (B, C, H, W) → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(4, channels // 4)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        weighed: Tensor = x * self.gate(x)
        return weighed


@final
class InvertedBottleneck(nn.Module):
    """Widen, convolve each channel by itself, narrow; a shortcut where the shape stays (Sandler et al., 2018).

    (B, C_in, H, W) → (B, C_out, H/stride, W/stride).
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, kernel: int, expansion: int, *, excite: bool
    ) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.widen = nn.Sequential(conv(channels_in, wide, 1), nn.BatchNorm2d(wide), nn.ReLU())
        self.depthwise = nn.Sequential(conv(wide, wide, kernel, stride, groups=wide), nn.BatchNorm2d(wide), nn.ReLU())
        self.excitation = SqueezeExcitation(wide) if excite else nn.Identity()
        self.narrow = nn.Sequential(conv(wide, channels_out, 1), nn.BatchNorm2d(channels_out))
        self.keeps = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.narrow(self.excitation(self.depthwise(self.widen(x))))
        return x + out if self.keeps else out

    def hidden(self) -> tuple[str, Sequence[Use]]:
        """The widened channels (see `azora.networks.importance`)."""
        gates: list[Use] = []
        if isinstance(self.excitation, SqueezeExcitation):
            gates = [
                (f"excitation.gate.{name}", dim) for name, dim in (("1.weight", 1), ("3.weight", 0), ("3.bias", 0))
            ]
        makes = [("widen.0.weight", 0), *norm_of("widen.1"), ("depthwise.0.weight", 0), *norm_of("depthwise.1")]
        return "narrow.0.weight", [*makes, *gates, ("narrow.0.weight", 1)]


@final
class Separable(nn.Module):
    """A depthwise convolution, then the 1 × 1 that mixes channels; a shortcut where the shape stays.

    (B, C_in, H, W) → (B, C_out, H/stride, W/stride).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Sequential(
            conv(channels_in, channels_in, kernel, stride, groups=channels_in), nn.BatchNorm2d(channels_in), nn.ReLU()
        )
        self.pointwise = nn.Sequential(conv(channels_in, channels_out, 1), nn.BatchNorm2d(channels_out))
        self.keeps = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pointwise(self.depthwise(x))
        return torch.relu(x + out if self.keeps else out)


@final
class Resize(nn.Module):
    """Pictures at a share of their size, bilinear. (B, C, H, W) → (B, C, share·H, share·W), 2 pixels at least."""

    def __init__(self, share: float, height: int, width: int) -> None:
        super().__init__()
        self.size = (max(2, round(share * height)), max(2, round(share * width)))
        self.whole = self.size == (height, width)

    def forward(self, x: Tensor) -> Tensor:
        if self.whole:
            return x
        return nn.functional.interpolate(x, self.size, mode="bilinear", align_corners=False)
