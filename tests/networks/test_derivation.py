"""What is derived from a mixture's weights, within limits."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from itertools import pairwise

import pytest
import torch
from tests.networks.deriving import PICTURES, SKIP, SPACES, Options, darts, held, nb201, options_of, table
from torch import Tensor

from azora.errors import SpaceError
from azora.networks.choice_costs import ChoiceCosts, choice_costs
from azora.networks.complexity import cost
from azora.networks.darts import NODES
from azora.networks.derivation import Derivation, skips
from azora.networks.mixture import Mixture, Relaxed
from azora.networks.nb201 import NB201
from azora.networks.registry import make_space
from azora.networks.shapes_only import ShapesOnly
from azora.space import Architecture, Option, Space


def strengths(options: Options, seed: int, spread: float = 1.0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.softmax(spread * torch.randn(len(values), generator=generator), 0)
        for name, values in options.items()
    }


def score(architecture: Architecture, weights: Mapping[str, Tensor], options: Options) -> float:
    """The logarithm of the product of its options' weights."""
    return sum(
        math.log(float(weights[name][options[name].index(value)]))
        for name, value in architecture.items()
        if name in options
    )


def total(costs: ChoiceCosts, architecture: Architecture, options: Options) -> float:
    """Of the table."""
    taken = (
        float(costs.options[name][options[name].index(value)])
        for name, value in architecture.items()
        if name in options
    )
    return costs.fixed + sum(taken)


# The strongest ------------------------------------------------------------------------------------------------------


def test_of_every_choice_the_strongest_option_is_taken_none_too() -> None:
    options, taken = options_of("nb201"), set()
    for seed in range(10):
        weights = strengths(options, seed)
        found = Derivation(nb201(), options).strongest(weights)
        assert dict(found) == {name: values[int(weights[name].argmax())] for name, values in options.items()}
        assert len(found) == 6
        taken |= set(found.values())
    assert taken == set(NB201.operations)


@pytest.mark.parametrize("weighed", [False, True])
def test_two_inputs_of_every_node_by_their_strongest_option_that_is_something(weighed: bool) -> None:
    options = options_of("darts")
    for seed in range(5):
        weights = strengths(options, seed)
        for each in weights.values():
            each[0] += 2.0  # `none` is the strongest everywhere
        if weighed:
            generator = torch.Generator().manual_seed(seed)
            weights |= {
                f"{kind}_inputs_{node}": torch.softmax(2 * torch.randn(node, generator=generator), 0)
                for kind in ("normal", "reduce")
                for node in NODES
            }
        found = Derivation(darts(), options).strongest(weights)
        assert "none" not in found.values()
        for kind in ("normal", "reduce"):
            for node in NODES:
                names = [f"{kind}_operation_{source}_{node}" for source in range(node)]
                input_weights = weights.get(f"{kind}_inputs_{node}", torch.ones(node))
                values = [float(weights[name][1:].max() * input_weights[at]) for at, name in enumerate(names)]
                best = sorted(sorted(range(node), key=lambda at: values[at])[-2:])
                assert found[f"{kind}_inputs_{node}"] == tuple(best)
                for source in best:
                    expected = options[names[source]][1 + int(weights[names[source]][1:].argmax())]
                    assert found[names[source]] == expected


def test_it_derives_from_the_options_that_are_left() -> None:
    kept = dict.fromkeys(options_of("nb201"), (SKIP, "conv_3x3"))
    found = Derivation(nb201(), kept).strongest({name: torch.tensor([0.4, 0.6]) for name in kept})
    assert set(found.values()) == {"conv_3x3"}


