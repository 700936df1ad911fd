"""The space of small networks for tasks of a few pictures."""

from __future__ import annotations

import random

import pytest
import torch
from tests.adapting.tiny import SIGNATURE

from azora.adapting.layers import OPERATIONS, STEMS, Layers, stem
from azora.errors import SpaceError
from azora.networks.decide import As
from azora.tasks import Signature

PICTURES = Signature("classification", (1, 28, 28), 5, tuple("abcde"))


def test_a_pooled_convolution_is_offered_where_it_halves() -> None:
    space = Layers(PICTURES)  # 14 pixels after the stem, 7 after the first layer, 4 after the third
    offered = {
        name: {each[name] for each in (space.sample(random.Random(seed)) for seed in range(200))}
        for name in space.choices
    }
    assert offered["operation_0"] == offered["operation_2"] == set(OPERATIONS)
    assert offered["operation_1"] == offered["operation_3"] == {each for each in OPERATIONS if "pooled" not in each}
    assert offered["stem"] == set(STEMS)
    alone = Layers(SIGNATURE, operations=("pooled_conv_3x3", "skip_connect"))  # 4 pixels after the stem
    assert {alone.sample(random.Random(seed))["operation_0"] for seed in range(20)} == set(alone.operations)


def test_familiar_networks_have_one_operation_and_what_stands_for_it() -> None:
    known = list(Layers(PICTURES).known())
    assert len(known) == len(OPERATIONS)
    assert set(known[0].values()) == {"conv_3x3"}
    assert list(known[2].values()) == ["pooled_conv_3x3", "pooled_conv_3x3", "conv_3x3", "pooled_conv_3x3", "conv_3x3"]
    assert [known[-1][name] for name in ("stem", "operation_0")] == ["conv_3x3", "skip_connect"]


def test_every_familiar_network_answers() -> None:
    space = Layers(PICTURES, width=4)
    for architecture in space.known():
        assert space.build(As(architecture))(torch.rand(3, 1, 28, 28)).shape == (3, 5)


@pytest.mark.parametrize("name", STEMS)
@pytest.mark.parametrize("side", [27, 28])
def test_a_stem_halves_the_picture(name: str, side: int) -> None:
    assert stem(1, 6, name)(torch.rand(2, 1, side, side)).shape == (2, 6, 14, 14)


def test_of_one_stem_there_is_no_choice_and_one_that_there_is_not_is_refused() -> None:
    assert "stem" not in Layers(PICTURES, stems=("pooled_conv_5x5",)).choices
    with pytest.raises(SpaceError, match="there is no stem 'conv_7x7'; "):
        Layers(PICTURES, stems=("conv_7x7",))
    with pytest.raises(SpaceError, match="a stem is wanted, one of conv_3x3, "):
        Layers(PICTURES, stems=())
