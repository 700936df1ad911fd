"""Grown networks give what the smaller ones gave, and learn."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import nn

from azora.networks.decide import As
from azora.networks.morphism import Growth, NoMorphism, grow, grown, inherit
from azora.networks.registry import make_space
from azora.space import Architecture, Space
from azora.tasks import Signature

PICTURES = Signature("classification", (1, 12, 12), 3, ("a", "b", "c"))
ROWS = Signature("classification", (9,), 3, ("a", "b", "c"))


def trained(space: Space, architecture: Architecture) -> nn.Module:
    """As if it had been trained: nothing in it is zero or one any more."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # with some weights, by whatever tests went before, a rectifier is dead
        network: nn.Module = space.build(As(architecture)).eval()
    drawn = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                tensor.add_(0.3 * torch.randn(tensor.shape, generator=drawn))
                if name.endswith("running_var"):
                    tensor.abs_().add_(0.5)
    return network


def growths(name: str, signature: Signature, **settings: Any) -> list[tuple[nn.Module, Growth]]:
    space, rng = make_space(name, signature, **settings), random.Random(0)
    found = []
    for _ in range(3):
        start = space.sample(rng)
        old = trained(space, start)
        found += [(old, each) for each in grown(space, old, start, rng)]
    return found


@pytest.mark.parametrize(("name", "signature"), [("stages", PICTURES), ("cells", PICTURES), ("mlp", ROWS)])
def test_what_is_grown_gives_the_same_and_all_of_it_learns(name: str, signature: Signature) -> None:
    found = growths(name, signature)
    assert len(found) > 5
    x = torch.randn((16, *signature.shape), generator=torch.Generator().manual_seed(2))
    for old, growth in found:
        new = growth.network
        was = old(x).detach()
        torch.testing.assert_close(new(x), was, rtol=0, atol=1e-5 * max(1.0, float(was.abs().max())))
        assert sum(each.numel() for each in new.parameters()) > sum(each.numel() for each in old.parameters())
        before = {key: value.clone() for key, value in new.named_parameters()}
        optimiser = torch.optim.SGD(new.parameters(), 0.05)
        for _ in range(3):  # what is behind a zero learns once the zero has moved
            optimiser.zero_grad()
            new(x).logsumexp(1).sum().backward()
            optimiser.step()
        inside = dict(old.named_parameters())
        for key, value in new.named_parameters():
            larger = key not in inside or inside[key].shape != value.shape
            assert not larger or not torch.equal(value, before[key]), f"{growth.change}: {key} did not learn"


def test_all_ways_to_grow_are_there() -> None:
    changed = {each.change.split()[0] for _, each in growths("stages", PICTURES)}
    assert {"width_0", "depth_0"} <= {name[:-1] + "0" for name in changed if name.startswith(("width", "depth"))}
    assert any(name.startswith("kernel") for name in changed)
    assert any("operation" in each.change for _, each in growths("cells", PICTURES))  # a new branch


def test_what_does_not_fit_is_refused() -> None:
    space, rng = make_space("stages", PICTURES), random.Random(3)
    start = space.sample(rng)
    old = trained(space, start)
    refused = 0
    for to in list(space.neighbours(start)):
        try:
            new = grow(space, old, start, to)
        except NoMorphism as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert sum(each.numel() for each in new.parameters()) >= sum(each.numel() for each in old.parameters())
    assert refused > 0


def test_more_classes_keep_the_answers_for_those_there_were() -> None:
    space, more = make_space("mlp", ROWS), Signature("classification", (9,), 5, ("a", "b", "c", "d", "e"))
    start = space.sample(random.Random(0))
    old = trained(space, start)
    new = grow(make_space("mlp", more), old, start, start)
    x = torch.randn(6, 9)
    assert new(x).shape == (6, 5)
    torch.testing.assert_close(new(x)[:, :3], old(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["stages", "mlp"])
def test_what_is_inherited_is_the_first_channels_and_all_of_the_same(name: str) -> None:
    space, rng = make_space(name, PICTURES if name == "stages" else ROWS), random.Random(1)
    smaller = larger = 0
    for start in (space.sample(rng) for _ in range(3)):
        old = trained(space, start)
        theirs = old.state_dict()
        for to in list(space.neighbours(start))[:40]:
            mine = inherit(space, old, to).state_dict()
            for key in mine.keys() & theirs.keys():
                one, other = mine[key], theirs[key]
                small, large = sorted((one, other), key=lambda each: each.numel())
                if one.shape == other.shape:
                    assert torch.equal(one, other), key
                elif one.dim() == 2 and all(a <= b for a, b in zip(small.shape, large.shape, strict=True)):
                    assert torch.equal(small, large[: small.shape[0], : small.shape[1]]), key
                    smaller, larger = smaller + (small is one), larger + (large is one)
    assert smaller and larger