def test_an_edge_that_is_decided_is_an_input_with_a_weight_of_one() -> None:
    """And its node's others are still those that weigh most; a `none` that is decided is no input."""
    fixed = {"normal_operation_0_5": SKIP, "normal_operation_1_5": "none"}
    space = darts().constrain(None, "", **fixed)
    options = {name: values for name, values in options_of("darts").items() if name not in fixed}
    for seed in range(3):
        weights = strengths(options, seed)
        best = max((2, 3, 4), key=lambda source: float(weights[f"normal_operation_{source}_5"][1:].max()))
        found = Derivation(space, options).strongest(weights)
        assert found["normal_inputs_5"] == (0, best)


# Limits -------------------------------------------------------------------------------------------------------------


def limited(space: Space, limit: float) -> Space:
    return space.constrain(lambda each: cost(space, each)["macs"] <= limit, f"at most {limit:g} macs")


@pytest.mark.parametrize(("name", "seeds"), [("nb201", 2), ("stages", 2), ("darts", 1)])
def test_limits_are_met_and_a_tighter_one_never_gives_a_stronger_network(name: str, seeds: int) -> None:
    space, options, costs = SPACES[name](), options_of(name), table(name)
    for seed in range(seeds):
        weights = strengths(options, seed, 0.3)
        free = Derivation(space, options, costs).strongest(weights)
        least = costs.fixed + sum(float(each.min()) for each in costs.options.values()) / (2 if name == "darts" else 1)
        most = cost(space, free)["macs"]
        limits = [least + (most - least) * share for share in (1.0, 0.6, 0.2)]
        found = [Derivation(limited(space, limit), options, costs).strongest(weights) for limit in limits]
        assert found[0] == free
        assert all(cost(space, each)["macs"] <= limit for each, limit in zip(found, limits, strict=True))
        scores = [score(each, weights, options) for each in found]
        assert all(later <= before + 1e-9 for before, later in pairwise(scores))
        assert scores[-1] < scores[0]


def grid(each: list[Tensor]) -> Tensor:
    """The sum of one entry of each, in all combinations."""
    sums = each[0].double()
    for more in each[1:]:
        sums = (sums[:, None] + more.double()[None]).reshape(-1)
    return sums


def by_table(costs: ChoiceCosts, limit: float) -> Space:
    return nb201().constrain(lambda each: total(costs, each, options_of("nb201")) <= limit, "few")


@pytest.mark.parametrize("counted", [True, False])
def test_by_an_additive_limit_it_is_as_good_as_the_best_of_all_networks(counted: bool) -> None:
    """Of 15,625, by 20 random strengths and limits. Counted costs have three values on an edge, others are drawn."""
    options, rng, gaps = options_of("nb201"), random.Random(0), list[float]()
    for seed in range(20):
        generator = torch.Generator().manual_seed(100 + seed)
        drawn = {name: torch.exp(2 * torch.randn(5, generator=generator)) for name in options}
        costs = table("nb201") if counted else ChoiceCosts("macs", 10.0, drawn)
        weights = strengths(options, seed, (0.05, 0.5, 2.0)[seed % 3])
        all_costs = costs.fixed + grid([costs.options[name] for name in options])
        limit = float(all_costs.quantile(0.02 + 0.5 * rng.random())) + 1e-6
        found = Derivation(by_table(costs, limit), options, costs).strongest(weights)
        scores = grid([weights[name].double().log() for name in options])
        best = float(scores[all_costs <= limit].max())
        gaps.append((best - score(found, weights, options)) / (float(scores.max() - scores.min())))
        assert total(costs, found, options) <= limit
    assert min(gaps) > -1e-9
    assert sum(gap > 1e-6 for gap in gaps) <= 1 and max(gaps) < 0.01


def test_a_limit_below_the_cheapest_is_refused_with_the_least_cost() -> None:
    options = options_of("nb201")
    nothing = nb201().architecture(**dict.fromkeys(options, "none"))
    least = cost(nb201(), nothing)["macs"]
    with pytest.raises(SpaceError, match=rf"\(at most 1 macs\): the cheapest has {least:,} macs"):
        Derivation(limited(nb201(), 1), options, table("nb201")).strongest(strengths(options, 0))


