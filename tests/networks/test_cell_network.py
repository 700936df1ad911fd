"""What cells tell of their networks is what the networks have."""

from __future__ import annotations

import math
import random

import pytest

from azora.networks.complexity import cost, measure, parameters, signature_of, with_weights
from azora.networks.decide import As
from azora.networks.nb201 import NB201
from azora.networks.registry import make_space
from azora.space import Product, Space
from azora.tasks import Signature
from azora.training import Recipe

PICTURES = Signature("classification", (3, 12, 12), 10)
WIDE = Signature("classification", (1, 70, 45), 7)


@pytest.mark.parametrize(
    "space",
    [
        make_space("nb201", PICTURES, width=4, depth=1),
        make_space("cells", PICTURES),
        make_space("cells", WIDE, widths=[8, 12], nodes=2),
        make_space("cells", PICTURES, operations=["sep_conv_3x3", "noise", "none", "dil_conv_5x5"], stages=4),
    ],
    ids=["nb201", "cells", "cells-oblong", "cells-other-operations"],
)
def test_what_is_told_is_what_is_counted_on_the_network(space: Space) -> None:
    rng = random.Random(0)
    for _ in range(8):
        architecture = space.sample(rng)
        network = space.build(As(architecture))
        counted = with_weights({"params": parameters(network)} | measure(network, signature_of(space).shape))
        assert cost(space, architecture) == counted
        assert space.features(architecture)["size"] == (math.log(counted["params"]), math.log(counted["macs"]))


def test_a_product_and_a_part_tell_the_cost_of_their_network() -> None:
    cells = make_space("cells", PICTURES)
    part = Product(network=cells, recipe=Recipe(PICTURES)).constrain(None, "", **{"network.depth": 2})
    architecture = part.sample(random.Random(0))
    assert isinstance(part.root, Product)
    assert cost(part, architecture) == cost(cells, part.root.project(architecture, "network"))
    assert part.cost(architecture) == cost(part, architecture)


def test_groups_are_always_of_one_length_and_parts_of_spaces_have_them() -> None:
    cells = make_space("cells", PICTURES)
    joint = Product(network=cells, recipe=Recipe(PICTURES))
    part = joint.constrain(None, "", **{"network.width": 16})
    rng = random.Random(0)
    lengths = {
        tuple((group, len(numbers)) for group, numbers in part.features(part.sample(rng)).items()) for _ in range(20)
    }
    assert lengths == {(("network.paths", 400), ("network.operations", 8), ("network.size", 2))}
    architecture = part.sample(rng)
    alone = cells.features(joint.project(architecture, "network"))
    assert part.features(architecture) == {f"network.{group}": numbers for group, numbers in alone.items()}


def test_paths_are_counted_without_skips_and_only_where_they_arrive() -> None:
    space = NB201(PICTURES)
    steps = ("conv_1x1", "conv_3x3", "avg_pool_3x3")

    def paths(text: str) -> dict[tuple[str, ...], float]:
        found = space.features(space.from_string(text))["paths"]
        told = {}
        for place, count in enumerate(found):
            path = list[str]()
            while place > 0:
                place, step = divmod(place - 1, 3)
                path.insert(0, steps[step])
            if count:
                told[tuple(path)] = count
        return told

    assert paths("|none~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|none~2|") == {}
    residual = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|skip_connect~2|"
    assert paths(residual) == {(): 1, ("conv_3x3", "conv_1x1"): 1}
    twice = "|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
    assert paths(twice) == {("conv_3x3",): 2}
    assert space.features(space.from_string(twice))["operations"] == (1.0, 0.0, 2.0, 0.0)


def test_equal_cells_have_equal_paths() -> None:
    space, rng = NB201(PICTURES), random.Random(1)
    known: dict[str, tuple[float, ...]] = {}
    for _ in range(1500):
        architecture = space.sample(rng)
        paths = tuple(space.features(architecture)["paths"])
        assert known.setdefault(architecture.key, paths) == paths


def test_a_space_without_more_to_say_says_nothing() -> None:
    assert not make_space("mlp", Signature("classification", (4,), 2)).features({})
