"""A strategy that thinks for an epoch before it asks: the contract, with a learner that draws, and its epochs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import final

import pytest

from azora.space import Architecture, Space
from azora.strategies import Strategy
from azora.strategies.differentiable import Differentiable
from azora.testing import StrategyContract, tiny_space


@final
class Drawing:
    """Favours another point after every epoch, and says which epochs it was asked for."""

    def __init__(self, space: Space, seed: int, last: int = 10_000) -> None:
        self.space, self.seed, self.last, self.epoch = space, seed, last, 0
        self.learned: list[int] = []

    def learn(self, epoch: int) -> bool:
        self.learned.append(epoch)
        self.epoch = epoch
        return epoch <= self.last

    def favoured(self) -> Architecture:
        return self.space.sample(random.Random(f"{self.seed} {self.epoch}"))


def make_one(space: Space, seed: int) -> Strategy:
    return Differentiable(space, seed, learning=Drawing(space, seed))


class TestDifferentiable(StrategyContract):
    @pytest.fixture
    def make(self) -> Callable[[Space, int], Strategy]:
        return make_one


def test_each_ask_learns_an_epoch_and_the_last_one_nothing() -> None:
    learner = Drawing(tiny_space(), 0, last=3)
    strategy = Differentiable(learner.space, 0, learning=learner)
    asked = [strategy.ask() for _ in range(4)]
    assert [None if each is None else each.budget for each in asked] == [1.0, 2.0, 3.0, None]
    assert learner.learned == [1, 2, 3, 4]
    assert asked[0] is not None and asked[0].origin == "favoured after epoch 1"


def test_what_was_asked_before_is_not_learned_again() -> None:
    first = make_one(tiny_space(), 0)
    events = [("asked", proposal) for _ in range(3) if (proposal := first.ask()) is not None]
    learner = Drawing(tiny_space(), 0)
    later = Differentiable(learner.space, 0, learning=learner)
    later.replay(events)
    assert later.ask() == first.ask()
    assert learner.learned == [4]