def test_the_least_cost_is_that_of_what_can_be_derived() -> None:
    """`none` is no operation of a derived cell of darts, however cheap it is."""
    options, rng = options_of("darts"), random.Random(0)
    pooling = dict.fromkeys(options, "max_pool_3x3")
    inputs = {name: values for name, values in darts().sample(rng).items() if "inputs" in name}
    least = cost(darts(), darts().architecture(**pooling, **inputs))["macs"]
    nothing = darts().constrain(lambda each: False, "no macs")
    with pytest.raises(SpaceError, match=f"the cheapest has {least:,} macs"):
        Derivation(nothing, options, table("darts")).strongest(strengths(options, 0))


def test_without_a_table_the_least_is_lost_of_what_is_allowed() -> None:
    options = options_of("nb201")
    few = nb201().constrain(lambda each: list(each.values()).count("conv_3x3") <= 3, "three dense convolutions")
    weights = {name: torch.tensor([0.02, 0.08 + 0.01 * at, 0.05, 0.7, 0.1]) for at, name in enumerate(options)}
    found = Derivation(few, options).strongest(weights)
    # Three of six give way: those whose second best is nearest.
    assert list(found.values()) == ["conv_3x3"] * 3 + [SKIP] * 3
    never = nb201().constrain(lambda each: False, "nothing")
    with pytest.raises(SpaceError, match="no network that can be derived is allowed: nothing"):
        Derivation(never, options).strongest(weights)


def test_nodes_have_fewer_inputs_where_nothing_with_as_many_is_allowed() -> None:
    space = held(make_space("cells", PICTURES, nodes=2, operations=["conv_1x1", "conv_3x3"], widths=[4], shrinks=[1]))
    mixture = Mixture(space)
    with ShapesOnly():
        space.build(mixture)
    options = mixture.options
    one = cost(space, space.architecture(**decided(space, options, inputs_2=(1,))))["macs"]
    two = cost(space, space.architecture(**decided(space, options, inputs_2=(0, 1))))["macs"]
    assert one < two
    costs = choice_costs(space, "macs", PICTURES.shape)
    found = Derivation(limited(space, one), options, costs).strongest(strengths(options, 0))
    assert len(found["inputs_2"]) == 1 and cost(space, found)["macs"] <= one
    assert len(Derivation(limited(space, two), options, costs).strongest(strengths(options, 0))["inputs_2"]) == 2
    with pytest.raises(SpaceError, match=f"the cheapest has {one:,} macs"):
        Derivation(limited(space, one - 1), options, costs).strongest(strengths(options, 0))


def decided(space: Space, options: Options, **inputs: tuple[int, ...]) -> dict[str, Option]:
    """Every operation a 1 × 1 convolution, on these inputs."""
    found: dict[str, Option] = {"inputs_1": (0,), **inputs}
    for name, choice in space.choices.items():
        if name not in found and space.exists(choice, found):
            found[name] = "conv_1x1" if name in options else next(choice.options())
    return found


def test_a_cell_has_few_skips_within_limits_too() -> None:
    options, costs = options_of("nb201"), table("nb201")
    weights = {name: torch.tensor([0.05, 0.7 - 0.01 * at, 0.1, 0.1, 0.05]) for at, name in enumerate(options)}
    few = Derivation(nb201(), options, costs, most_skips=2).strongest(weights)
    assert skips(Derivation(nb201(), options, costs).strongest(weights)) == 6
    assert [few[name] == SKIP for name in options] == [True, True, False, False, False, False]  # the strongest two
    least = cost(nb201(), nb201().architecture(**dict.fromkeys(options, "none")))["macs"]
    for limit in (least, least + 4000, least + 40_000):
        found = Derivation(limited(nb201(), limit), options, costs, most_skips=2).strongest(weights)
        assert skips(found) == 2


