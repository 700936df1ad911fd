"""Metrics against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from azora.tasks import METRICS, Signature, default_metric, evaluate
from azora.tasks.metrics import interval, resampled

CLASSES = Signature("classification", (2,), 3)
NUMBERS = Signature("regression", (2,), 1)


def test_classification_by_hand() -> None:
    y = np.array([0, 0, 0, 1, 2])
    answers = np.array([0, 0, 1, 1, 1])
    found = evaluate(CLASSES, np.eye(3)[answers] * 0.7 + 0.1, y)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    # F1 is 2·hits / (answers + rows): 4/5 for class 0, 2/4 for class 1, 0 for class 2.
    assert found["f1"] == pytest.approx((4 / 5 + 2 / 4 + 0) / 3)
    assert found["loss"] == pytest.approx(-(3 * math.log(0.8) + 2 * math.log(0.1)) / 5)
    # One against the rest, half a point for a tie: class 0 (4 + 2/2)/6, class 1 (2 + 2/2)/4, class 2 all ties.
    assert found["auroc"] == pytest.approx((5 / 6 + 3 / 4 + 1 / 2) / 3)


def test_auroc_of_two_classes_is_the_second_one_s() -> None:
    scores = np.array([0.1, 0.6, 0.4, 0.9])
    found = evaluate(
        Signature("classification", (2,), 2), np.stack([1 - scores, scores], axis=1), np.array([0, 0, 1, 1])
    )
    assert found["auroc"] == pytest.approx(3 / 4)


def test_a_class_that_is_not_there_does_not_spoil_the_rest() -> None:
    found = evaluate(CLASSES, np.eye(3)[[0, 1, 0]], np.array([0, 1, 0]))
    assert found["balanced_accuracy"] == found["auroc"] == 1.0
    assert all(math.isfinite(value) for value in found.values())
    assert evaluate(CLASSES, np.eye(3)[[0, 0]], np.array([0, 0]))["auroc"] == 0.5


def test_a_sure_mistake_has_a_finite_loss() -> None:
    assert math.isfinite(evaluate(CLASSES, np.eye(3)[[1]], np.array([0]))["loss"])


def test_regression_by_hand() -> None:
    y = np.array([[1.0], [2.0], [3.0]], np.float32)
    found = evaluate(NUMBERS, y + np.array([[0.0], [1.0], [-1.0]], np.float32), y)
    assert found == pytest.approx({"mse": 2 / 3, "rmse": (2 / 3) ** 0.5, "mae": 2 / 3, "r2": 1 - 2 / 2})


@pytest.mark.parametrize("signature", [CLASSES, NUMBERS], ids=lambda each: each.kind)
def test_what_is_better_scores_better(signature: Signature) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3 if signature is CLASSES else rng.normal(size=(30, 1))
    target = np.eye(3)[y] if signature is CLASSES else y
    noise = rng.normal(size=target.shape)
    close, far = (
        np.abs(target + size * noise) if signature is CLASSES else target + size * noise for size in (0.1, 2.0)
    )
    if signature is CLASSES:
        close, far = (each / each.sum(axis=1, keepdims=True) for each in (close, far))
    better, worse = evaluate(signature, close, y), evaluate(signature, far, y)
    assert default_metric(signature) in better
    for name, value in better.items():
        assert (value > worse[name]) == METRICS[name].maximise, name


def test_an_interval_is_of_a_thousand_resamples_where_they_take_no_time() -> None:
    rng = np.random.default_rng(1)
    y, probabilities = rng.integers(0, 3, 37), rng.random((37, 3))
    right = probabilities.argmax(axis=1) == y
    drawn = np.random.default_rng(0).integers(0, 37, (1_000, 37))
    low, high = np.percentile(right[drawn].mean(axis=1), (2.5, 97.5))
    assert interval("accuracy", y, probabilities) == {"low": low, "high": high, "resamples": 1_000.0}


def test_where_a_resample_takes_long_there_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(1_000))
    monkeypatch.setattr("azora.tasks.metrics.time.monotonic", lambda: 2.0 * next(times))
    y, probabilities = np.arange(30) % 3, np.random.default_rng(0).random((30, 3))
    found = interval("accuracy", y, probabilities)
    assert found["resamples"] == 300  # begun at 0, asked at 2, 4 and 6 seconds
    assert 0 <= found["low"] < found["high"] <= 1


def test_a_slow_measure_is_taken_a_hundred_times_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azora.tasks.metrics.SECONDS", 0.0)
    taken = list[int]()

    def measure(rows: Any) -> float:
        taken.append(len(rows))
        return float(rows.mean())

    found = resampled(7, measure)
    assert taken == [7] * 100 and found["resamples"] == 100.0
    assert 0 < found["low"] < 3 < found["high"] < 6
