from __future__ import annotations

import torch
from torch import nn

from azora.export.folding import folded


def sequence() -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(3, 6, 3, padding=1, groups=3, bias=False),
        nn.Conv2d(6, 5, 1, bias=False),
        nn.BatchNorm2d(5),
        nn.Sequential(nn.Conv2d(5, 4, 3), nn.BatchNorm2d(4, affine=False), nn.ReLU()),
        nn.BatchNorm2d(4),
    )
    for _ in range(3):
        made(torch.randn(8, 3, 6, 6))
    return made


def test_the_same_function_without_the_normalisations_that_follow_convolutions() -> None:
    made, x = sequence().eval(), torch.randn(2, 3, 6, 6)
    before = made(x)
    found = folded(made)
    assert [type(each) for each in found.modules()].count(nn.BatchNorm2d) == 1
    torch.testing.assert_close(found(x), before)


def test_the_network_itself_is_left_alone() -> None:
    made = sequence()
    folded(made)
    assert made.training and [type(each) for each in made.modules()].count(nn.BatchNorm2d) == 3


def test_a_sequence_with_a_way_of_its_own_is_left_as_it_is() -> None:
    class Doubled(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            conv, norm = self
            return torch.as_tensor(norm(2 * conv(x)))

    found = folded(Doubled(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)))
    assert any(isinstance(each, nn.BatchNorm2d) for each in found)
