"""Supernets split on one decision."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch

from azora.errors import SpaceError
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.networks.split_weights import SplitWeights, split
from azora.space import Product, Space
from azora.tasks import Task
from azora.training import Recipe

SETTINGS = {
    "nodes": 2,
    "operations": ("conv_3x3", "conv_1x1", "skip_connect"),
    "widths": (4, 8),
    "depths": (1, 2),
    "stages": 2,
}


def cells(task: Task) -> Space:
    return make_space("cells", task.signature, **SETTINGS)


def scattered(shared: SharedWeights) -> SharedWeights:
    """With weights and statistics of which nothing is equal because it is zero or one."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in shared.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand(tensor.shape, generator=generator))
    return shared


def some(space: Space, count: int = 8) -> Iterator:
    rng = random.Random(0)
    return (space.sample(rng) for _ in range(count))


def categorical(space: Space) -> list[str]:
    return [
        name for name, choice in space.choices.items() if len(getattr(choice, "values", ())) > 1 and not choice.when
    ]


def test_at_first_every_network_gives_what_it_gave_before(stripes: Task) -> None:
    space = cells(stripes)
    parent, x = scattered(SharedWeights(space)), torch.randn(3, *stripes.signature.shape)
    decisions = categorical(space)
    assert len(decisions) > 2  # operations, and numbers whose options narrow the whole network of a part
    for decision in decisions:
        weights = split(parent, decision)
        for architecture in some(space):
            alone, before = weights.extract(architecture), parent.extract(architecture)
            with torch.no_grad():
                assert torch.equal(alone(x), before(x)), decision
                assert torch.equal(weights.borrow(architecture, learns=False)(x), before(x))
                recalibrated = weights.recalibrate(architecture, [x])
                assert torch.equal(recalibrated(x), parent.recalibrate(architecture, [x])(x))


def test_a_network_trains_its_part_alone(stripes: Task) -> None:
    space = cells(stripes)
    parent = SharedWeights(space)
    decision = categorical(space)[0]
    weights = split(parent, decision)
    architecture = next(some(space))
    weights.borrow(architecture)(torch.randn(3, *stripes.signature.shape)).sum().backward()
    for part in weights.parts:
        touched = any(each.grad is not None for each in part.parameters())
        assert touched == (part is weights.part(architecture))
    assert all(each.grad is None for each in parent.parameters())


def test_a_part_may_hold_several_options(stripes: Task) -> None:
    space = make_space("nb201", stripes.signature, width=4, depth=1)
    parent = scattered(SharedWeights(space))
    decision = categorical(space)[0]
    first, *others = space.choices[decision].values
    weights = split(parent, decision, [[first], others])
    assert len(weights.parts) == 2
    x = torch.randn(2, *stripes.signature.shape)
    for architecture in some(space):
        assert weights.part(architecture) is weights.parts[int(architecture[decision] != first)]
        with torch.no_grad():
            assert torch.equal(weights.extract(architecture)(x), parent.extract(architecture)(x))


def test_learned_kernels_are_taken_over(stripes: Task) -> None:
    space = make_space("stages", stripes.signature, widths=((4, 8), (8,)), depths=(1,))
    parent = scattered(SharedWeights(space, kernel_transforms=True))
    x = torch.randn(2, *stripes.signature.shape)
    for decision in ("block_0", "width_0"):
        weights = split(parent, decision)
        for architecture in some(space):
            with torch.no_grad():
                assert torch.equal(weights.extract(architecture)(x), parent.extract(architecture)(x)), decision
    with pytest.raises(SpaceError, match="'kernel_0' decides kernels that are learned"):
        split(parent, "kernel_0")


def test_a_joint_space_is_split_too(stripes: Task) -> None:
    space = Product(network=cells(stripes), recipe=Recipe(stripes.signature))
    decision = next(name for name in categorical(space) if name.startswith("network."))
    weights = split(SharedWeights(space), decision)
    assert isinstance(weights, SplitWeights)
    x = torch.randn(2, *stripes.signature.shape)
    for architecture in some(space, 3):
        assert weights.borrow(architecture, learns=False)(x).shape == (2, stripes.signature.outputs)


def test_a_decision_that_cannot_be_split_on_is_refused(stripes: Task) -> None:
    space = cells(stripes)
    parent = SharedWeights(space)
    with pytest.raises(SpaceError, match="there is no choice 'edge'"):
        split(parent, "edge")
    decision = categorical(space)[0]
    values = space.choices[decision].values
    with pytest.raises(SpaceError, match="do not hold each option"):
        split(parent, decision, [values[:1]])
    with pytest.raises(SpaceError, match="do not hold each option"):
        split(parent, decision, [values, values[:1]])
    with pytest.raises(SpaceError, match="is empty; give each an option of"):
        split(parent, decision, [values, ()])
    fixed = space.constrain(None, "", **{decision: values[0]})
    with pytest.raises(SpaceError, match="no choice among several options"):
        split(SharedWeights(fixed), decision)
