"""The controller's distribution, its gradient, and what it learns."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
import torch

from azora.errors import ConfigError
from azora.space import Categorical, Integer, Real, Rule, Space, Subset, When
from azora.strategies import RandomSearch, Reinforce, Strategy
from azora.strategies.policy import Kind, Moving, clipped
from azora.strategies.tokens import tokens_of
from azora.testing.strategy_contract import judge, tiny_space
from azora.trial import Report

POLICIES: list[Kind] = ["lstm", "independent"]


def finite() -> Space:
    """Every kind of choice that has an end, conditions on them, whole numbers in ranges."""
    return Space(
        "finite",
        [
            Categorical("depth", (1, 2)),
            Categorical("skip", (True, 1, "no")),
            Subset("inputs", (0, 1, 2), 1, 2, (When("depth", (2,)),)),
            Categorical("second", ("conv", "pool"), (When("inputs", (1,)),)),
            Integer("width", 4, 20, log=True, when=(When("depth", (1,)),)),
            Integer("few", 1, 3),
        ],
    )


def taught(policy: Kind, space: Space, updates: int = 4) -> Reinforce:
    """A policy that is no longer uniform."""
    strategy = Reinforce(space, 0, policy=policy, samples=5, rate=0.2)
    for number in range(5 * updates):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, Report({"accuracy": (number * 7 % 10) / 10}))
    return strategy


@pytest.mark.parametrize("policy", POLICIES)
def test_probabilities_of_all_architectures_add_up_to_one(policy: Kind) -> None:
    strategy = taught(policy, finite())
    chances = [math.exp(strategy.log_prob(architecture)) for architecture in strategy.space]
    assert math.fsum(chances) == pytest.approx(1.0, abs=1e-9)
    assert max(chances) > 3 * min(chances)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("space", [finite(), tiny_space()], ids=["finite", "tiny"])
def test_log_prob_agrees_with_the_sampler(policy: Kind, space: Space) -> None:
    strategy = taught(policy, space)
    for architecture, log in strategy.draw(random.Random(3), 60):
        assert strategy.log_prob(architecture) == pytest.approx(log, abs=1e-9)


def test_how_often_an_architecture_is_drawn_agrees_with_its_probability() -> None:
    space = Space("small", [Categorical("a", (1, 2)), Categorical("b", ("x", "y", "z"), (When("a", (2,)),))])
    strategy = taught("lstm", space, updates=0)
    drawn = [architecture.key for architecture, _ in strategy.draw(random.Random(0), 6000)]
    for architecture in space:
        chance = math.exp(strategy.log_prob(architecture))
        assert drawn.count(architecture.key) / 6000 == pytest.approx(chance, abs=0.025)


def test_an_architecture_is_one_probability_alone_and_among_others() -> None:
    strategy = taught("lstm", finite())
    drawn = [architecture for architecture, _ in strategy.draw(random.Random(0), 20)]
    with torch.no_grad():
        together, _ = strategy.controlled.controller.log_prob(strategy.controlled._tensor(drawn))
        alone = [
            float(strategy.controlled.controller.log_prob(strategy.controlled._tensor([each]))[0]) for each in drawn
        ]
    assert together.tolist() == pytest.approx(alone, abs=1e-12)


def test_the_entropy_of_a_uniform_policy_is_that_of_its_choices() -> None:
    space = Space("even", [Categorical("a", (1, 2)), Categorical("b", tuple("wxyz"), (When("a", (2,)),))])
    strategy = Reinforce(space, 0, policy="independent")
    with torch.no_grad():
        strategy.controlled.controller.logits.zero_()  # type: ignore[union-attr,operator]
    both, one = space.architecture(a=2, b="w"), space.architecture(a=1)
    _, entropy = strategy.controlled.controller.log_prob(strategy.controlled._tensor([both, one]))
    assert entropy.tolist() == pytest.approx([math.log(8), math.log(2)])
    assert strategy.log_prob(one) == pytest.approx(-math.log(2))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("clip", [None, 0.2])
def test_it_learns_what_is_rewarded(policy: Kind, clip: float | None) -> None:
    space = Space("many", [Categorical(f"c{place}", tuple("abcd")) for place in range(8)])
    strategy = Reinforce(space, 0, policy=policy, clip=clip)
    for _ in range(150):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, Report({"accuracy": list(proposal.architecture.values()).count("a") / 8}))
    drawn = [list(architecture.values()) for architecture, _ in strategy.draw(random.Random(0), 100)]
    assert sum(values.count("a") for values in drawn) / 800 > 0.5


def test_it_beats_random_search_on_a_conditional_space() -> None:
    def top(strategy: Strategy) -> float:
        scores = []
        for _ in range(150):
            proposal = strategy.ask()
            assert proposal is not None
            scores.append(judge(proposal).metrics["accuracy"])
            strategy.tell(proposal, judge(proposal))
        return max(scores)

    learned = [top(Reinforce(tiny_space(), seed)) for seed in range(3)]
    guessed = [top(RandomSearch(tiny_space(), seed)) for seed in range(3)]
    assert sum(learned) > sum(guessed)


def test_equal_rewards_do_not_move_the_policy() -> None:
    strategy = Reinforce(finite(), 0, samples=5, entropy=0.0)
    before = [parameter.clone() for parameter in strategy.controlled.controller.parameters()]
    for _ in range(10):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, Report({"accuracy": 0.5}))
    assert strategy.updates == 2
    after = strategy.controlled.controller.parameters()
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_the_baseline_is_not_drawn_to_its_start() -> None:
    moving = Moving(0.9)
    for _ in range(3):
        moving.add(7.0)
        assert moving.mean == pytest.approx(7.0)
    moving.add(0.0)
    assert moving.mean == pytest.approx(7.0 * (0.9 + 0.81 + 0.729) / (1 + 0.9 + 0.81 + 0.729))


def test_ppo_gains_nothing_beyond_its_clip() -> None:
    ratio, gains = torch.tensor([0.5, 1.0, 2.0, 2.0, 0.5]), torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0])
    assert clipped(ratio, gains, 0.2).tolist() == pytest.approx([0.5, 1.0, 1.2, -2.0, -0.8])


def test_failures_are_the_worst_reward() -> None:
    strategy = Reinforce(tiny_space(), 0, samples=3)
    for report in (Report({"accuracy": 0.2}), Report(error="no")):
        proposal = strategy.ask()
        assert proposal is not None
        strategy.tell(proposal, report)
    assert [reward for _, reward, _ in strategy.batch] == [0.5, 0.25]


def test_draws_that_break_a_rule_are_left_out() -> None:
    rule = Rule("a below b", lambda kept: kept["a"] < kept["b"], ("a", "b"))
    space = Space("ruled", [Categorical("a", tuple(range(9))), Categorical("b", tuple(range(9)))], [rule])
    strategy = Reinforce(space, 0)
    drawn = strategy.draw(random.Random(0), 64)
    assert 10 < len(drawn) < 64
    assert all(architecture["a"] < architecture["b"] for architecture, _ in drawn)


def test_the_seed_of_torch_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    taught("lstm", tiny_space(), updates=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "choice",
    [
        Integer("few", 2, 7),
        Integer("many", 1, 1000, log=True),
        Integer("odd", -5, 50),
        Real("rate", 1e-4, 1.0, log=True),
    ],
    ids=lambda choice: choice.name,
)
def test_ranges_hold_all_numbers_and_give_back_their_own(choice: Integer | Real) -> None:
    tokens, rng = tokens_of(choice), random.Random(0)
    assert 1 < tokens.count <= 9
    for token in range(tokens.count):
        for _ in range(20):
            value = tokens.draw(token, rng)
            assert choice.accept(value) == value
            assert tokens.token(value) == token
    assert (tokens.token(choice.low), tokens.token(choice.high)) == (0, tokens.count - 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "lstn"}, "did you mean 'lstm'"),
        ({"samples": 0}, "samples=0 must be a whole number, at least 1"),
        ({"rate": 0.0}, "above 0"),
        ({"entropy": -1.0}, "entropy=-1.0 must be at least 0"),
    ],
)
def test_settings_out_of_bounds_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Reinforce(tiny_space(), 0, **settings)  # type: ignore[arg-type]


def test_rewards_are_shares_of_what_was_trained_equally_long() -> None:
    strategy, rewards = Reinforce(tiny_space(), 0, samples=100), []
    for place in range(12):
        proposal = strategy.ask()
        assert proposal is not None
        told = replace(proposal, budget=1.0 if place < 8 else 10.0)
        strategy.tell(told, Report({"accuracy": 0.5 + place / 100 if place < 8 else 0.9 - place / 100}))
        rewards.append(strategy.batch[-1][1])
    assert rewards[7] > 0.9
    assert rewards[8:] == [1 / 2, 1 / 4, 1 / 6, 1 / 8]  # each is the worst of its length
