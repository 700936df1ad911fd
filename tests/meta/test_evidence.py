"""Choosing a strategy by what strategies did in cases alike."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azora.errors import KnowledgeError
from azora.meta import Judgement, Record
from azora.meta.evidence import REACH, Experience, Situation, choose, experienced, read_evidence, write_evidence

EASY = {"nearest": 0.95, "linear": 0.9, "log_rows": 6.0, "log_inputs": 5.0}
HARD = {"nearest": 0.2, "linear": 0.1, "log_rows": 6.0, "log_inputs": 5.0}
NAMES = ("evolution", "spos", "random")


def case(features: dict[str, float], seconds: float, task: str = "some", **scores: tuple[float, ...]) -> Experience:
    return Experience(task, Situation(features, "cells", seconds), scores, task)


CASES = [
    case(EASY, 20.0, "one", evolution=(0.9, 0.92), spos=(0.8,), random=(0.7,)),
    case(EASY, 30.0, "two", evolution=(0.9,), spos=(0.8,), random=(0.7,)),
    case(EASY, 25.0, "three", evolution=(0.9,), spos=(0.8,), random=(0.7,)),
    case(HARD, 20.0, "four", evolution=(0.3,), spos=(0.5,), random=()),
]


def test_what_did_best_in_cases_alike_is_chosen_and_said_why() -> None:
    easy = choose(CASES, Situation(EASY, "cells", 20.0), NAMES)
    assert easy is not None and easy.strategy == "evolution" and list(easy.ranks)[-1] == "random"
    assert "on one within 20 s it was number 1 of 3" in easy.why and "by 4 cases" in easy.why
    # Many cases alike outweigh what is best in general.
    hard = choose([*CASES, *[CASES[-1]] * 4], Situation(HARD, "cells", 20.0), NAMES)
    assert hard is not None and hard.strategy == "spos"


def test_where_one_case_speaks_against_many_the_many_are_heard() -> None:
    chosen = choose([*CASES[:3] * 4, CASES[-1]], Situation(HARD, "cells", 20.0), NAMES)
    assert chosen is not None and chosen.strategy == "evolution"


def test_one_lucky_case_does_not_outweigh_many() -> None:
    many = [case(EASY, 20.0, str(place), evolution=(0.9,), spos=(0.8,), random=(0.7,)) for place in range(20)]
    lucky = case(HARD, 20.0, "lucky", enas=(0.801,), random=(0.800,))
    chosen = choose([*many, lucky], Situation(EASY, "cells", 20.0), (*NAMES, "enas"))
    assert chosen is not None and chosen.strategy == "evolution"
    assert chosen.ranks["evolution"] < chosen.ranks["enas"] < chosen.ranks["random"]


def test_nothing_is_chosen_where_nothing_is_alike_or_known() -> None:
    assert choose(CASES[:1], Situation(EASY, "cells", 20.0), NAMES) is None  # a single case
    assert choose(CASES, Situation({**EASY, "regression": 1.0}, "cells", 20.0), NAMES) is None
    assert choose(CASES, Situation(EASY, "cells", 1e9), NAMES) is None
    # However many there are, what was best in half a minute is not what is best in ten.
    many, most = CASES[:3] * 40, 20.0 * REACH
    for seconds, workers in ((most + 1, 1), (most / 2 + 1, 2)):
        assert choose(many[:1] * 40, Situation(EASY, "cells", seconds, workers), NAMES) is None
    assert choose(many, Situation(EASY, "cells", most - 1), NAMES) is not None
    assert choose([], Situation(EASY, "cells", 20.0), NAMES) is None
    assert choose(CASES, Situation(EASY, "cells", 20.0), ("spos",)) is None


def test_ranks_share_ties_and_put_last_what_failed() -> None:
    assert CASES[-1].ranks(NAMES) == {"spos": 0.0, "evolution": 0.5, "random": 1.0}
    tied = case(EASY, 1.0, evolution=(0.5,), spos=(0.5,), random=(0.1,))
    assert tied.ranks(NAMES) == {"evolution": 0.25, "spos": 0.25, "random": 1.0}
    assert tied.ranks(("spos", "random")) == {"spos": 0.0, "random": 1.0}


def test_cases_are_less_alike_in_another_space_with_limits_and_at_other_budgets() -> None:
    here = Situation(EASY, "cells", 20.0)
    assert here.likeness(here) == 1.0
    others = [
        Situation(EASY, "stages", 20.0),
        Situation(EASY, "cells", 20.0, limits=("latency",)),
        Situation(EASY, "cells", 20.0, device="cuda"),
        Situation(EASY, "cells", 80.0),
        Situation(EASY, "cells", 20.0, workers=4),
        Situation(HARD, "cells", 20.0),
    ]
    assert all(0 < here.likeness(each) < 0.8 for each in others)
    assert math.isclose(here.likeness(others[3]), others[3].likeness(here))


def record(task: str, strategy: str, score: float, **facts: Any) -> Record:
    told = {"strategy": strategy, "budget": 60.0, "device": "cpu", "outcome": score, "test": "rows", **facts}
    space = {"name": "cells × recipe", "fingerprint": "f"}
    return Record(f"{task}{strategy}", task, EASY, space, "accuracy", True, [Judgement({"a": 1}, 0.99, 1.0)], told)


def test_a_memory_is_evidence_where_two_strategies_had_the_same_task_and_time() -> None:
    records = [
        record("one", "evolution", 0.8), record("one", "spos", 0.9), record("one", "random", 0.5, budget=600.0),
        record("two", "evolution", 0.8), record("three", "spos", 0.8, budget=None),
        record("one", "darts-", 0.8, settings={"epochs": 2}), record("one", "enas", 0.8, outcome=None),
        replace(record("one", "gdas", 0.1), metric="loss"), record("one", "fbnet", 0.7, test="other rows of this name"),
        record("four", "evolution", 0.8, test="same"), record("four", "spos", 0.9, test="same"),
        record("five", "evolution", 0.8, test=None), record("five", "spos", 0.9, test=None),
    ]  # fmt: skip
    (found,) = experienced(records, "same")
    assert (found.task, found.situation.seconds, found.situation.space) == ("one", 60.0, "cells")
    assert found.scores == {"evolution": [0.8], "spos": [0.9]}
    assert [each.task for each in experienced(records)] == ["one", "four"]


def test_a_case_in_which_trees_shipped_says_nothing_of_strategies() -> None:
    """Of the seeds in which they did not, a strategy would have the lucky ones alone."""
    records = [
        record("one", "evolution", 0.9), record("one", "spos", 0.8), record("two", "evolution", 0.8),
        record("two", "spos", 0.9), record("one", "evolution", 0.0, outcome=None, trees=True),
    ]  # fmt: skip
    assert [each.task for each in experienced(records)] == ["two"]


def test_only_searches_under_the_same_limits_on_the_same_target_are_compared() -> None:
    wide = {"limits": ["latency"], "amounts": ["latency=5"], "target": "stm32h7"}
    narrow, elsewhere = {**wide, "amounts": ["latency=1"]}, {**wide, "target": "rpi4"}
    unsaid = {"limits": ["latency"]}  # as it was recorded before amounts were
    others = [record("one", "spos", 0.5, **facts) for facts in (narrow, elsewhere, unsaid)]
    assert experienced([record("one", "evolution", 0.8, **wide), *others]) == []
    assert experienced([record("one", name, 0.8, **unsaid) for name in ("evolution", "spos")]) == []
    (found,) = experienced([record("one", "evolution", 0.8, **wide), record("one", "spos", 0.7, **wide), *others])
    assert found.scores == {"evolution": [0.8], "spos": [0.7]}
    assert found.situation == Situation(EASY, "cells", 60.0, limits=("latency",))


def test_only_searches_by_one_evaluator_with_a_recipe_or_without_are_compared() -> None:
    own = replace(record("one", "spos", 0.9), space={"name": "cells", "fingerprint": "g"})
    untrained = record("one", "enas", 0.9, evaluator="zero-cost")
    assert experienced([record("one", "evolution", 0.8), own, untrained]) == []
    untrained = [record("one", name, 0.8, evaluator="zero-cost") for name in ("evolution", "spos")]
    assert experienced(untrained) == [] and len(experienced(untrained, evaluator="zero-cost")) == 1


def test_only_searches_in_one_space_with_equal_last_trainings_are_compared() -> None:
    first = record("one", "evolution", 0.8, reference=False)
    wide = replace(record("one", "spos", 0.9, reference=False), space={"name": "cells × recipe", "fingerprint": "wide"})
    others = [wide, record("one", "enas", 0.7, reference=True), record("one", "random", 0.7)]
    assert experienced([first, *others]) == []
    (found,) = experienced([first, record("one", "gdas", 0.7, reference=False), *others])
    assert found.scores == {"evolution": [0.8], "gdas": [0.7]}


def test_searches_that_came_to_nothing_are_told_of_their_strategy() -> None:
    nothing = [record("one", name, 0.8, outcome=None, failed=True) for name in ("spos", "enas")]
    (found,) = experienced([record("one", "evolution", 0.1), record("one", "spos", 0.9), *nothing])
    assert found.scores == {"evolution": [0.1], "spos": [], "enas": []}
    assert found.ranks((*NAMES, "enas")) == {"evolution": 0.0, "spos": 0.75, "enas": 0.75}


def test_facts_of_another_kind_are_no_evidence() -> None:
    for wrong in ({"budget": [60]}, {"workers": "two"}, {"limits": 3, "amounts": 3}):
        assert experienced([record("one", name, 0.8, **wrong) for name in ("evolution", "spos")]) == []


def test_a_loss_is_the_better_the_smaller() -> None:
    losses = [replace(record("one", name, at), maximise=False) for name, at in (("evolution", 0.4), ("spos", 0.3))]
    (found,) = experienced(losses)
    assert found.ranks(NAMES) == {"spos": 0.0, "evolution": 1.0}


def test_cases_are_written_and_read(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(write_evidence(CASES), encoding="utf-8")
    assert read_evidence(file) == CASES
    assert read_evidence(file)[0].data == "one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no evidence"),
        ('{"format": 9, "cases": []}', "has format 9"),
        ('{"format": 1, "cases": [{}]}', "no ev"),
    ],
)
def test_a_damaged_or_newer_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(KnowledgeError, match=message):
        read_evidence(file)
