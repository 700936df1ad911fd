"""Limits that hardly any network meets: they are walked to; where none does, the least that was found is named."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from azora.automl.nearest import Nearest
from azora.automl.setting import Within
from azora.errors import SpaceError
from azora.networks.complexity import cost
from azora.networks.registry import make_space
from azora.space import Integer, Option, Space
from azora.tasks import Signature
from azora.trial import Limit

PICTURES = Signature("classification", (1, 8, 8), 10)


@pytest.fixture(scope="module")
def stages() -> Space:
    return make_space("stages", PICTURES)


def test_a_narrow_limit_is_met_by_what_is_walked_to(stages: Space) -> None:
    limits = (Limit("macs", 12_000), Limit("memory", 45_000))
    space = Within(stages, limits).constrained(0)
    assert space.planted
    for seed in range(5):
        about = cost(stages, space.sample(random.Random(seed)))
        assert about["macs"] <= 12_000 and about["memory"] <= 45_000


def test_what_a_wide_limit_plants_changes_no_draw(stages: Space) -> None:
    limits = (Limit("macs", 10_000_000),)
    space, plain = Within(stages, limits).constrained(0), stages.constrain(Within(stages, limits), "wide")
    assert len(space.planted) == 1
    assert [space.sample(random.Random(seed)) for seed in range(20)] == [
        plain.sample(random.Random(seed)) for seed in range(20)
    ]


def test_a_network_that_was_found_soon_by_luck_alone_is_there_for_later_draws() -> None:
    class Lucky(Space):
        """One of a million networks costs little: that which is drawn first."""

        def __init__(self) -> None:
            super().__init__("lucky", [Integer("number", 0, 999_999)])
            self.first = self.sample(random.Random(0))["number"]

        def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
            return {"macs": 1 if decisions["number"] == self.first else 100}

    whole = Lucky()
    space = Within(whole, (Limit("macs", 10),)).constrained(0)
    assert space.sample(random.Random(1))["number"] == whole.first


def test_where_nothing_is_the_least_found_is_near_the_smallest_there_is(stages: Space) -> None:
    within = Within(stages, (Limit("macs", 100),))
    with pytest.raises(SpaceError, match="no network within macs ≤ 100 was found in stages; the smallest found"):
        within.constrained(0)
    rng = random.Random(1)
    assert within.nearest.costs["macs"] < min(cost(stages, stages.sample(rng))["macs"] for _ in range(100))


def test_where_limits_fail_together_the_costs_of_one_network_are_told() -> None:
    """One has few enough of each, but none of both."""
    nearest = Nearest([Limit("macs", 2000), Limit("params", 20)])
    shares = [nearest.see({"macs": macs, "params": params}) for macs, params in ((100, 90), (6000, 50), (9000, 1))]
    assert shares == [4.5, 3.0, 4.5]
    assert nearest.told("found") == "the nearest found has macs 6,000, params 50"
    assert str(nearest) == "macs ≤ 2,000 and params ≤ 20"


def test_the_same_seed_plants_the_same(stages: Space) -> None:
    limits = (Limit("macs", 12_000),)
    first, second = (Within(stages, limits).constrained(3).planted for _ in range(2))
    assert first == second