def test_a_limit_counts_for_more_than_the_number_of_skips() -> None:
    options = dict.fromkeys(options_of("nb201"), (SKIP, "conv_3x3"))
    space = nb201().constrain(None, "", **{name: list(values) for name, values in options.items()})
    costs = ChoiceCosts("macs", 0.0, {name: torch.tensor([0.0, 1.0]) for name in options})
    tight = space.constrain(lambda each: list(each.values()).count("conv_3x3") <= 1, "one convolution")
    found = Derivation(tight, options, costs, most_skips=2).strongest(strengths(options, 0))
    assert skips(found) == 5


def test_skips_that_nothing_could_replace_stay() -> None:
    """`none` is no replacement on the inputs of a node."""
    options = dict.fromkeys(options_of("darts"), ("none", SKIP))
    found = Derivation(darts(), options, most_skips=2).strongest(strengths(options, 0))
    assert {found[name] for name in found if name in options} == {SKIP}


# Draws --------------------------------------------------------------------------------------------------------------


def test_draws_follow_the_weights() -> None:
    options, rng, draws = options_of("nb201"), random.Random(0), 400
    weights = strengths(options, 1, 0.7)
    derivation = Derivation(nb201(), options)
    counts = {name: torch.zeros(5) for name in options}
    for _ in range(draws):
        drawn = derivation.sample(weights, rng)
        assert drawn is not None
        for name, value in drawn.items():
            counts[name][options[name].index(value)] += 1
    distances = [((counts[name] - draws * weights[name]).square() / (draws * weights[name])).sum() for name in options]
    assert float(torch.stack(distances).sum()) < 51.2  # chi-square, 24 degrees of freedom, one in a thousand


def test_draws_are_within_limits_and_none_where_nothing_is() -> None:
    options, rng = options_of("nb201"), random.Random(0)
    weights = strengths(options, 1)
    part = limited(nb201(), 60_000)
    drawn = [Derivation(part, options).sample(weights, rng) for _ in range(20)]
    assert all(each is not None and cost(nb201(), each)["macs"] <= 60_000 for each in drawn)
    assert len({each.key for each in drawn if each is not None}) > 5
    assert Derivation(limited(nb201(), 1), options).sample(weights, rng, tries=5) is None


def test_draws_of_inputs_follow_what_their_options_weigh() -> None:
    options, rng = options_of("darts"), random.Random(0)
    weights = {name: torch.full((len(values),), 1 / len(values)) for name, values in options.items()}
    weights["normal_inputs_4"] = torch.tensor([0.0, 0.5, 0.5, 0.0])
    derivation = Derivation(darts(), options)
    drawn = [derivation.sample(weights, rng) for _ in range(20)]
    assert all(each is not None and each["normal_inputs_4"] == (1, 2) for each in drawn)
    assert all(each is not None and "none" not in each.values() for each in drawn)
    assert len({each["normal_inputs_5"] for each in drawn if each is not None}) > 3


def test_what_an_exchange_brings_into_being_is_decided_too() -> None:
    """An inverted bottleneck has an expansion, which the block that it takes the place of has not."""
    space = make_space("stages", PICTURES, per_block=True, widths=((4, 8), (8, 16)), depths=(2,), resolutions=(1.0,))
    numbers = {name: choice.values[-1] for name, choice in space.choices.items() if not name.startswith("block")}
    part = space.constrain(None, "", **numbers)
    relaxed, rng = Relaxed(part), random.Random(0)
    costs = choice_costs(part, "macs", PICTURES.shape)
    for _ in range(20):
        strengths = {name: torch.rand(len(values)).softmax(0) for name, values in relaxed.options.items()}
        limit = rng.choice([cost(space, part.sample(rng))["macs"] for _ in range(5)])
        within = part.constrain(lambda one: cost(space, one)["macs"] <= limit, "macs")  # noqa: B023
        found = Derivation(within, relaxed.options, costs).strongest(strengths)
        assert dict(within.architecture(**dict(found.items())).items()) == dict(found.items())
