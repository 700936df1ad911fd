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
    assert {name: len(values) for name, values in reference.items()} == dict.fromkeys(
        ("column 0", "column 1", "confidence"), MOST
    )
    for seed in range(1, 6):
        assert not [each for each in drift(reference, *drawn(seed), SIGNATURE) if each["drifted"]]


def test_values_that_move_are() -> None:
    reference = reference_of(*drawn(0), SIGNATURE)
    found = drift(reference, *drawn(1, shift=0.5), SIGNATURE)
    assert [each["of"] for each in found if each["drifted"]] == ["column 1"]


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
