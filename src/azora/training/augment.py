"""Batches of pictures, mirrored, turned, moved and blanked at random."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

TURN, ZOOM, MOVE = math.radians(20), 0.2, 0.125  # of the whole strength: either way; the last two as shares of a side


def gather(pictures: Tensor, rows: Tensor, *, flip: bool) -> Tensor:
    """The pictures `rows`, with `flip` mirrored half the time: one gather, whatever is asked.

    Args:
        pictures: (N, H, W, C), any number type.
        rows: (B,) row numbers.

    Returns:
        (B, H, W, C), of the same type.
    """
    if not flip:
        return pictures[rows]
    height, width = pictures.shape[1:3]
    across = torch.arange(width).expand(len(rows), width)
    across = torch.where(torch.rand(len(rows), 1) < 0.5, width - 1 - across, across).to(pictures.device)
    return pictures[rows[:, None, None], torch.arange(height, device=pictures.device)[:, None], across[:, None, :]]


def warp(pictures: Tensor, strength: float) -> Tensor:
    """Each picture turned, stretched both ways and moved a little, by parts of a pixel (bilinear), its border repeated.

    Args:
        pictures: (B, C, H, W), any real type.
        strength: from 0 (not at all) to 1: up to 20 degrees, a fifth of its size and an eighth of its side.
    """
    if strength <= 0:
        return pictures

    def either_way(most: float, *shape: int) -> Tensor:
        return (2 * torch.rand(len(pictures), *shape) - 1) * most * strength

    angle, stretch, move = either_way(TURN), 1 + either_way(ZOOM, 2), either_way(2 * MOVE, 2)  # a side is two long here
    height, width = pictures.shape[2:]
    # Both sides are two long here, so where they differ in pixels a turn must stretch one into the other.
    rows = [angle.cos(), -angle.sin() * (height / width), angle.sin() * (width / height), angle.cos()]
    turned = torch.stack(rows, dim=1).view(-1, 2, 2)
    where = torch.cat([turned * stretch[:, :, None], move[:, :, None]], dim=2).to(pictures)
    grid = nn.functional.affine_grid(where, list(pictures.shape), align_corners=False)
    return nn.functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def blank(pictures: Tensor, size: int) -> Tensor:
    """A square of `size` pixels of every picture, anywhere, set to zero (cutout, DeVries & Taylor, 2017).

    (B, C, H, W) → the same; the square may stick out.
    """
    if size < 1:
        return pictures
    count, _, height, width = pictures.shape
    top = torch.randint(1 - size, height, (count, 1))
    left = torch.randint(1 - size, width, (count, 1))
    down, across = torch.arange(height), torch.arange(width)
    inside = ((down >= top) & (down < top + size))[:, :, None] & ((across >= left) & (across < left + size))[:, None, :]
    return pictures.masked_fill(inside[:, None].to(pictures.device), 0.0)
