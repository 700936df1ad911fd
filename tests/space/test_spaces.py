"""Choices, conditions, rules, moves and products."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azora.errors import SpaceError
from azora.space import Architecture, Categorical, Choice, Integer, Product, Real, Rule, Space, Subset, When
from azora.testing.strategy_contract import tiny_space


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Random spaces: every kind of choice, with conditions on earlier categorical choices and subsets."""
    choices: list[Choice] = []
    for place in range(draw(st.integers(1, 6))):
        parents = [choice for choice in choices if isinstance(choice, Categorical | Subset)]
        when: tuple[When, ...] = ()
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            options = parent.items if isinstance(parent, Subset) else parent.values
            among = draw(st.lists(st.sampled_from(options), min_size=1, max_size=2, unique=True))
            when = (When(parent.name, tuple(among)),)
        name = f"c{place}"
        kind = draw(st.sampled_from(("words", "numbers", "integer", "real", "subset")))
        low = draw(st.integers(1, 5))
        if kind == "words":
            choices.append(Categorical(name, tuple("abcd"[: draw(st.integers(1, 4))]), when))
        elif kind == "numbers":
            choices.append(Categorical(name, (1, 2, 4), when))
        elif kind == "integer":
            choices.append(Integer(name, low, low + draw(st.integers(0, 20)), draw(st.booleans()), when))
        elif kind == "real":
            choices.append(Real(name, float(low), low + draw(st.floats(0.5, 9.0)), draw(st.booleans()), when))
        else:
            choices.append(Subset(name, (0, 1, 2), 1, draw(st.integers(1, 3)), when))
    return Space("random", choices)


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 1000))
def test_round_trip_moves_and_encoding(space: Space, seed: int) -> None:
    rng = random.Random(seed)
    first, second = space.sample(rng), space.sample(rng)
    assert space.parse(json.loads(json.dumps(first.to_json()))) == first
    assert space.architecture(**first) == first
    assert len(space.encode(first)) == len(space.encode(second)) == len(space.columns)
    assert all(0 <= number <= 1 for number in space.encode(first))
    for uniform in (False, True):
        child = space.cross(first, second, rng, uniform)
        assert space.architecture(**child).key == child.key
    for near in space.neighbours(first):
        assert near.key != first.key
        assert space.architecture(**near).key == near.key
    if any(space.choices[name].varies for name in first):
        moved = space.mutate(first, rng)
        assert moved.key != first.key
        assert space.architecture(**moved).key == moved.key


@settings(max_examples=40, deadline=None)
@given(spaces())
def test_size_is_the_number_of_points(space: Space) -> None:
    size = space.size()
    endless = any(choice.count() is None for choice in space.choices.values())
    if size is not None and size <= 3000 and not endless:
        assert size == sum(1 for _ in space)


def test_size_counts_under_rules_exactly() -> None:
    choices = [Categorical("a", (1, 2, 3)), Categorical("b", (1, 2, 3)), Categorical("c", tuple("wxyz"))]
    rule = Rule("a below b", lambda kept: kept["a"] < kept["b"], ("a", "b"))
    space = Space("ruled", choices, [rule])
    assert space.size() == 12 == sum(1 for _ in space)
    with pytest.raises(SpaceError, match="a below b"):
        space.architecture(a=2, b=1, c="w")


