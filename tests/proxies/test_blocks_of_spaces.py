"""Which parts of the networks of each space are blocks."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest

from azora.networks.registry import make_space
from azora.proxies import Probe, fresh
from azora.proxies.blocks import _ways, expressivity, progressivity, trainability
from azora.space import Architecture, Space
from azora.tasks import Signature

PICTURES, TABLE = Signature("classification", (1, 8, 8), 10), Signature("classification", (7,), 3)


def familiar(space: Space, **changes: Any) -> Architecture:
    return space.architecture(**{**space.familiar()[0], **changes})


def pairs() -> Iterator[Any]:
    """Spaces, two architectures that differ in what is decided last, and the number of blocks of the first of them."""
    nb201 = make_space("nb201", PICTURES, width=4, depth=1)
    dense = dict.fromkeys(nb201.choices, "conv_3x3")
    other = nb201.architecture(**{**dense, "operation_2_3": "conv_1x1"})
    yield pytest.param(PICTURES, nb201, nb201.architecture(**dense), other, 1 + 3 + 2, id="nb201")
    darts = make_space("darts", PICTURES, width=4, layers=3)
    one = darts.sample(random.Random(0))
    last = [name for name in one if name.startswith("reduce_operation")][-1]
    kind = "dil_conv_3x3" if one[last] == "sep_conv_3x3" else "sep_conv_3x3"
    other = darts.architecture(**{**dict(one.items()), last: kind})
    yield pytest.param(PICTURES, darts, one, other, 1 + 3, id="darts")
    stages = make_space("stages", PICTURES)
    other = familiar(stages, kernel_2=5)
    blocks = 2 + 3 * 2  # the picture is resized first
    yield pytest.param(PICTURES, stages, familiar(stages), other, blocks, id="stages")
    for name, signature in (("table", TABLE), ("pictures", PICTURES)):
        mlp, residual = make_space("mlp", signature), make_space("residual", signature)
        yield pytest.param(signature, mlp, familiar(mlp), familiar(mlp, width_1=32), 2, id=f"mlp, {name}")
        other = familiar(residual, depth=3)
        yield pytest.param(signature, residual, familiar(residual), other, 1 + 2, id=f"residual, {name}")


@pytest.mark.parametrize(("signature", "space", "one", "other", "blocks"), list(pairs()))
def test_what_is_decided_last_is_a_part_of_a_block(
    signature: Signature, space: Space, one: Architecture, other: Architecture, blocks: int
) -> None:
    probe = Probe.noise(signature, 16)
    assert len(_ways(fresh(space, one), probe.x)) == blocks
    for measure in (expressivity, trainability):
        found = [measure(fresh(space, each), probe) for each in (one, other)]
        assert all(map(math.isfinite, found)) and found[0] != found[1]
    assert math.isfinite(progressivity(fresh(space, one), probe))


def test_a_skip_in_place_of_a_block_is_none() -> None:
    space = make_space("stages", PICTURES, per_block=True, candidates=True)
    skipped, shorter = familiar(space, block_2_1="skip_connect"), familiar(space, depth_2=1)
    assert skipped.key == shorter.key
    probe = Probe.noise(PICTURES, 16)
    for measure in (expressivity, progressivity, trainability):
        found = measure(fresh(space, skipped), probe)
        assert math.isfinite(found) and found == pytest.approx(measure(fresh(space, shorter), probe))
