"""Drift is told from chance."""

from __future__ import annotations

import tracemalloc

import numpy as np

from azora.export.reference import MOST, drift, reference_of, statistics_of
from azora.tasks import Signature
from azora.tasks.array import Array

SIGNATURE = Signature("classification", (2,), 2)


def drawn(seed: int, rows: int = 600, shift: float = 0.0) -> tuple[Array, Array]:
    """A column of seven values that no six digits write, and one of numbers; and answers that are seldom others."""
    rng = np.random.default_rng(seed)
    x = np.stack([rng.integers(0, 7, rows) / 7, rng.normal(size=rows) + shift], axis=1).astype(np.float32)
    sure = rng.choice(np.array([1 / 3, 2 / 3, 0.9], np.float32), rows)
    return x, np.stack([sure, 1 - sure], axis=1)


def test_values_that_come_again_are_no_drift() -> None:
    reference = reference_of(*drawn(0), SIGNATURE)
    measured = dict.fromkeys(("column 0", "column 1", "confidence"), MOST)
    assert {name: len(values) for name, values in reference.items()} == {**measured, "answers": 2, "holes": 4}
    for seed in range(1, 6):
        assert not [each for each in drift(reference, *drawn(seed), SIGNATURE) if each["drifted"]]


def test_values_that_move_are() -> None:
    reference = reference_of(*drawn(0), SIGNATURE)
    found = drift(reference, *drawn(1, shift=0.5), SIGNATURE)
    assert [each["of"] for each in found if each["drifted"]] == ["column 1"]


def test_answers_that_become_others_and_holes_are_too() -> None:
    x, answers = drawn(0)
    reference = reference_of(x, answers, SIGNATURE)
    again, said = drawn(1)
    found = drift(reference, again, said[:, ::-1], SIGNATURE)  # as sure as before, and of the other class
    assert [each["of"] for each in found if each["drifted"]] == ["answers"]
    again[::4, 1] = np.nan
    found = drift(reference, again, said, SIGNATURE)
    assert [each["of"] for each in found if each["drifted"]] == ["holes of column 1"]
    assert found[0]["distance"] == 0.25
    earlier = {name: values for name, values in reference.items() if name not in ("answers", "holes")}
    assert {each["of"] for each in drift(earlier, *drawn(1), SIGNATURE)} == {"column 0", "column 1", "confidence"}


def test_shares_that_chance_moves_are_no_drift() -> None:
    """Of forty classes, most of them rare, so that few rows of each are expected."""
    rng, drifted = np.random.default_rng(0), 0
    likely = 0.8 ** np.arange(40)
    signature = Signature("classification", (1,), 40)
    for _ in range(100):
        old, new = (np.eye(40)[rng.choice(40, rows, p=likely / likely.sum())] for rows in (400, 90))
        reference = {"answers": reference_of(np.zeros((400, 1)), old, signature)["answers"]}
        drifted += drift(reference, np.zeros((90, 1)), new, signature)[0]["drifted"]
    assert drifted <= 5


def test_of_many_columns_as_much_is_kept_as_of_few_and_all_are_looked_at() -> None:
    rng = np.random.default_rng(0)
    signature = Signature("regression", (150,), 1)
    x, answers = rng.normal(size=(900, 150)).astype(np.float32), rng.normal(size=(900, 1))
    reference = reference_of(x, answers, signature)
    assert sum(map(len, reference.values())) < 10_400 and "column 149" in reference
    x[:, 149] += 3.0
    assert [each["of"] for each in drift(reference, x, answers, signature) if each["drifted"]] == ["column 149"]
    wide = statistics_of(np.zeros((2, 1000), np.float32), answers[:2], Signature("regression", (1000,), 1))
    assert len(wide) == 201 and "column 999" in wide


def test_of_many_pictures_a_few_are_looked_at_at_a_time() -> None:
    signature = Signature("classification", (3, 256, 256), 2, ("a", "b"))
    x = np.random.default_rng(0).integers(0, 256, (130, 3, 256, 256), dtype=np.uint8)
    answers = np.full((130, 2), 0.5)
    tracemalloc.start()
    found = statistics_of(x, answers, signature)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < x.size * 8 * 1.5
    for place in (0, 60, 129):
        one = statistics_of(x[place : place + 1], answers[:1], signature)
        assert {name: values[place] for name, values in found.items()} == {name: one[name][0] for name in one}
