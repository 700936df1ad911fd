"""Drawing from a policy: the contract, and that it is the policy that is drawn from."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from azora.space import Space
from azora.strategies import Strategy
from azora.strategies.policy_training import enas_policy
from azora.strategies.sampled import Sampled
from azora.testing import StrategyContract, tiny_space


def sampled(space: Space, seed: int) -> Strategy:
    return Sampled(space, seed, policy=enas_policy(space, seed))


class TestSampled(StrategyContract):
    @pytest.fixture
    def make(self) -> Callable[[Space, int], Strategy]:
        return sampled


def test_what_the_policy_has_learned_is_what_is_drawn() -> None:
    space = tiny_space()
    policy = enas_policy(space, rate=0.1)
    for update in range(60):
        drawn = [made for made, _ in policy.draw(random.Random(update), 10)]
        policy.update(drawn, [float(made["first"] == "conv") - 0.5 for made in drawn])
    strategy = Sampled(space, policy=policy)
    asked = [proposal for _ in range(20) if (proposal := strategy.ask()) is not None]
    assert (
        sum(each.architecture["first"] == "conv" for each in asked) >= 13
    )  # logits are bounded: four in five at most, one in three without learning
    assert all(each.origin == "policy" for each in asked)
    assert len({each.architecture.key for each in asked}) == 20


def test_draws_outside_of_the_space_are_left_out() -> None:
    space = tiny_space()
    part = space.constrain(None, "", depth=1)
    strategy = Sampled(part, policy=enas_policy(space))
    asked = [proposal for _ in range(10) if (proposal := strategy.ask()) is not None]
    assert all(each.architecture["depth"] == 1 for each in asked)
