"""Splits, scaling, what the search sees, and the one look at the test."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from azora.errors import TaskError
from azora.tasks import Scaling, SearchData, Signature, Split, from_arrays
from azora.tasks.array import ROWS_AT_ONCE, VALUES_AT_ONCE, blocks

RNG = np.random.default_rng(0)


def test_the_test_split_is_read_once() -> None:
    task = from_arrays(RNG.normal(size=(40, 3)), np.arange(40) % 2)
    assert len(task.read_test()) == task.test_rows == 8
    with pytest.raises(TaskError, match="the test split of arrays was read before"):
        task.read_test()


def test_the_search_cannot_reach_the_test_split(tmp_path: Path) -> None:
    marked = np.full((8, 3), 77.0)
    task = from_arrays(np.zeros((40, 3)), np.arange(40) % 2, x_test=marked, y_test=np.arange(8) % 2)
    task.search_data.save(tmp_path)
    assert set(vars(task.search_data)) == {"signature", "train", "validation", "scaling"}
    assert not any((split.x == 77.0).any() for split in (task.search_data.train, task.search_data.validation))
    assert np.float32(77.0).tobytes() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_search_data_survive_the_disk(tmp_path: Path, kind: str) -> None:
    x = RNG.integers(0, 256, (40, 6, 7, 3), dtype=np.uint8)
    y = np.arange(40) % 2 if kind == "classification" else RNG.normal(size=(40, 2))
    seen = from_arrays(x, y).search_data
    seen.save(tmp_path / "new" / "folder")
    again = SearchData.load(tmp_path / "new" / "folder")
    assert (again.signature, again.scaling) == (seen.signature, seen.scaling)
    for before, after in ((seen.train, again.train), (seen.validation, again.validation)):
        assert before.x.dtype == after.x.dtype
        assert before.y.dtype == after.y.dtype
        assert np.array_equal(before.x, after.x)
        assert np.array_equal(before.y, after.y)


def test_everything_is_all_but_the_test() -> None:
    task = from_arrays(np.arange(40.0)[:, None], np.arange(40) % 2)
    together = set(task.everything().x[:, 0])
    assert len(task.everything()) == len(together) == 32
    assert together.isdisjoint(task.read_test().x[:, 0])


@pytest.mark.parametrize(("most", "white"), [(1, 1.0), (16, 16.0), (200, 255.0), (255, 255.0)])
def test_black_and_white_of_bytes_are_theirs_only_where_they_use_the_range(most: int, white: float) -> None:
    x = np.array([0, most], np.uint8).repeat(16).reshape(2, 1, 4, 4)
    assert Split(x, np.arange(2)).values == (0.0, white)
    assert Split(x.astype(np.float32), np.arange(2)).values == (0.0, float(most))


def test_black_and_white_of_arrays_are_those_of_search_train() -> None:
    task = from_arrays((np.arange(40 * 16) % 17).astype(np.uint8).reshape(40, 4, 4), np.arange(40) % 2)
    assert task.values == task.train.values == (0.0, 16.0)


def test_signatures_survive_json() -> None:
    signature = Signature("classification", (3, 8, 9), 2, ("a", "b"), True)
    assert Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature
    assert signature.pictures
    assert not Signature("regression", (4,), 1).pictures


@pytest.mark.parametrize("shape", [(2 * ROWS_AT_ONCE + 5, 3), (ROWS_AT_ONCE + 1, 2, 3, 4)])
def test_scaling_is_of_each_channel_or_column_however_many_rows(shape: tuple[int, ...]) -> None:
    x = RNG.normal(1e4, 3.0, shape).astype(np.float32)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    scaling = Scaling.of(Split(x, np.zeros(len(x))), regression=False)
    assert np.allclose(scaling.mean, x.mean(axis=axes, dtype=np.float64))
    assert np.allclose(scaling.spread, x.std(axis=axes, dtype=np.float64))


@pytest.mark.parametrize(
    ("shape", "rows"), [((5000, 3), ROWS_AT_ONCE), ((5, 1, 2048, 2048), 2), ((2, 1, 2**12, 2**13), 1)]
)
def test_large_rows_are_few_at_a_time(shape: tuple[int, ...], rows: int) -> None:
    x = np.broadcast_to(np.uint8(3), shape)
    assert [len(block) for block in blocks(x)][:-1] == [rows] * (-(-shape[0] // rows) - 1)
    assert sum(map(len, blocks(x))) == shape[0]


def test_pictures_are_not_all_copied_in_float64() -> None:
    x = np.broadcast_to(np.uint8(3), (64, 3, 512, 512))
    tracemalloc.start()
    scaling = Scaling.of(Split(x, np.zeros(len(x))), regression=False)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scaling.mean == (3.0, 3.0, 3.0) and scaling.spread == (1.0, 1.0, 1.0)
    assert most < 4 * 8 * VALUES_AT_ONCE < 8 * x.size


def test_scaling_is_of_the_search_train_rows_only() -> None:
    far = np.full((10, 1), 1e6)
    labels = np.arange(10) % 2
    task = from_arrays(
        RNG.normal(size=(40, 1)), np.arange(40) % 2, x_test=far, y_test=labels, x_validation=far, y_validation=labels
    )
    assert abs(task.scaling.mean[0]) < 1


def test_a_column_that_never_changes_is_not_divided_by_zero() -> None:
    scaling = Scaling.of(Split(np.full((40, 2), 0.1, np.float32), np.full((40, 1), 0.5, np.float32)), regression=True)
    assert scaling.spread == (1.0, 1.0)
    assert scaling.target_spread == (1.0,)
    assert scaling.target_mean == (0.5,)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e30, -3e38])
def test_rounding_is_no_spread(value: float) -> None:
    x, y = np.full((7001, 1), value, np.float32), np.full(7001, value, np.float32)
    scaling = Scaling.of(Split(x, y[:, None]), regression=True)
    assert scaling.spread == scaling.target_spread == (1.0,)


@pytest.mark.parametrize("unit", [1e-13, 1e-30, 1e30])
def test_the_unit_of_a_column_and_of_a_target_does_not_matter(unit: float) -> None:
    x = (RNG.normal(2.0, 1.0, (40, 3)) * unit).astype(np.float32)
    scaling = Scaling.of(Split(x, x[:, :1]), regression=True)
    assert np.allclose(np.divide(scaling.spread, unit), x.std(axis=0, dtype=np.float64) / unit)
    assert scaling.target_spread == pytest.approx(scaling.spread[:1])


def test_the_digest_is_of_every_row() -> None:
    x, y = RNG.normal(size=(40, 3)), np.arange(40) % 2
    changed = x.copy()
    changed[11, 2] += 1
    assert from_arrays(x, y).digest == from_arrays(x.copy(), y, name="another").digest
    assert from_arrays(x, y).digest != from_arrays(changed, y).digest
    assert len(from_arrays(x, y).digest) == 64
