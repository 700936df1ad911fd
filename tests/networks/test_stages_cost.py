"""What a network of stages costs is added up from its blocks, and is what counting the whole network gives."""

from __future__ import annotations

import random

import pytest

from azora.networks.complexity import measure, parameters, with_weights
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Signature


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 20), (3, 64, 64)])
@pytest.mark.parametrize(("per_block", "candidates"), [(False, False), (True, False), (True, True)])
def test_the_sum_is_the_count_of_the_whole(shape: tuple[int, ...], per_block: bool, candidates: bool) -> None:
    space = make_space("stages", Signature("classification", shape, 10), per_block=per_block, candidates=candidates)
    for seed in range(6):
        architecture = space.sample(random.Random(seed))
        network = space.build(As(architecture))
        assert space.cost(architecture) == with_weights({"params": parameters(network)} | measure(network, shape))
