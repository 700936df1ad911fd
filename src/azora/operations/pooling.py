"""Poolings."""

from __future__ import annotations

from torch import nn

from azora.operations.catalogue import operation


@operation("max_pool_3x3")
def max_pool(channels: int, stride: int) -> nn.Module:
    """The largest of each 3 × 3. (B, C, H, W) → (B, C, H/stride, W/stride)."""
    return nn.MaxPool2d(3, stride, 1)


@operation("avg_pool_3x3")
def avg_pool(channels: int, stride: int) -> nn.Module:
    """The mean of each 3 × 3, of what lies inside the picture. (B, C, H, W) → (B, C, H/stride, W/stride)."""
    return nn.AvgPool2d(3, stride, 1, count_include_pad=False)
