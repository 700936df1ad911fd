"""What a network costs is counted without torch's compiler."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from azora.networks.shapes_only import ShapesKnown

CONV = partial(nn.Conv2d, device="meta")
COUNTS = """
import random, sys
from azora.networks.complexity import cost
from azora.networks.registry import SPACES, make_space
from azora.tasks import Signature
for name in SPACES:
    space = make_space(name, Signature("classification", (3, 16, 16), 10))
    for seed in range(5):
        cost(space, space.sample(random.Random(seed)))
    print(name, "torch._dynamo" in sys.modules or "sympy" in sys.modules)
"""


def test_no_shipped_space_needs_the_compiler_to_count() -> None:
    done = subprocess.run([sys.executable, "-c", COUNTS], capture_output=True, text=True, check=True)
    said = dict(line.split() for line in done.stdout.splitlines())
    assert len(said) > 4 and set(said.values()) == {"False"}, said


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x + x[:, :1], lambda x: x * x[:1], lambda x: x + 1, lambda x: 2 * x, torch.relu, torch.sigmoid,
        lambda x: nn.functional.adaptive_avg_pool2d(x, 1), lambda x: nn.functional.adaptive_avg_pool2d(x, (2, None)),
        lambda x: nn.functional.interpolate(x, (8, 3), mode="bilinear"), lambda x: nn.functional.interpolate(x, 8),
        CONV(3, 4, 3), CONV(3, 6, (3, 1), stride=2, padding=(1, 0), groups=3, bias=False),
        CONV(3, 4, 3, padding="same"), CONV(3, 4, 3, padding=2, dilation=2),
        CONV(3, 4, 3, padding=1, padding_mode="reflect"), lambda x: nn.functional.conv2d(x, x[:, :, :3, :3]),
        nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.MaxPool2d(2, 4, ceil_mode=True),
        nn.MaxPool2d(1, 4, ceil_mode=True), nn.AvgPool2d(3, 1, 1),
        nn.AvgPool2d((2, 3)), nn.AvgPool2d(3, 2, ceil_mode=True), lambda x: nn.functional.avg_pool2d(x, 2),
        nn.AdaptiveAvgPool2d(2), lambda x: torch.cat([x, x[:, :1]], dim=1), lambda x: torch.cat((x, x), 2),
        lambda x: sum([x, x]), lambda x: 0 + x, lambda x: x.int() + 0.5,
        lambda x: nn.functional.linear(x, x.new_empty(5, 6), x.new_empty(5)),
        lambda x: x + x.int(), lambda x: torch.add(x, x, alpha=2),
    ],
)  # fmt: skip
def test_shapes_are_those_that_torch_has(make: object) -> None:
    assert callable(make)
    x = torch.empty(2, 3, 4, 6, device="meta")
    usual: Tensor = make(x)
    with ShapesKnown():
        told: Tensor = make(x)
    assert (told.shape, told.dtype, told.device) == (usual.shape, usual.dtype, usual.device)


@pytest.mark.parametrize(
    "make",
    [
        nn.Conv2d(3, 4, 5, device="meta"), nn.Conv2d(2, 4, 3, device="meta"), nn.MaxPool2d(9), nn.AvgPool2d(9),
        lambda x: x + x[:, :2], lambda x: torch.cat([x, x[:, :, :1]], dim=1),
        lambda x: nn.functional.linear(x, x.new_empty(5, 4)),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_as_torch_does(make: object) -> None:
    assert callable(make)
    with ShapesKnown(), pytest.raises(RuntimeError):
        make(torch.empty(1, 3, 4, 6, device="meta"))


def test_what_has_values_is_computed() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    with ShapesKnown():
        assert (x + x).tolist() == [[0, 2, 4], [6, 8, 10]] and torch.relu(-x).sum() == 0
