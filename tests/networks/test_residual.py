"""Residual networks for rows: what a block is, and how it grows, narrows and ships."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from azora.networks.decide import As
from azora.networks.importance import sort_by_importance
from azora.networks.morphism import NoMorphism, grow
from azora.networks.registry import make_space
from azora.networks.residual import Residual, ResidualBlock
from azora.networks.shared_weights import SharedWeights
from azora.tasks import Signature

ROWS = Signature("classification", (7,), 3)
PLAIN = {
    "depth": 1, "width": 8, "expansion": 1, "activation": "relu", "normalisation": "batch", "dropout": 0.1,
    "residual_dropout": 0.2,
}  # fmt: skip


def small() -> Residual:
    return Residual(ROWS, depths=(1, 2), widths=(8, 16), expansions=(1, 2))


def built(space: Residual, **changes: object) -> nn.Module:
    """With statistics of normalisations that are not those of a new network."""
    torch.manual_seed(0)
    network = space.build(As(space.architecture(**{**PLAIN, **changes})))
    with torch.no_grad():
        network.train()(2 * torch.randn(64, 7) + 1)
    return network.eval()


def test_a_block_is_as_published() -> None:
    network = built(small(), expansion=2)
    block = next(each for each in network.modules() if isinstance(each, ResidualBlock))
    layers = [each for each in block.modules() if not list(each.children())]
    kinds = [nn.BatchNorm1d, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.Dropout]
    assert [type(each) for each in layers] == kinds
    norm, widen, rectify, inside, narrow, outside = layers
    assert isinstance(widen, nn.Linear) and (widen.in_features, widen.out_features) == (8, 16)
    assert isinstance(inside, nn.Dropout) and isinstance(outside, nn.Dropout) and (inside.p, outside.p) == (0.1, 0.2)
    x = torch.randn(5, 8)
    torch.testing.assert_close(block(x), x + narrow(rectify(widen(norm(x)))))


def test_the_whole_begins_with_a_linear_layer_and_ends_as_published() -> None:
    network = built(small(), depth=2)
    layers = [each for each in network.modules() if not list(each.children())]
    assert isinstance(layers[0], nn.Linear)
    assert [type(each) for each in layers[-3:]] == [nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert sum(isinstance(each, ResidualBlock) for each in network.modules()) == 2


def test_familiar_networks_are_of_the_space_as_it_is() -> None:
    assert [each["depth"] for each in make_space("residual", ROWS).known()] == [2, 1, 4]


@pytest.mark.parametrize("change", [{"depth": 2}, {"width": 16}, {"expansion": 2}], ids=str)
def test_what_is_grown_gives_the_same(change: dict[str, int]) -> None:
    space = small()
    old, x = built(space), torch.randn(9, 7)
    new = grow(space, old, space.architecture(**PLAIN), space.architecture(**{**PLAIN, **change}))
    assert sum(each.numel() for each in new.parameters()) > sum(each.numel() for each in old.parameters())
    torch.testing.assert_close(new(x), old(x), rtol=1e-4, atol=1e-5)


def test_a_normalisation_over_more_values_is_another_function() -> None:
    space, start = small(), {**PLAIN, "normalisation": "layer"}
    old = built(space, normalisation="layer")
    with pytest.raises(NoMorphism, match="differs by"):
        grow(space, old, space.architecture(**start), space.architecture(**{**start, "width": 16}))


def test_what_is_inside_of_blocks_is_sorted_by_importance() -> None:
    space, rng = small(), random.Random(0)
    shared, x = SharedWeights(space), torch.randn(4, 7)
    largest = space.architecture(**{**PLAIN, "depth": 2, "width": 16, "expansion": 2})
    with torch.no_grad():
        before = shared.borrow(largest, learns=False)(x)
        old = shared.whole.get_parameter("blocks.0.second.0.weight").clone()
        assert sort_by_importance(shared.whole) == 2
        shared.changed()
        torch.testing.assert_close(shared.borrow(largest, learns=False)(x), before)
        for _ in range(4):  # smaller ones take what comes first
            assert shared.borrow(space.sample(rng), learns=False)(x).isfinite().all()
    new = shared.whole.get_parameter("blocks.0.second.0.weight")
    importance = new.abs().sum(0)
    assert (importance[:-1] >= importance[1:]).all() and not torch.equal(old, new)
