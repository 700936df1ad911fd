"""Every operation: shapes, and costs against what a hand computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from azora.errors import SpaceError
from azora.networks.blocks import Residual
from azora.networks.complexity import macs, memory, parameters
from azora.operations import DEFAULT_OPERATIONS, OPERATIONS, make_operation

C, H = 8, 6  # channels, and pixels each way
NORM = 2 * C  # weight and bias of a batch normalisation

# name → (parameters, multiply-accumulates) at stride 1, by hand: k² weights for every pair of channels (dense) or every
# channel (depthwise), and each weight once for every pixel.
BY_HAND = {
    "conv_1x1": (C * C + NORM, C * C * H * H),
    "conv_3x3": (9 * C * C + NORM, 9 * C * C * H * H),
    "conv_5x5": (25 * C * C + NORM, 25 * C * C * H * H),
    "dilated_conv_3x3": (9 * C * C + NORM, 9 * C * C * H * H),
    "pooled_conv_3x3": (9 * C * C + NORM, 9 * C * C * H * H),
    "pooled_conv_5x5": (25 * C * C + NORM, 25 * C * C * H * H),
    "depthwise_conv_3x3": (9 * C + C * C + NORM, (9 * C + C * C) * H * H),
    "depthwise_conv_5x5": (25 * C + C * C + NORM, (25 * C + C * C) * H * H),
    "dil_conv_3x3": (9 * C + C * C + NORM, (9 * C + C * C) * H * H),
    "dil_conv_5x5": (25 * C + C * C + NORM, (25 * C + C * C) * H * H),
    "sep_conv_3x3": (2 * (9 * C + C * C + NORM), 2 * (9 * C + C * C) * H * H),
    "sep_conv_5x5": (2 * (25 * C + C * C + NORM), 2 * (25 * C + C * C) * H * H),
    "max_pool_3x3": (0, 0),
    "avg_pool_3x3": (0, 0),
    "skip_connect": (0, 0),
    "none": (0, 0),
    "noise": (0, 0),
}


def test_nothing_in_the_catalogue_is_missing_by_hand() -> None:
    assert set(BY_HAND) == set(OPERATIONS)
    assert set(DEFAULT_OPERATIONS) <= set(OPERATIONS)
    assert len(DEFAULT_OPERATIONS) == 9


@pytest.mark.parametrize("name", OPERATIONS)
def test_costs_are_those_computed_by_hand(name: str) -> None:
    with torch.device("meta"):
        operation = make_operation(name, C)
    assert (parameters(operation), macs(operation, (C, H, H))) == BY_HAND[name]
    # The map that is read and the one that is written; a skip gives the very map that it takes.
    assert memory(operation, (C, H, H)) == 4 * (1 if name == "skip_connect" else 2) * C * H * H


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [6, 7])
def test_shapes_are_kept_or_halved(name: str, stride: int, size: int) -> None:
    out = make_operation(name, C, stride)(torch.randn(2, C, size, size))
    half = (size + 1) // 2
    assert out.shape == (2, C, size, size) if stride == 1 else (2, C, half, half)


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_pooled_convolution_computes_every_pixel_and_leaves_the_largest(kernel: int) -> None:
    torch.manual_seed(0)
    halving, x = make_operation(f"pooled_conv_{kernel}x{kernel}", C, 2), torch.randn(2, C, H, H)
    whole = make_operation(f"pooled_conv_{kernel}x{kernel}", C)
    convolved = nn.functional.conv2d(x.relu(), halving[1].weight, padding=kernel // 2)
    pooled = nn.functional.max_pool2d(convolved, 3, 2, 1)
    torch.testing.assert_close(halving(x), nn.functional.batch_norm(pooled, None, None, training=True))
    assert macs(halving, (C, H, H)) == macs(whole, (C, H, H)) == BY_HAND[f"pooled_conv_{kernel}x{kernel}"][1]
    assert len(whole) == 3


def test_a_factorised_reduction_sees_every_pixel() -> None:
    operation = make_operation("skip_connect", C, 2)
    x = torch.rand(1, C, H, H, requires_grad=True)
    operation(x + 0.1).square().sum().backward()
    assert x.grad is not None
    seen = (x.grad != 0).any(dim=1)[0]
    assert seen[::2, ::2].all()
    assert seen[1::2, 1::2].all()


@pytest.mark.parametrize(
    "make",
    [
        lambda channels: make_operation("skip_connect", channels, 2),
        lambda channels: make_operation("conv_1x1", channels, 2),
        lambda channels: Residual(channels, channels, 2, 1),
        lambda channels: Residual(channels, channels, 2, 3),
    ],
)
@pytest.mark.parametrize("channels", [2, 3, 4, 6, 8])
def test_a_narrow_reduction_learns_with_channels_last(channels: int, make: Callable[[int], nn.Module]) -> None:
    """Torch's own gradient of it ended the process."""
    reduction, x = make(channels), torch.randn(19, channels, 8, 8, requires_grad=True)
    learns, found = [x, *reduction.parameters()], list[list[torch.Tensor]]()
    for memory_format in (torch.contiguous_format, torch.channels_last):
        for _ in range(20):
            out = reduction(x.contiguous(memory_format=memory_format))
            gradients = torch.autograd.grad((out * torch.arange(4.0)).sum(), learns)
        found.append(list(gradients))
    assert all(torch.allclose(*pair, rtol=1e-3, atol=1e-3) for pair in zip(*found, strict=True))


def test_dilation_widens_what_is_seen() -> None:
    operation = make_operation("dilated_conv_3x3", C)
    x = torch.rand(1, C, 9, 9, requires_grad=True)
    operation.eval()(x)[0, :, 4, 4].sum().backward()
    assert x.grad is not None
    rows, columns = (x.grad != 0).any(dim=1)[0].nonzero(as_tuple=True)
    assert (int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())) == (2, 6, 2, 6)


def test_an_unknown_operation_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SpaceError, match="did you mean 'conv_3x3'"):
        make_operation("cnv_3x3", C)
