"""Which networks train a step of shared weights."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from azora.errors import ConfigError
from azora.networks.complexity import cost
from azora.networks.mlp import Mlp
from azora.networks.nb201 import NB201, OPERATIONS
from azora.networks.registry import make_space
from azora.space import Architecture, Categorical, Space, Subset, When
from azora.tasks import Signature
from azora.training import PATHS, make_paths
from azora.training.paths import Binned, Sandwich, Shrinking, StrictlyFair, Uniform, extreme

PICTURES, ROWS = Signature("classification", (3, 8, 8), 4), Signature("classification", (7,), 3)


@pytest.mark.parametrize("name", PATHS)
def test_paths_are_networks_of_the_space_and_a_function_of_the_random_numbers(name: str) -> None:
    space = Mlp(ROWS, depths=(1, 2), widths=(4, 8))
    paths = make_paths(name, space, **({"order": ["depth", "width"]} if name == "shrinking" else {}))
    drawn = [[each.key for each in paths.draw(random.Random(seed))] for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len({tuple(keys) for keys in drawn}) > 1
    for architecture in paths.draw(random.Random(5)):
        assert space.architecture(**architecture) == architecture


def test_uniform_is_one_network() -> None:
    assert len(Uniform(NB201(PICTURES)).draw(random.Random(0))) == 1


def test_fair_paths_use_every_operation_of_every_edge_once() -> None:
    space = NB201(PICTURES)
    drawn = StrictlyFair(space).draw(random.Random(0))
    assert len(drawn) == len(OPERATIONS)
    for name in space.choices:
        assert Counter(each[name] for each in drawn) == Counter(OPERATIONS)


def test_fair_paths_share_out_fewer_options_as_evenly_as_can_be() -> None:
    choices = [Categorical("a", tuple(range(5))), Categorical("b", ("x", "y")), Subset("c", (1, 2, 3), 1, 1)]
    drawn = StrictlyFair(Space("three", choices)).draw(random.Random(1))
    assert sorted(each["a"] for each in drawn) == [0, 1, 2, 3, 4]
    assert sorted(Counter(each["b"] for each in drawn).values()) == [2, 3]
    assert sorted(Counter(each["c"] for each in drawn).values()) == [1, 2, 2]


def test_fair_paths_keep_rules_and_conditions() -> None:
    space = make_space("cells", PICTURES, nodes=2, operations=("conv_3x3", "skip_connect", "none"), widths=(4, 8))
    for architecture in StrictlyFair(space).draw(random.Random(0)):
        assert space.architecture(**architecture) == architecture


def test_fair_paths_leave_out_what_no_network_within_the_rules_has() -> None:
    space = NB201(PICTURES).constrain(lambda each: each["operation_0_1"] == OPERATIONS[0], "one operation")
    paths = StrictlyFair(space)
    drawn = paths.draw(random.Random(0))
    assert paths.left_out == [f"operation_0_1={name}" for name in OPERATIONS[1:]]
    for name in space.choices:
        assert Counter(each[name] for each in drawn) == Counter(
            OPERATIONS[:1] * 5 if name == "operation_0_1" else OPERATIONS
        )


def test_fair_paths_leave_out_what_only_networks_without_the_choice_could_be_drawn_for() -> None:
    deep = Categorical("deep", (1, 2))
    kernel = Categorical("kernel", (3, 5, 7), (When("deep", (2,)),))
    space = Space("few", [deep, kernel]).constrain(lambda each: each.get("kernel") != 7, "no large kernel")
    assert StrictlyFair(space).left_out == ["kernel=7"]


def test_fair_paths_exchange_options_until_rules_are_kept() -> None:
    numbers = [Categorical(name, tuple(range(5))) for name in "abcd"]
    # Of random sets of five, one in thirty keeps this.
    space = Space("sums", numbers).constrain(lambda each: 7 <= sum(each.values()) <= 9, "neither small nor large")
    paths, fair = StrictlyFair(space), 0
    for seed in range(50):
        drawn = paths.draw(random.Random(seed))
        assert len(drawn) == 5 and all(space.valid(dict(each)) for each in drawn)
        fair += all(len({each[name] for each in drawn}) == 5 for name in "abcd")
    assert fair >= 48


def test_where_no_fair_set_keeps_the_rules_random_networks_fill_it() -> None:
    numbers = [Categorical(name, tuple(range(5))) for name in "abc"]
    space = Space("sums", numbers).constrain(lambda each: sum(each.values()) <= 4, "small")  # of fair ones it is 6
    drawn = StrictlyFair(space).draw(random.Random(0))
    assert len(drawn) == 5 and all(space.valid(dict(each)) for each in drawn)


def test_bins_are_drawn_alike_where_uniform_paths_crowd_in_the_middle() -> None:
    space = NB201(PICTURES, width=4, depth=1)
    paths, rng = Binned(space, bins=4), random.Random(0)

    low, high = paths.ends
    width = (high - low) / 4

    def quarters(drawn: list[Architecture]) -> list[int]:
        places = [int((cost(space, each)["macs"] - low) / width) for each in drawn]
        return [sum(min(3, max(0, place)) == quarter for place in places) for quarter in range(4)]

    assert min(quarters([paths.draw(rng)[0] for _ in range(120)])) > 15
    assert min(quarters([space.sample(rng) for _ in range(120)])) < 15
    with pytest.raises(ConfigError, match="quantity='watts' is neither macs nor params"):
        Binned(space, "watts")


def test_a_sandwich_is_the_largest_the_smallest_and_random_ones() -> None:
    space = make_space("stages", PICTURES, widths=((4, 8),), depths=(1, 2), kernels=(3, 5), resolutions=(0.5, 1.0))
    paths = Sandwich(space, 1)
    largest, smallest, one = paths.draw(random.Random(0))
    assert (largest["depth_0"], largest["width_0"], largest["resolution"]) == (2, 8, 1.0)
    assert (smallest["depth_0"], smallest["width_0"], smallest["resolution"]) == (1, 4, 0.5)
    macs = [cost(space, each)["macs"] for each in (smallest, one, largest)]
    assert macs == sorted(macs)
    every = [cost(space, each)["macs"] for each in space]
    assert (macs[0], macs[-1]) == (min(every), max(every))
    assert paths.distils and not Uniform(space).distils
    with pytest.raises(ConfigError, match="random_networks=-1"):
        Sandwich(space, -1)


def test_shrinking_opens_one_kind_of_number_after_another() -> None:
    space = make_space("stages", PICTURES, widths=((4, 8),), depths=(1, 2), kernels=(3, 5), resolutions=(0.5, 1.0))
    paths, rng = Shrinking(space), random.Random(0)
    seen: list[set[str]] = []
    for share in (0.0, 0.3, 0.6, 0.99):
        small = set[str]()
        for _ in range(30):
            largest, drawn = paths.draw(rng, share)
            assert largest == paths.largest
            most = {"kernel_0": 5, "depth_0": 2, "width_0": 8, "expansion_0": 4}
            small |= {name for name, value in most.items() if drawn.get(name, value) != value}
        seen.append(small)
    widths = {"width_0", "expansion_0"}
    assert seen == [set(), {"kernel_0"}, {"kernel_0", "depth_0"}, {"kernel_0", "depth_0", *widths}]
    named = Shrinking(space, ["expansion", "width"]).stages  # where it is named, it is opened in its own turn
    assert [stage.choices["expansion_0"].varies for stage in named] == [False, True, True]
    assert [stage.choices["width_0"].varies for stage in named] == [False, False, True]
    with pytest.raises(ConfigError, match="stages has no number named like 'kernal'; it has resolution, depth_0"):
        Shrinking(space, ["kernal"])


def test_shrinking_within_a_limit_closes_numbers_where_the_largest_network_within_it_has_them() -> None:
    space = make_space("stages", PICTURES, widths=((4, 8), (8, 16)), depths=(1, 2), per_block=True)
    every = cost(space, extreme(space, 1))["macs"]
    part = space.constrain(lambda each: cost(space, each)["macs"] < 0.1 * every, "small")
    paths, rng = Shrinking(part), random.Random(0)
    for share in (0.0, 0.3, 0.6, 0.99):
        for _ in range(5):
            largest, drawn = paths.draw(rng, share)
            assert largest == paths.largest and part.valid(dict(drawn)) is not None
            if share == 0.0:
                assert all(drawn[name] == largest[name] for name in ("depth_0", "depth_1", "width_0", "width_1"))


def test_extremes_respect_limits() -> None:
    space = Mlp(ROWS, depths=(1, 2), widths=(4, 8))
    small = space.constrain(lambda each: cost(space, each)["params"] < 100, "small")
    assert cost(space, extreme(small, 1))["params"] < 100


def test_unknown_paths_and_settings_are_refused() -> None:
    space = NB201(PICTURES)
    with pytest.raises(ConfigError, match="did you mean 'sandwich'"):
        make_paths("sandwitch", space)
    with pytest.raises(ConfigError, match="paths=uniform has no setting 'bins'; it is one of paths=binned"):
        make_paths("uniform", space, bins=3)
    with pytest.raises(ConfigError, match=r"bins=2\.5 must be a whole number"):
        make_paths("binned", space, bins=2.5)
    with pytest.raises(ConfigError, match="order='kernel' is no list of words"):
        make_paths("shrinking", space, order="kernel")
