"""Modules that have shapes and no values."""

from __future__ import annotations

import torch
from torch import nn

from azora.networks.shapes_only import ShapesOnly


def test_modules_have_the_shapes_that_they_would_have_and_no_values() -> None:
    with ShapesOnly():
        made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2), nn.LSTM(2, 3))
    real = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2), nn.LSTM(2, 3))
    assert all(each.is_meta for each in (*made.parameters(), *made.buffers()))
    assert {name: each.shape for name, each in made.state_dict().items()} == {
        name: each.shape for name, each in real.state_dict().items()
    }


def test_what_has_a_place_of_its_own_is_filled_as_ever() -> None:
    with ShapesOnly():
        kept = torch.empty(2, device="cpu").fill_(3.0)
        nn.init.kaiming_uniform_(random := torch.zeros(4, 4, device="cpu"))
    assert kept.tolist() == [3.0, 3.0] and random.abs().sum() > 0
    assert torch.zeros(1).device.type == "cpu"
