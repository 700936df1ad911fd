"""From arrays to a task: shapes, labels, splits, and every mistake in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from azora.errors import TaskError
from azora.tasks import Task, from_arrays

ROWS = np.random.default_rng(0).normal(size=(40, 3))
LABELS = np.arange(40) % 2


def all_rows(task: Task) -> np.ndarray[Any, Any]:
    return np.concatenate([task.train.x, task.validation.x, task.read_test().x])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((40, 5), (5,)),
        ((40, 8, 9), (1, 8, 9)),
        ((40, 8, 9, 3), (3, 8, 9)),
        ((40, 3, 8, 9), (3, 8, 9)),
        ((40, 8, 9, 1), (1, 8, 9)),
    ],
)
def test_pictures_and_rows_get_their_shape(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    task = from_arrays(np.zeros(shape, np.uint8), LABELS)
    assert task.signature.shape == task.train.x.shape[1:] == expected
    assert task.train.x.dtype == np.uint8
    assert task.signature.flips == (len(expected) == 3)


@pytest.mark.parametrize("shape", [(40, 5), (40, 8, 9), (40, 3, 8, 9), (40, 8, 9, 3)])
def test_what_runs_backwards_is_kept_as_torch_takes_it(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    task = from_arrays(x[..., ::-1], LABELS, x_test=x[..., ::-1], y_test=LABELS)
    assert task.digest == from_arrays(x[..., ::-1].copy(), LABELS, x_test=x[..., ::-1].copy(), y_test=LABELS).digest
    for split in (task.train, task.validation, task.read_test()):
        assert split.x.flags.c_contiguous


def test_rows_are_looked_through_for_rare_classes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each of many classes it would take minutes."""
    asked: list[int] = []
    real = np.setdiff1d

    def counting(rows: np.ndarray[Any, Any], back: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        asked.append(len(back))
        return real(rows, back)

    monkeypatch.setattr(np, "setdiff1d", counting)
    y = np.arange(2_000) % 200
    from_arrays(y[:, None], y)
    assert asked == []
    y[y == 7] = 8
    y[:3] = 7
    task = from_arrays(y[:, None], y)
    assert np.bincount(task.train.y).min() >= 1
    assert all(asked)


def test_channels_are_moved_and_not_mixed_up() -> None:
    x = np.arange(40 * 4 * 5 * 3, dtype=np.float64).reshape(40, 4, 5, 3)
    task = from_arrays(x, LABELS, x_test=x, y_test=LABELS)
    assert np.array_equal(task.read_test().x, x.transpose(0, 3, 1, 2).astype(np.float32))


def test_channels_last_can_be_said_where_it_cannot_be_seen() -> None:
    x = np.zeros((40, 3, 3, 3), np.uint8)
    x[:, 0, :, :] = 7
    first = from_arrays(x, LABELS, channels_last=False).train.x
    last = from_arrays(x, LABELS, channels_last=True).train.x
    assert (first[:, 0] == 7).all()
    assert (last[:, :, 0] == 7).all()


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array(["cat", "dog"])[LABELS], ("cat", "dog")),
        (LABELS * 5 + 2, ("2", "7")),
        (LABELS.astype(float), ("0", "1")),
        (LABELS > 0, ("False", "True")),
        (LABELS[:, None], ("0", "1")),
    ],
)
def test_labels_of_any_kind_become_class_numbers(y: np.ndarray[Any, Any], classes: tuple[str, ...]) -> None:
    task = from_arrays(LABELS[:, None].astype(np.float32), y)
    assert task.signature.kind == "classification"
    assert task.signature.classes == classes
    assert task.train.y.dtype == np.int64
    assert np.array_equal(task.train.x[:, 0], task.train.y)


def test_classes_that_are_no_whole_numbers_keep_their_names() -> None:
    task = from_arrays(ROWS, np.array([0.5, 1.0, 1.5, 1.5])[np.arange(40) % 4], kind="classification")
    assert task.signature.classes == ("0.5", "1", "1.5")


def test_names_of_classes_are_kept() -> None:
    assert from_arrays(ROWS, LABELS, classes=["shirt", "shoe"]).signature.classes == ("shirt", "shoe")


