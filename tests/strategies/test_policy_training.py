"""A policy that learns from rewards: where it goes, that it can be put down, and what it does with nonsense."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
import torch

from azora.errors import ConfigError
from azora.space import Architecture, Categorical, Rule, Space, When
from azora.strategies.policy import Policy
from azora.strategies.policy_training import Learned, PolicyTraining, enas_policy
from azora.training.paths import Paths


def space(rules: list[Rule] | None = None) -> Space:
    """48 networks, and 12 more in which a choice does not exist."""
    return Space(
        "wires",
        [
            Categorical("first", ("conv", "pool", "skip", "none")),
            Categorical("width", (8, 16, 24, 32)),
            Categorical("second", ("conv", "pool", "skip"), when=(When("first", ("conv", "pool", "skip")),)),
        ],
        rules or [],
    )


def worth(architecture: Architecture, update: int = 0) -> float:
    """Convolutions are good, and so is width; a wobble that is the update's."""
    good = (architecture["first"] == "conv") + (architecture.get("second") == "conv")
    return 0.5 + 0.15 * good + architecture["width"] / 320 + 0.02 * (update % 3)


def expected(policy: Policy) -> float:
    """The mean reward of what it draws, over all of the space."""
    return math.fsum(math.exp(policy.log_prob(each)) * worth(each) for each in policy.space)


@pytest.mark.parametrize("make", [enas_policy, lambda space: Policy(space, rate=0.1, kind="independent")])
def test_the_policy_moves_towards_what_is_rewarded(make: Callable[[Space], Policy]) -> None:
    policy = make(space())
    before = expected(policy)
    training = PolicyTraining(policy, worth)
    first = training.advance(30)
    later = training.advance(220)
    best = max(worth(each) for each in policy.space)
    assert later > first
    assert expected(policy) > before + 0.4 * (best - before)


def test_without_differences_between_rewards_it_hardly_moves() -> None:
    policy = enas_policy(space())
    before = {each.key: policy.log_prob(each) for each in policy.space}
    PolicyTraining(policy, lambda architecture, update: 0.7).advance(20)
    assert all(policy.log_prob(each) == pytest.approx(before[each.key], abs=0.05) for each in policy.space)


def test_a_resumed_training_is_the_uninterrupted_one() -> None:
    whole = PolicyTraining(enas_policy(space(), seed=1), worth, samples=4, seed=1)
    whole.advance(9)
    begun = PolicyTraining(enas_policy(space(), seed=1), worth, samples=4, seed=1)
    begun.advance(4)
    state = begun.state_tensors()
    begun.advance(2)  # what was taken must not change
    resumed = PolicyTraining(enas_policy(space(), seed=7), worth, samples=4, seed=1)
    resumed.load_state(state)
    assert resumed.updates == 4
    resumed.advance(5)
    one, other = whole.state_tensors(), resumed.state_tensors()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    draws = [each.policy.draw(random.Random(0), 5) for each in (whole, resumed)]
    assert draws[0] == draws[1]


def test_what_was_never_updated_can_be_put_down_too() -> None:
    fresh = PolicyTraining(enas_policy(space(), seed=1), worth)
    other = PolicyTraining(enas_policy(space(), seed=2), worth)
    other.advance(3)
    other.load_state(fresh.state_tensors())
    assert other.advance(2) == fresh.advance(2)
    with pytest.raises(RuntimeError):
        other.load_state(PolicyTraining(enas_policy(Space("one", [Categorical("a", (1, 2))])), worth).state_tensors())


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_no_number_does_not_break_it(nothing: float) -> None:
    def failing(architecture: Architecture, update: int) -> float:
        return nothing if architecture["first"] == "none" else worth(architecture)

    policy = enas_policy(space())
    mean = PolicyTraining(policy, failing).advance(150)
    assert math.isfinite(mean)
    assert all(bool(parameter.isfinite().all()) for parameter in policy.controller.parameters())
    drawn = [made for made, _ in policy.draw(random.Random(0), 400)]
    assert sum(made["first"] == "none" for made in drawn) / len(drawn) < 0.2  # a quarter at first: it is the worst


def test_an_update_without_any_reward_changes_nothing() -> None:
    training = PolicyTraining(enas_policy(space()), lambda architecture, update: math.nan)
    before = training.policy.state()
    assert math.isnan(training.advance(3))
    assert training.updates == 3
    assert all(torch.equal(before[name], value) for name, value in training.policy.state().items())


def test_learned_paths_follow_the_policy() -> None:
    policy = enas_policy(space())
    paths: Paths = Learned(policy)
    assert paths.draw(random.Random(3)) == paths.draw(random.Random(3))
    PolicyTraining(policy, worth).advance(200)
    drawn = [paths.draw(random.Random(seed))[0] for seed in range(200)]
    assert sum(each["first"] == "conv" for each in drawn) / len(drawn) > 0.4
    assert not paths.distils


def test_learned_paths_keep_the_rules_of_the_space() -> None:
    narrow = space([Rule("wide, and a convolution", lambda each: each["first"] == "conv" and each["width"] == 32)])
    paths = Learned(enas_policy(narrow))
    for seed in range(10):
        (made,) = paths.draw(random.Random(seed))
        assert made["first"] == "conv" and made["width"] == 32


def test_bounded_logits_leave_no_choice_certain() -> None:
    policy = enas_policy(space())
    with torch.no_grad():
        policy.controller.get_parameter("outputs.bias").copy_(100 * torch.randn(policy.controller.total).sign())
    least = math.exp(-2.2) / (math.exp(-2.2) + 3)
    logs = [log for _, log in policy.draw(random.Random(0), 50)]
    assert min(logs) >= 3 * math.log(least)
    for made, log in policy.draw(random.Random(1), 20):
        assert policy.log_prob(made) == pytest.approx(log, abs=1e-9)


def test_settings_outside_their_bounds_are_refused() -> None:
    for settings in ({"samples": 0}, {"decay": 1.0}):
        with pytest.raises(ConfigError):
            PolicyTraining(enas_policy(space()), worth, **settings)  # type: ignore[arg-type]
