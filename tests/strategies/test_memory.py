"""Searches that begin with what other tasks taught."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from azora.errors import ConfigError
from azora.space import Architecture, Categorical, Option, Space
from azora.strategies.bayesian import Bayesian
from azora.strategies.begun import FIRST, Begun
from azora.strategies.candidates import Candidates, Value
from azora.strategies.memory import Memory, Remembered, lift, portfolio
from azora.strategies.random_search import RandomSearch
from azora.strategies.registry import make_strategy
from azora.strategies.strategy import Strategy
from azora.strategies.surrogates import Description
from azora.testing import StrategyContract
from azora.testing.strategy_contract import judge, tiny_space
from azora.trial import Proposal, Report

Score = Callable[[Architecture], float]


def wide() -> Space:
    """4,096 points: six choices of four options each."""
    return Space("wide", [Categorical(f"at_{place}", (0, 1, 2, 3)) for place in range(6)])


def good(architecture: Architecture) -> float:
    values = [int(value) for value in architecture.values()]
    return sum(value * weight for value, weight in zip(values, (5, 4, 3, 2, 1, 1), strict=True)) + values[0] * values[1]


def remember(space: Space, score: Score, count: int = 60, seed: int = 0, **words: Any) -> Remembered:
    rng = random.Random(seed)
    drawn = list({each.key: each for each in (space.sample(rng) for _ in range(count))}.values())
    return Remembered(words.pop("task", "other"), tuple(drawn), tuple(score(each) for each in drawn), **words)


def best_after(strategy: Strategy, queries: int, score: Score = good) -> float:
    found = []
    for _ in range(queries):
        proposal = strategy.ask()
        assert proposal is not None
        found.append(score(proposal.architecture))
        strategy.tell(proposal, Report({"accuracy": found[-1]}))
    return max(found)


class TestBayesianWithMemory(StrategyContract):
    length = 16

    @pytest.fixture
    def make(self) -> Callable[[Space, int], Strategy]:
        def made(space: Space, seed: int) -> Strategy:
            memory = remember(tiny_space(), lambda each: judge(Proposal(each)).metrics["accuracy"], 30)
            return Bayesian(space, seed, memory=[memory])

        return made


class TestBegun(StrategyContract):
    @pytest.fixture
    def make(self) -> Callable[[Space, int], Strategy]:
        def made(space: Space, seed: int) -> Strategy:
            memory = remember(tiny_space(), lambda each: judge(Proposal(each)).metrics["accuracy"], 30)
            return Begun(RandomSearch(space, seed), [memory], points=4)

        return made


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"scores": (1.0,)}, "2 architectures and 1 scores"),
        ({"architectures": (), "scores": ()}, "two at least"),
        ({"likeness": 1.5}, "likeness 1.5 must be from 0 to 1"),
    ],
)
def test_a_memory_holds_together(words: dict[str, Any], said: str) -> None:
    space = wide()
    two = (space.sample(random.Random(0)), space.sample(random.Random(1)))
    with pytest.raises(ConfigError, match=said):
        Remembered(**{"task": "other", "architectures": two, "scores": (1.0, 2.0), **words})


def test_fewer_are_some_of_them_and_the_best_come_first() -> None:
    memory = remember(wide(), good)
    some = memory.fewer(10, random.Random(0))
    assert len(some.scores) == 10 and set(some.architectures) < set(memory.architectures)
    assert all(good(each) == score for each, score in zip(some.architectures, some.scores, strict=True))
    assert memory.fewer(500, random.Random(0)) is memory
    ranked = [good(each) for each in memory.best(5)]
    assert ranked == sorted(memory.scores, reverse=True)[:5]


def test_a_memory_is_believed_for_as_long_as_it_orders_what_is_found() -> None:
    space = wide()
    memory = Memory(
        space,
        [remember(space, good), remember(space, lambda each: -good(each)), remember(space, good, 60, 3, likeness=0.5)],
    )
    describe = Description(space)
    none = memory.weights(np.zeros((3, 0)), [], [])
    assert none.tolist() == [pytest.approx(2 * 5 / 6 - 1)] * 2 + [0.0]
    judged = [space.sample(random.Random(seed)) for seed in range(8)]
    orders = [(good(each),) for each in judged]
    weights = memory.weights(memory.means(describe, describe(judged)), orders, [None] * 8)
    assert weights[0] > 0.7 and weights[1] == 0.0 and weights[2] > 0.5
    apart = memory.weights(memory.means(describe, describe(judged)), orders, [float(each) for each in range(8)])
    assert apart.tolist() == none.tolist()  # nothing that was trained for different times is compared
    rows = describe(judged)
    assert memory.prior(describe, np.zeros(3))(rows).tolist() == [0.0] * 8
    one = memory.prior(describe, np.array([1.0, 0.0, 0.0]))(rows)
    np.testing.assert_allclose(one, memory.means(describe, rows)[0])
    # Two that agree say no more than one of them.
    half = memory.prior(describe, np.array([0.5, 0.0, 0.5]))(rows)
    np.testing.assert_allclose(half, 0.5 * memory.means(describe, rows)[[0, 2]].mean(0))


def by_pairs(memory: Memory, means: Any, orders: Any, levels: Any) -> list[float]:
    """`Memory.weights`, pair by pair."""
    right, pairs = np.zeros(len(memory.remembered)), 0
    for later in range(len(orders)):
        for earlier in range(later):
            if orders[later] != orders[earlier] and levels[later] == levels[earlier]:
                pairs += 1
                right += (means[:, later] > means[:, earlier]) == (orders[later] > orders[earlier])
    likeness = np.array([each.likeness for each in memory.remembered])
    weights = 2.0 * (5 / 3 * likeness + right) / (2.0 + pairs) - 1.0
    return [0.0 if weight < 0.2 else float(weight) for weight in weights]


@pytest.mark.parametrize("count", [0, 1, 2, 40])
@pytest.mark.parametrize("seed", range(4))
def test_weights_are_those_of_all_pairs(count: int, seed: int) -> None:
    rng, space = random.Random(seed), wide()
    memory = Memory(space, [remember(space, good, likeness=rng.random()) for _ in range(5)])
    # Ties in what is expected, in scores, and in both of an order; failures; three levels.
    means = np.array([[float(rng.randrange(6) + 3 * (place < 3) * at) for at in range(count)] for place in range(5)])
    scores = [rng.choice([-np.inf, 0.5 + at / 20, 0.7]) for at in range(count)]
    orders = [(score, -rng.random() if rng.random() < 0.5 else -1.0) for score in scores]
    levels = [rng.choice([None, 1.0, 3.0]) for _ in range(count)]
    found = memory.weights(means.reshape(5, count), orders, levels)
    assert found.tolist() == by_pairs(memory, means, orders, levels)


def test_several_tasks_that_agree_are_doubted_less_than_one() -> None:
    space = wide()

    def somewhat(architecture: Architecture) -> float:
        return good(architecture) + 8.0 * random.Random(architecture.key).random()

    def drawn(tasks: int) -> int:
        memory = [remember(space, good, 60, each, likeness=0.8) for each in range(tasks)]
        strategies = [Bayesian(space, seed, memory=memory) for seed in range(5)]
        for strategy in strategies:
            best_after(strategy, 9, somewhat)
        return sum(strategy.strangers for strategy in strategies)

    assert drawn(4) == 5 < drawn(1)  # one a search, to see whether memory is right


def test_what_memory_expects_most_of_comes_first_and_then_the_acquisition_decides() -> None:
    space = wide()
    strategy = Bayesian(space, 0, start=6, memory=[remember(space, good, 60, each) for each in range(3)])
    origins = list[str]()
    for _ in range(8):
        proposal = strategy.ask()
        assert proposal is not None
        origins.append(proposal.origin)
        strategy.tell(proposal, Report({"accuracy": good(proposal.architecture)}))
    assert origins[0] == origins[2] == "expected from other, other, other" and origins[1].startswith("random: ")
    assert origins[3:] == ["mean of gp"] * 3 + ["ei of gp"] * 2


def test_a_thousand_judgements_are_weighed_in_a_moment() -> None:
    rng, space = np.random.default_rng(0), wide()
    memory = Memory(space, [remember(space, good) for _ in range(8)])
    orders = [(float(score), 0.0) for score in rng.random(1000)]
    began = time.process_time()
    memory.weights(rng.random((8, 1000)), orders, [None] * 1000)
    assert time.process_time() - began < 1.0  # pair by pair it was more than two seconds


def test_a_memory_is_weighed_once_for_what_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    weighed, weights = list[int](), Memory.weights

    def counted(self: Memory, means: Any, orders: Any, levels: Any) -> Any:
        weighed.append(len(orders))
        return weights(self, means, orders, levels)

    monkeypatch.setattr(Memory, "weights", counted)
    strategy = Bayesian(wide(), 0, memory=[remember(wide(), good)])
    best_after(strategy, 5)
    strategy.ask()
    strategy.ask()
    assert weighed == [0, 1, 2, 3, 4, 5]


def test_lifted_targets_stand_where_memory_expects_them() -> None:
    base, ranks = np.array([1.0, 1.2, 1.4]), np.array([-1.0, 0.0, 1.0])
    lifted = lift(base, ranks, 1.0)
    assert lifted.mean() == pytest.approx(1.2) and lifted.std() == pytest.approx(base.std() * ranks.std())
    assert lift(np.zeros(3), ranks, 0.0).tolist() == ranks.tolist()


def test_what_is_alike_is_found_sooner() -> None:
    space = wide()

    def like(architecture: Architecture) -> float:  # much the same, but not at the top
        return good(architecture) - 6 * (architecture["at_0"] == architecture["at_1"])

    memory = [remember(space, like, 80)]
    warm = [best_after(Bayesian(space, seed, memory=memory), 8) for seed in range(6)]
    cold = [best_after(Bayesian(space, seed), 8) for seed in range(6)]
    assert np.mean(warm) > np.mean(cold) + 5


class Far(Candidates):
    """Never finds what is remembered."""

    def find(
        self, space: Space, best: Sequence[Architecture], seen: Collection[str], value: Value, rng: random.Random
    ) -> list[Architecture]:
        return [each for each in space if good(each) < 8 and each.key not in seen][:20]


def test_what_was_best_elsewhere_is_proposed_though_it_is_nobodys_neighbour() -> None:
    memory = remember(wide(), good)
    strategy, asked = Bayesian(wide(), 0, candidates=Far(), memory=[memory]), []
    for _ in range(7):
        proposal = strategy.ask()
        assert proposal is not None
        asked.append(proposal.architecture)
        strategy.tell(proposal, Report({"accuracy": good(proposal.architecture)}))
    best = memory.best(10)
    assert asked[0] in best and asked[2] in best  # before there is a model; between them is the random one
    assert all(each in best for each in asked[3:])


def test_what_misleads_is_found_out() -> None:
    space = wide()
    opposite = [remember(space, lambda each: -good(each), 80)]
    misled = [best_after(Bayesian(space, seed, memory=opposite), 25) for seed in range(6)]
    cold = [best_after(Bayesian(space, seed), 25) for seed in range(6)]
    spread = max(good(each) for each in space) - np.mean([good(each) for each in space])
    assert np.mean(misled) > np.mean(cold) - 0.1 * spread
    strategy = Bayesian(space, 0, memory=opposite)
    best_after(strategy, 6)
    assert not strategy._weights().any()


class Known(Space):
    """`wide` with a point that people would try."""

    def __init__(self) -> None:
        super().__init__("known", list(wide().choices.values()))

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        return [dict.fromkeys(self.choices, 1)]


def test_where_memory_is_not_believed_the_search_begins_as_it_would_without() -> None:
    space = Known()
    unlike = Bayesian(space, 0, memory=[remember(space, good, likeness=0.5)])
    asked = [strategy.ask() for strategy in (unlike, Bayesian(space, 0))]
    assert [each.origin for each in asked if each] == ["familiar", "familiar"]
    alike = Bayesian(space, 0, memory=[remember(space, good)]).ask()
    assert alike is not None and alike.origin == "expected from other"


@pytest.mark.parametrize(
    ("origin", "random_ones"),
    [
        ("random: to see whether memory is right", 1),
        ("of 4 the highest by size: random", 1),
        ("expected from random walks", 0),
    ],
)
def test_a_random_point_is_counted_whatever_is_said_in_front_of_it(origin: str, random_ones: int) -> None:
    strategy = Bayesian(wide(), 0, memory=[remember(wide(), good)])
    strategy.proposed(Proposal(wide().sample(random.Random(0)), origin=origin))
    assert strategy.strangers == random_ones


@pytest.mark.parametrize(("name", "runs", "room"), [("evolution", 24, 0.02), ("halving", 24, 0.02), ("bandit", 4, 0.1)])
def test_a_portfolio_that_misleads_costs_no_more_than_its_own_trainings(name: str, runs: int, room: float) -> None:
    """Of what is told nothing but the order counts, so other memories that mislead (a device's, a shuffled one) have no
    other way to harm."""
    space = wide()
    opposite, best = [remember(space, lambda each: -good(each), 20)], max(good(each) for each in space)

    def found(seed: int, queries: int, memory: Sequence[Remembered] = ()) -> float:
        return best_after(make_strategy(name, space, seed=seed, settings={}, memory=memory), queries)

    misled = [found(seed, 25, opposite) for seed in range(runs)]
    cold = [found(seed, 25 - FIRST) for seed in range(runs)]
    spread = best - np.mean([good(each) for each in space])
    assert np.mean(misled) > np.mean(cold) - room * spread


def test_a_portfolio_has_something_for_every_task() -> None:
    space = wide()
    up, down = remember(space, good, 60, 1, task="up"), remember(space, lambda each: -good(each), 60, 2, task="down")
    first, second, third = portfolio([up, down], space, 3)
    assert sorted(each in up.best(6) for each in (first, second)) == [False, True]
    assert third.key not in (first.key, second.key)
    assert portfolio([up], space, 4)[0] in up.best(8)
    assert portfolio([remember(space, good, likeness=0.2)], space, 4) == []
    part = space.constrain(lambda each: each["at_0"] == 0, "at_0 must be 0")
    assert all(each["at_0"] == 0 for each in portfolio([up, down], part, 5))


def test_the_portfolio_is_tried_first_and_the_rest_is_the_inner_ones() -> None:
    space, memory = wide(), [remember(wide(), good)]
    strategy = Begun(RandomSearch(space, 0), memory, 3)
    asked = [strategy.ask() for _ in range(5)]
    assert [each.architecture for each in asked[:3] if each] == portfolio(memory, space, 3)
    assert [each.origin for each in asked if each] == ["did well on other"] * 3 + ["random"] * 2
    with pytest.raises(ConfigError, match="points=0 must be a whole number, at least 1"):
        Begun(RandomSearch(space, 0), memory, 0)


@pytest.mark.parametrize("name", ["transfer", "portfolio", "evolution", "halving"])
def test_strategies_begin_with_what_is_remembered(name: str) -> None:
    space, memory = wide(), [remember(wide(), good)]
    known = {each.key for each in memory[0].best(40)}
    warm = make_strategy(name, space, seed=0, settings={}, memory=memory).ask()
    assert warm is not None and ("other" in warm.origin)
    assert name == "transfer" or warm.architecture.key in known
    cold = make_strategy(name, space, seed=0, settings={}).ask()
    assert cold is not None and "other" not in cold.origin
    with pytest.raises(ConfigError, match="has no setting 'memory'"):
        make_strategy(name, space, settings={"memory": []})