def test_keys_are_the_same_in_other_processes_and_hash_seeds() -> None:
    here = tiny_space().sample(random.Random(5)).key
    script = (
        "import random; from azora.testing.strategy_contract import tiny_space;"
        "print(tiny_space().sample(random.Random(5)).key)"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == here


def test_numbers_that_are_equal_are_one() -> None:
    space = Space("numbers", [Real("rate", 0.0, 4.0), Integer("count", 0, 4), Categorical("width", (1, 2))])
    assert space.architecture(rate=1, count=1.0, width=2.0) == space.architecture(rate=1.0, count=1, width=2)


def test_an_architecture_is_a_value() -> None:
    architecture = tiny_space().sample(random.Random(0))
    with pytest.raises(AttributeError, match="is a value"):
        architecture.key = "other"
    assert len({architecture, tiny_space().sample(random.Random(0))}) == 1


def test_decisions_that_do_not_exist_are_dropped() -> None:
    space = tiny_space()
    kept = space.architecture(depth=1, first="conv", second="pool", inputs=(0,), width=8, rate=0.1)
    assert "second" not in kept and "inputs" not in kept
    assert kept == space.architecture(depth=1, first="conv", width=8, rate=0.1)


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        ({"depht": 1}, "there is no choice 'depht'; did you mean 'depth'"),
        ({"depth": 1}, "nothing is decided for 'first'"),
        ({"depth": 7}, "depth=7 is not one of 1, 2, 3"),
        ({"depth": 1, "first": "conv", "width": 3, "rate": 0.1}, "width=3 is not between 4 and 64"),
        ({"depth": 1, "first": "conv", "width": 4.5, "rate": 0.1}, "width=4.5 is not a whole number"),
        ({"depth": 1, "first": "conv", "width": 8, "rate": float("nan")}, "rate=nan is not a number"),
        ({"depth": 3, "first": "conv", "second": "conv", "inputs": (0, 1, 2), "width": 8, "rate": 1}, "1 to 2"),
    ],
)
def test_what_cannot_be_is_refused_in_words(decisions: dict[str, object], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        tiny_space().architecture(**decisions)


def test_a_condition_on_what_comes_later_is_refused() -> None:
    with pytest.raises(SpaceError, match="depends on 'b', which is not decided before"):
        Space("wrong", [Categorical("a", (1,), (When("b", (1,)),)), Categorical("b", (1, 2))])


def test_a_product_projects_and_keeps_names_apart() -> None:
    recipe = Space("recipe", [Real("rate", 0.01, 1.0, log=True)])
    product = Product(network=tiny_space(), recipe=recipe)
    whole = product.sample(random.Random(1))
    assert set(product.project(whole, "recipe")) == {"rate"}
    part = product.project(whole, "network")
    assert part == tiny_space().architecture(**part)
    with pytest.raises(SpaceError, match="0 parts have a network"):
        product.build(None)


def test_constraining_keeps_keys_columns_and_fingerprint() -> None:
    space = tiny_space()
    part = space.constrain(lambda architecture: architecture["width"] < 10, "narrow", depth=2, first=["conv", "pool"])
    architecture = part.sample(random.Random(0))
    assert architecture["depth"] == 2 and architecture["width"] < 10 and architecture["first"] != "skip"
    assert space.architecture(**architecture) == architecture
    assert part.columns == space.columns and part.fingerprint == space.fingerprint
    with pytest.raises(SpaceError, match="narrow"):
        part.architecture(**{**architecture, "width": 60})


def test_an_empty_part_says_which_constraint_emptied_it() -> None:
    with pytest.raises(SpaceError, match="none of 1000 draws was valid: width below zero"):
        tiny_space().constrain(lambda architecture: architecture["width"] < 0, "width below zero").sample(
            random.Random(0)
        )


def test_equal_networks_have_one_key_and_mutation_never_is_a_no_op() -> None:
    class Folded(Space):
        def representative(self, decisions: dict[str, object]) -> object:  # type: ignore[override]
            return sorted(str(value) for value in decisions.values())

    space = Folded("folded", [Categorical("a", ("x", "y")), Categorical("b", ("x", "y"))])
    assert space.architecture(a="x", b="y") == space.architecture(a="y", b="x")
    assert len({architecture.key for architecture in space}) == 3
    start: Architecture = space.architecture(a="x", b="y")
    assert all(space.mutate(start, random.Random(seed)) != start for seed in range(20))


def test_numbers_of_an_interval_step_by_a_tenth_of_it() -> None:
    assert list(Integer("few", 1, 5).neighbours(3)) == [2, 4]
    assert list(Integer("few", 1, 5).neighbours(5)) == [4]
    assert list(Integer("many", 0, 100).neighbours(50)) == [40, 60]
    assert list(Integer("many", 0, 100).neighbours(97)) == [87, 100]
    low, high = Integer("width", 4, 64, log=True).neighbours(16)
    assert (low, high) == (12, 21)
    assert list(Real("rate", 0.0, 1.0).neighbours(0.5)) == pytest.approx([0.4, 0.6])


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 1000))
def test_varying_stays_in_the_space_and_does_nothing_at_rate_zero(space: Space, seed: int) -> None:
    rng = random.Random(seed)
    parent = space.sample(rng)
    assert space.vary(parent, rng, lambda choice: 0.0) == parent
    child = space.vary(parent, rng, lambda choice: 1.0)
    assert space.architecture(**child).key == child.key
    changed = [name for name in child if name in parent and child[name] != parent[name]]
    lasting = [name for name in child if name in parent and space.choices[name].varies]
    assert changed == lasting


