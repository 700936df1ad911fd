"""Blocks of the macro search."""

from __future__ import annotations

import pytest
import torch

from azora.networks.blocks import Residual


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("channels", [2, 4, 6])
def test_a_narrow_residual_block_that_halves_learns_with_channels_last(channels: int, kernel: int) -> None:
    """Torch's own gradient of a 1 x 1 convolution with a stride ended the process."""
    block, x = Residual(channels, channels, 2, kernel), torch.randn(19, channels, 8, 8, requires_grad=True)
    learns, found = [x, *block.parameters()], list[list[torch.Tensor]]()
    for memory_format in (torch.contiguous_format, torch.channels_last):
        for _ in range(20):
            out = block(x.contiguous(memory_format=memory_format))
            gradients = torch.autograd.grad((out * torch.arange(4.0)).sum(), learns)
        found.append(list(gradients))
    assert all(torch.allclose(*pair, rtol=1e-3, atol=1e-3) for pair in zip(*found, strict=True))
