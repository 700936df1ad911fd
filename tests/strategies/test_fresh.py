"""Points that were not asked for yet, where hardly a draw is valid."""

from __future__ import annotations

import random

import pytest

from azora.errors import SpaceError
from azora.space import Categorical, Space
from azora.strategies import RandomSearch
from azora.strategies.fresh import stranger


def two_of(count: int) -> Space:
    """Two points of `count` to the fourth."""
    whole = Space("narrow", [Categorical(f"at_{place}", tuple(range(count))) for place in range(4)])
    return whole.constrain(lambda each: each["at_0"] < 2 and {each[f"at_{place}"] for place in (1, 2, 3)} == {0}, "few")


def test_a_small_space_is_gone_through_where_draws_find_nothing() -> None:
    strategy = RandomSearch(two_of(11), 0)
    found = [proposal for _ in range(2) if (proposal := strategy.ask()) is not None]
    assert {each.architecture["at_0"] for each in found} == {0, 1}
    assert strategy.ask() is None


def test_of_a_large_space_it_is_told_that_draws_find_nothing() -> None:
    with pytest.raises(SpaceError, match="none of 1000 draws was valid: few"):
        stranger(two_of(90), set(), random.Random(0))