def test_about_one_decision_varies_where_no_rate_is_given() -> None:
    space = Space("ten", [Categorical(f"c{place}", tuple("abcd")) for place in range(10)])
    rng = random.Random(0)
    parent = space.sample(rng)
    children = [space.vary(parent, rng) for _ in range(300)]
    changes = sum(parent[name] != child[name] for child in children for name in parent)
    assert 0.8 < changes / 300 < 1.2


def test_a_child_that_would_break_a_rule_is_not_made() -> None:
    rule = Rule("a below b", lambda kept: kept["a"] < kept["b"], ("a", "b"))
    space = Space("ruled", [Categorical("a", (1, 2, 3)), Categorical("b", (1, 2, 3))], [rule])
    parent = space.architecture(a=1, b=2)
    assert all(child["a"] < child["b"] for child in (space.vary(parent, random.Random(seed)) for seed in range(50)))
    assert space.valid({"a": 2, "b": 1}) is None
    assert space.valid({"a": 1, "b": 2}) == parent


def test_what_is_remembered_of_a_space_is_bounded_and_right() -> None:
    space = Space("mixed", [Categorical("a", (1, True, "x")), Categorical("b", tuple(range(200)))])
    assert space.architecture(a=1, b=3) != space.architecture(a=True, b=3)
    pairs = Space("pairs", [Categorical("a", tuple(range(200))), Categorical("b", tuple(range(200)))])
    keys = {architecture.key for architecture in pairs}
    assert len(keys) == 40_000
    assert len(pairs._remembered) <= 20_000
    assert pairs.architecture(a=7, b=9) is pairs.architecture(b=9, a=7)


def test_where_draws_are_hardly_ever_valid_a_planted_point_is_walked_from() -> None:
    whole = Space("many", [Integer(f"number_{place}", 0, 9) for place in range(8)])
    small = whole.constrain(lambda architecture: sum(architecture.values()) <= 3, "a small sum")
    with pytest.raises(SpaceError, match="none of 1000 draws was valid: a small sum"):
        small.sample(random.Random(0))
    small.plant([whole.architecture(**{f"number_{place}": 0 for place in range(8)})])
    drawn = [small.sample(random.Random(seed)) for seed in range(20)]
    assert all(sum(each.values()) <= 3 for each in drawn)
    assert len({each.key for each in drawn}) > 5
    assert small.sample(random.Random(4)) == small.sample(random.Random(4))


def test_what_is_planted_serves_parts_where_it_is_valid() -> None:
    whole = Space("many", [Integer(f"number_{place}", 0, 9) for place in range(8)])
    small = whole.constrain(lambda architecture: sum(architecture.values()) <= 3, "a small sum")
    small.plant([whole.architecture(**{f"number_{place}": int(place == 7) for place in range(8)})])
    assert small.constrain(None, "", number_7=1).sample(random.Random(0))["number_7"] == 1
    with pytest.raises(SpaceError, match="draws was valid"):
        small.constrain(None, "", number_7=4).sample(random.Random(0))


def test_what_is_planted_before_a_part_is_fixed_serves_after() -> None:
    """Limits plant points of networks with any recipe; the recipe is fixed where weights are shared."""
    network = Space("many", [Integer(f"number_{place}", 0, 9) for place in range(8)])
    recipe = Space("recipe", [Real("rate", 0.0, 1.0), Categorical("norm", ("batch", "group"))])
    whole = Product(network=network, recipe=recipe)

    def small(architecture: Architecture) -> bool:
        return sum(architecture[f"network.number_{place}"] for place in range(8)) <= 3

    limited = whole.constrain(small, "a small sum")
    zeros = {f"network.number_{place}": 0 for place in range(8)}
    limited.plant([whole.architecture(**zeros, **{"recipe.rate": 0.25, "recipe.norm": "group"})])
    fixed = limited.constrain(None, "the usual recipe", **{"recipe.rate": 0.5, "recipe.norm": "batch"})
    drawn = [fixed.sample(random.Random(seed)) for seed in range(20)]
    assert all(small(each) and each["recipe.rate"] == 0.5 and each["recipe.norm"] == "batch" for each in drawn)
    assert len({each.key for each in drawn}) > 5


def test_a_rule_without_a_reason_holds_too() -> None:
    low = Space("one", [Integer("number", 0, 9)]).constrain(lambda architecture: architecture["number"] < 3, "")
    assert {low.sample(random.Random(seed))["number"] for seed in range(40)} == {0, 1, 2}
