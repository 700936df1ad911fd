"""Drift is told from chance."""

from __future__ import annotations

import numpy as np

from azora.export.reference import MOST, drift, reference_of
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
