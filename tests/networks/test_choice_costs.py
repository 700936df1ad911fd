"""What networks cost by their choices, before any of them is built."""

from __future__ import annotations

import random

import pytest
import torch
from tests.networks.deriving import PICTURES, SKIP, SPACES, nb201, options_of, table

from azora.errors import ConfigError
from azora.networks.cell import live
from azora.networks.choice_costs import choice_costs
from azora.networks.complexity import cost
from azora.networks.four_nodes import edges_of
from azora.networks.mixture import Relaxed
from azora.networks.nb201 import NB201
from azora.space import Architecture, Space


def whole(space: Space, rng: random.Random) -> Architecture:
    """A network without dead edges: what hangs on a `none` alone is not built, but the table knows no other edges."""
    while True:
        drawn = space.sample(rng)
        if not isinstance(space, NB201):
            return drawn
        edges = {edge: name for edge, name in edges_of(drawn).items() if name != "none"}
        if live(edges, 3, loose=False)[0] == sorted(edges):
            return drawn


@pytest.mark.parametrize("quantity", ["macs", "params"])
@pytest.mark.parametrize("name", SPACES)
def test_counted_tables_add_up_to_what_networks_cost(name: str, quantity: str) -> None:
    space, costs, rng = SPACES[name](), table(name, quantity), random.Random(0)
    made, found = Relaxed(space), set()
    assert {each: len(values) for each, values in made.options.items()} == {
        each: len(values) for each, values in costs.options.items()
    }
    for _ in range(4 if name == "darts" else 8):
        architecture = whole(space, rng)
        made.decide(architecture)
        expected = cost(space, architecture)[quantity]
        assert float(costs.expected(made.expected())) == expected
        found.add(expected)
    assert len(found) > 1


def test_dead_edges_are_in_the_table_and_not_in_the_network() -> None:
    made = Relaxed(nb201())
    dead = dict.fromkeys(options_of("nb201"), "none") | {"operation_0_1": "conv_3x3", "operation_0_3": SKIP}
    architecture = nb201().architecture(**dead)
    made.decide(architecture)
    difference = float(table("nb201").expected(made.expected())) - cost(nb201(), architecture)["macs"]
    assert difference == 3 * 9 * 4 * 4 * 8 * 8 == float(table("nb201").options["operation_0_1"][3])


def test_a_table_of_kept_options_is_a_part_of_the_whole_one() -> None:
    kept = {"operation_0_1": ("none", "conv_1x1")}
    part = choice_costs(nb201(), "macs", PICTURES.shape, kept)
    names = list(NB201.operations)
    for name, each in table("nb201").options.items():
        places = [names.index(value) for value in kept.get(name, NB201.operations)]
        assert torch.equal(part.options[name], each[places])
    assert part.fixed == table("nb201").fixed


def test_latencies_are_measured() -> None:
    space = NB201(PICTURES, width=16, depth=1).constrain(
        None, "", **dict.fromkeys(list(options_of("nb201"))[1:], "conv_1x1")
    )
    costs = choice_costs(space, "latency", PICTURES.shape)
    (microseconds,) = costs.options.values()
    assert costs.quantity == "latency" and costs.fixed > 1 and bool((microseconds > 0).all())
    assert float(microseconds[3]) > max(1.0, float(microseconds[1]))  # a dense 3 × 3, a skip


def test_unknown_costs_are_refused() -> None:
    with pytest.raises(ConfigError, match="no cost 'mac'; did you mean 'macs'"):
        choice_costs(nb201(), "mac", PICTURES.shape)
