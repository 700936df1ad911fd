"""What a score hung on, told from trials."""

from __future__ import annotations

import random
from collections.abc import Callable

from azora.report.importance import FEWEST, importance
from azora.space import Architecture
from azora.testing.strategy_contract import tiny_space
from azora.trial import Objective, Proposal, Report, Trial

SPACE = tiny_space()


def judged(count: int, score: Callable[[Architecture], float], budget: float = 1.0) -> list[Trial]:
    rng = random.Random(0)
    drawn = [SPACE.sample(rng) for _ in range(count)]
    return [
        Trial(number, Proposal(each, budget), Report({"accuracy": score(each)}), float(number))
        for number, each in enumerate(drawn)
    ]


def test_the_choice_that_decides_stands_first() -> None:
    rng = random.Random(1)
    trials = judged(80, lambda each: each["depth"] + 0.3 * (each["first"] == "conv") + 0.01 * rng.random())
    found = importance(SPACE, trials, Objective("accuracy"))
    assert found.choices[0][0] == "depth"
    assert found.choices[1][0] == "first"
    assert found.choices[0][1] > 3 * found.choices[1][1] > 0
    assert found.fit > 0.5
    assert (found.trials, found.budget, found.why_not) == (80, 1.0, "")


def test_few_trials_and_noise_are_said_to_be_that() -> None:
    few = importance(SPACE, judged(FEWEST - 1, lambda each: each["depth"]), Objective("accuracy"))
    assert few.why_not == "23 trials of equal length are too few to tell; 24 or more are wanted."
    rng = random.Random(2)
    noise = importance(SPACE, judged(60, lambda each: rng.random()), Objective("accuracy"))
    assert "does not carry over" in noise.why_not
    assert not importance(SPACE, [], Objective("accuracy")).choices


def test_trials_of_other_lengths_and_failures_are_left_out() -> None:
    trials = judged(40, lambda each: each["depth"]) + judged(10, lambda each: -each["depth"], budget=3.0)
    trials += [Trial(99, trials[0].proposal, Report(error="no"), 0.0)] * 50
    found = importance(SPACE, trials, Objective("accuracy"))
    assert (found.trials, found.choices[0][0]) == (40, "depth")


def test_of_very_many_trials_a_part_is_looked_at() -> None:
    found = importance(SPACE, judged(2_500, lambda each: each["depth"]), Objective("accuracy"))
    assert (found.trials, found.choices[0][0]) == (834, "depth")
