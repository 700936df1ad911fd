"""Batches of pictures, moved, mirrored and blanked at random while they are gathered."""

from __future__ import annotations

import torch
from torch import Tensor


def gather(pictures: Tensor, rows: Tensor, *, shift: int, flip: bool) -> Tensor:
    """The pictures `rows`, each moved by up to `shift` pixels (its border repeated) and, with `flip`, mirrored half
    the time: one gather, whatever is asked.

    Args:
        pictures: (N, H, W, C), any number type.
        rows: (B,) row numbers.

    Returns:
        (B, H, W, C), of the same type.
    """
    if not shift and not flip:
        return pictures[rows]
    count, height, width = len(rows), pictures.shape[1], pictures.shape[2]
    across, down = torch.arange(width).expand(count, width), torch.arange(height).expand(count, height)
    if flip:
        mirrored = torch.rand(count, 1) < 0.5
        across = torch.where(mirrored, width - 1 - across, across)
    if shift:
        moves = torch.randint(-shift, shift + 1, (2, count, 1))
        across, down = (across + moves[0]).clamp_(0, width - 1), (down + moves[1]).clamp_(0, height - 1)
    device = pictures.device
    place = (rows[:, None, None], down[:, :, None].to(device), across[:, None, :].to(device))
    return pictures[place]


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
