"""Networks on shared weights have the modules of options in common, and are what they would be by themselves."""

from __future__ import annotations

import copy
import random
from functools import partial

import pytest
import torch
from torch import nn

from azora.networks.decide import Decide, OfChannels, Options
from azora.networks.kept_options import AsKept, KeptOptions
from azora.networks.registry import make_space
from azora.networks.shared_weights import SharedWeights
from azora.operations import make_operation
from azora.space import Categorical, Space
from azora.tasks import Signature

PICTURES = Signature("classification", (3, 8, 8), 4)
WORDS = ("relu", "tanh")


def made(word: str, channels: int, slope: float = 0.0) -> nn.Module:
    return nn.Sequential(nn.Linear(channels, channels), nn.ReLU() if word == "relu" else nn.Tanh())


class Asks(Space):
    """A space of which nothing is built."""

    def __init__(self) -> None:
        super().__init__("asks", [Categorical("first", WORDS), Categorical("second", WORDS)])


def asked(kept: KeptOptions, maker: object, first: str = "relu", channels: int = 4) -> nn.Module:
    decide: Decide = AsKept(Asks().architecture(first=first, second="tanh"), kept)
    return decide.module("first", OfChannels(maker, channels))  # type: ignore[arg-type]


def test_an_option_is_made_once_for_a_place() -> None:
    kept = KeptOptions()
    module = asked(kept, made)
    assert isinstance(module, Options) and list(module) == ["relu"]
    assert asked(kept, made) is module
    assert asked(kept, made, first="tanh") is not module
    assert asked(kept, made, channels=8) is not module
    assert asked(KeptOptions(), made) is not module


def test_a_choice_that_is_asked_twice_has_two_modules() -> None:
    decide = AsKept(Asks().architecture(first="relu", second="relu"), KeptOptions())
    one, other = (decide.module("first", OfChannels(made, 4)) for _ in range(2))
    assert one is not other and one is not decide.module("second", OfChannels(made, 4))


def test_makers_with_equal_settings_are_one() -> None:
    kept = KeptOptions()
    assert asked(kept, partial(made, slope=0.5)) is asked(kept, partial(made, slope=0.5))
    assert asked(kept, partial(made, slope=0.5)) is not asked(kept, partial(made, slope=0.25))
    assert asked(kept, partial(made, slope=1.0)) is not asked(kept, partial(made, slope=1))


@pytest.mark.parametrize("setting", [[1], {"a": 1}, nn.ReLU()])
def test_makers_of_which_it_is_not_known_are_asked_every_time(setting: object) -> None:
    kept = KeptOptions()
    one = partial(made, slope=setting)  # type: ignore[arg-type]
    assert asked(kept, one) is not asked(kept, one)
    assert asked(kept, lambda word, channels: made(word, channels)) is not asked(kept, made)


def test_a_function_made_for_every_network_is_asked_every_time() -> None:
    def maker(word: str, channels: int) -> nn.Module:
        return made(word, channels)

    kept = KeptOptions()
    assert asked(kept, maker) is not asked(kept, maker)


def test_what_is_no_operation_of_channels_is_made_every_time() -> None:
    decide = AsKept(Asks().architecture(first="relu", second="relu"), KeptOptions())
    one, other = (decide.module("first", lambda option: made(str(option), 4)) for _ in range(2))
    assert one is not other


def test_two_networks_have_modules_in_common_and_keep_their_modes() -> None:
    space = make_space("nb201", PICTURES, width=4, depth=2)
    shared, rng, x = SharedWeights(space, 0), random.Random(0), torch.randn(6, 3, 8, 8)
    drawn = [space.sample(rng) for _ in range(12)]
    alone = [SharedWeights(space, 0).recalibrate(each, [x])(x) for each in drawn]
    borrowed = [shared.borrow(each) for each in drawn]
    modules = [set(map(id, each.structure.network.modules())) for each in borrowed]
    assert any(one & other for one, other in zip(modules, modules[1:], strict=False))
    judged = [shared.recalibrate(each, [x]) for each in drawn]
    for network in borrowed[:3]:
        network(x)  # in training mode, which their common modules are in then
    for network, answer in zip(judged, alone, strict=True):
        assert torch.equal(network(x), answer)


def test_copies_have_modules_of_their_own() -> None:
    space = make_space("nb201", PICTURES, width=4, depth=1)
    shared, architecture = SharedWeights(space, 0), space.sample(random.Random(1))
    other = copy.deepcopy(shared)
    one, two = (each.structure(architecture).network for each in (shared, other))
    assert not set(map(id, one.modules())) & set(map(id, two.modules()))


def test_the_operations_are_kept() -> None:
    kept, make = KeptOptions(), OfChannels(make_operation, 4)
    space = make_space("nb201", PICTURES, width=4, depth=1)
    one, other = (AsKept(space.sample(random.Random(0)), kept) for _ in range(2))
    assert one.module("operation_0_1", make) is other.module("operation_0_1", make)