def test_real_numbers_make_a_regression() -> None:
    one = from_arrays(ROWS, ROWS[:, 0])
    two = from_arrays(ROWS, ROWS[:, :2])
    assert (one.signature.kind, one.signature.outputs, one.train.y.shape[1:]) == ("regression", 1, (1,))
    assert (two.signature.outputs, two.train.y.dtype) == (2, np.float32)
    assert np.array_equal(two.train.y, two.train.x[:, :2])


def test_one_of_several_targets_may_have_one_value() -> None:
    assert from_arrays(ROWS, np.stack([ROWS[:, 0], np.ones(40)], axis=1)).signature.outputs == 2


def test_numbers_of_few_rows_each_are_told_how_to_be_predicted() -> None:
    y = np.arange(40)
    with pytest.raises(TaskError, match="for validation; if these are numbers to predict, say --kind regression"):
        from_arrays(ROWS, y)
    names = [str(each) for each in y]
    for words in ({"kind": "classification"}, {"classes": names}, {"y": np.array(names)}):
        with pytest.raises(TaskError, match=r"one of them for validation$"):
            from_arrays(**{"x": ROWS, "y": y, **words})
    assert from_arrays(ROWS, y, kind="regression").signature.kind == "regression"


def test_names_that_are_objects_are_names() -> None:
    """So pandas keeps them."""
    y = np.array(["cat", "dog"], object)[LABELS]
    task = from_arrays(ROWS, y, groups=np.array([f"group {row // 4}" for row in range(40)], object))
    assert task.signature.classes == ("cat", "dog")


def test_splits_divide_all_rows_and_keep_the_classes_in_proportion() -> None:
    x = np.arange(500.0)[:, None]
    y = np.repeat([0, 1, 2], [300, 150, 50])
    task = from_arrays(x, y)
    assert np.bincount(task.train.y).tolist() == [192, 96, 32]
    assert np.bincount(task.validation.y).tolist() == [48, 24, 8]
    assert sorted(all_rows(task)[:, 0]) == sorted(x[:, 0])


