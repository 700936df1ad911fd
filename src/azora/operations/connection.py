"""Connections: the input itself, nothing, or noise."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from azora.operations.catalogue import operation
from azora.operations.convolution import conv, strided


@final
class FactorizedReduction(nn.Module):
    """Half the size without losing every second pixel: two strided 1 × 1, one shifted by a pixel, side by side.

    (B, C_in, H, W) → (B, C_out, ⌈H/2⌉, ⌈W/2⌉) (Zoph et al., 2018).
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.even = conv(channels_in, half, 1, 2)
        self.odd = conv(channels_in, channels_out - half, 1, 2)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        # The shifted copy is padded on the far side, so that odd sizes give two halves of one size.
        shifted = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        normed: Tensor = self.norm(torch.cat([strided(self.even, x), strided(self.odd, shifted)], dim=1))
        return normed


@operation("skip_connect")
def skip_connect(channels: int, stride: int) -> nn.Module:
    """The input itself; where the size must halve, a factorised reduction. (B, C, H, W) → (B, C, H/s, W/s)."""
    return nn.Identity() if stride == 1 else FactorizedReduction(channels, channels)


@final
@operation("none")
class Zero(nn.Module):
    """Nothing. (B, C, H, W) → zeros (B, C, ⌈H/stride⌉, ⌈W/stride⌉)."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


@final
@operation("noise")
class Noise(nn.Module):
    """Normal noise whatever the input: a trap for searches that like what has no weights (Zela et al., 2020).

    (B, C, H, W) → (B, C, ⌈H/stride⌉, ⌈W/stride⌉).
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.randn_like(x[:, :, :: self.stride, :: self.stride])