def test_the_seed_draws_the_validation_split_and_never_the_test_split() -> None:
    x = np.arange(100.0)[:, None]
    first, second = (from_arrays(x, np.arange(100) % 2, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first.validation.x, second.validation.x)
    assert np.array_equal(first.read_test().x, second.read_test().x)


def test_given_splits_are_kept() -> None:
    held = np.full((4, 3), 5.0), np.array([0, 1, 0, 1])
    judged = np.full((6, 3), 9.0), np.array([0, 1, 0, 1, 1, 1])
    task = from_arrays(ROWS, LABELS, x_test=held[0], y_test=held[1], x_validation=judged[0], y_validation=judged[1])
    assert len(task.train) == 40
    assert np.array_equal(task.validation.x, judged[0])
    assert np.array_equal(task.validation.y, judged[1])
    assert np.array_equal(task.read_test().y, held[1])


def test_a_group_lies_on_one_side() -> None:
    groups = np.arange(200) // 10
    task = from_arrays(groups[:, None].astype(float), np.arange(200) % 2, groups=groups)
    sides = [set(split.x[:, 0]) for split in (task.train, task.validation, task.read_test())]
    assert all(sides)
    assert sum(len(side) for side in sides) == 20


@given(
    counts=st.lists(st.integers(2, 12), min_size=2, max_size=8),
    seed=st.integers(0, 1000),
    groups=st.none() | st.integers(4, 12),
)
@settings(max_examples=60, deadline=None)
def test_every_class_is_left_to_learn_from_and_no_row_is_lost(counts: list[int], seed: int, groups: int | None) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.arange(len(y), dtype=float)[:, None]
    drawn = None if groups is None else np.random.default_rng(seed).integers(0, groups, len(y))
    try:
        task = from_arrays(x, y, seed=seed, groups=drawn)
    except TaskError:
        assume(False)
    assert set(task.train.y) == set(y)
    assert len(task.validation)
    assert sorted(all_rows(task)[:, 0]) == x[:, 0].tolist()


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"x": ROWS[:39]}, "x has 39 rows, y has 40"),
    ({"x": ROWS.astype(object)}, "x holds object values; numbers are wanted"),
    ({"y": LABELS.astype(object)}, "y holds object values; numbers or names are wanted"),
    ({"x": np.where(ROWS[7, 1] == ROWS, np.nan, ROWS)}, "x has nan in row 7"),
    ({"x": np.where(ROWS[7, 1] == ROWS, np.inf, ROWS)}, "x has inf in row 7"),
    ({"x": ROWS * 1e300}, "x has .*e[+]\\d+ in row 0"),
    ({"y": np.where(LABELS, np.nan, 1.0)}, "y has nan in row 1"),
    ({"x": [[1, 2], [3]], "y": [0, 1]}, "x has rows of different lengths"),
    ({"x": np.float64(3)}, "x has shape \\(\\), which is nothing to learn from"),
    ({"x": np.zeros((40, 0))}, "x has shape \\(40, 0\\)"),
    ({"x": np.zeros(40)}, "x has shape \\(40,\\); \\(N, F\\), "),
    ({"y": np.zeros(40, int)}, "y has one class only \\(0\\)"),
    ({"y": np.array([",\n,"] * 40)}, r"y has one class only \(',\\n,'\)"),
    ({"y": np.arange(40) // 39}, "class '1' has 1 row to learn from"),
    ({"y": np.stack([LABELS, 1 - LABELS], axis=1)}, "y has 2 columns of labels; one is wanted"),
    ({"x": ROWS[:4], "y": LABELS[:4]}, "no class has a row to spare .*; 3 rows or more"),
    ({"x": ROWS[:2], "y": ROWS[:2, 0]}, "too few to hold some out"),
    ({"x_test": ROWS}, "y_test is missing beside x_test"),
    ({"y_validation": LABELS}, "x_validation is missing beside y_validation"),
    ({"x_test": ROWS[:, :2], "y_test": LABELS}, "x_test has rows of shape \\(2,\\), x has \\(3,\\)"),
    ({"x_test": ROWS, "y_test": LABELS + 1}, "class '2' has 0 rows to learn from"),
    ({"y": ROWS[:, :2], "x_test": ROWS, "y_test": ROWS[:, 0]}, "y has 1 columns in one split and 2 in another"),
    ({"classes": ["a"]}, "classes names 1 classes, so y must hold the numbers 0 to 0"),
    ({"classes": ["a", "a"]}, "classes names 'a' twice"),
    ({"y": np.array([2**63, 1], np.uint64)[LABELS]}, "y holds 9223372036854775808, which is beyond 63 bits"),
    ({"y": np.full(40, 1.5)}, "y has one value only \\(1.5\\); there is nothing to predict"),
    ({"y": np.tile([1.5, 2.0], (40, 1))}, "y has one value only \\(\\[1.5, 2.0\\]\\)"),
    ({"y": LABELS * 0, "kind": "regression"}, "y has one value only \\(0\\)"),
    ({"y": np.full(40, 0.5), "x_test": ROWS, "y_test": ROWS[:, 0]}, "y has one value only \\(0.5\\)"),
    ({"y": np.array(["a", 1], object)[LABELS]}, "y holds object values"),
    ({"groups": np.arange(3)}, "groups has shape \\(3,\\), x has 40 rows"),
    ({"groups_test": LABELS}, "groups_test is given without x_test"),
    ({"x_test": ROWS, "y_test": LABELS, "groups_test": np.arange(3)}, "groups_test has shape \\(3,\\), x_test has 40"),
    ({"groups": np.zeros(40, int)}, "groups leaves one group to divide"),
    ({"groups": LABELS}, "groups cannot be divided so that every class is learned"),
]


@pytest.mark.parametrize(("changed", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes_are_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        from_arrays(**{"x": ROWS, "y": LABELS, **changed})
    assert "\n" not in str(caught.value)


def test_large_labels_with_and_without_a_sign_stay_apart() -> None:
    large = np.array([2**60, 2**60 + 1], np.uint64)[LABELS]
    task = from_arrays(ROWS, large, x_test=ROWS, y_test=large.astype(np.int64))
    assert task.signature.classes == (str(2**60), str(2**60 + 1))
    assert set(task.read_test().y) == {0, 1}


def test_columns_that_fall_together_in_32_bits_are_told_of() -> None:
    close = np.stack([np.arange(40) * 8 + 2**33, np.arange(40)], axis=1)
    (note,) = from_arrays(close, LABELS).notes
    assert note.startswith("column 0 of x has 40 different values, of which 32 bits tell 1 apart")
    assert not from_arrays(close - [2**33, 0], LABELS).notes and not from_arrays(close.astype(np.float32), LABELS).notes
    assert not from_arrays(close / 2**33 + np.linspace(0, 1, 40)[:, None], LABELS).notes
