"""What tells tasks apart."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azora.meta import describe_task, features, likeness
from azora.tasks import Reading, Task, from_arrays, load_task


def test_features_of_pictures(stripes: Task) -> None:
    found = describe_task(stripes.search_data)
    assert found == describe_task(stripes.search_data)
    assert found["pictures"] == 1.0 and found["regression"] == 0.0 and found["channels"] == 1.0
    assert found["balance"] == pytest.approx(1.0, abs=0.01)
    assert found["linear"] > 0.9 and found["probe_0"] > 0.9
    assert all(0.0 <= found[name] <= 1.0 for name in ("nearest", "tiny", "probe_1", "probe_2", "mean", "dark"))


def test_features_of_thousands_of_pictures_take_less_than_five_seconds(stripes: Task) -> None:
    describe_task(stripes.search_data)  # imports apart
    x = np.random.default_rng(0).integers(0, 256, (5_000, 28, 28), dtype=np.uint8)
    task = from_arrays(x, np.arange(5_000) % 10)
    begun = time.process_time()
    assert describe_task(task.search_data)["log_rows"] > 8.0
    assert time.process_time() - begun < 5.0


def test_large_pictures_are_shrunk_some_at_a_time_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).integers(3, 250, (600, 3, 40, 33), dtype=np.uint8)
    x[::2, :, :20] //= 2
    data, shrunk, counts = from_arrays(x, np.arange(600) % 2).search_data, features._shrunk, list[int]()

    def noted(pictures: Any) -> Any:
        counts.append(len(pictures))
        return shrunk(pictures)

    def at_once(train: Any, judged: Any) -> Any:
        low, high = np.float32(train.min()), np.float32(train.max())
        return tuple(shrunk((each.astype(np.float32) - low) / (high - low)) for each in (train, judged))

    monkeypatch.setattr(features, "_shrunk", noted)
    found = describe_task(data)
    assert len(data.train) > 2 * max(counts) and max(counts) == 100, "a copy in full size is of so many alone"
    pairs = (at_once(data.train.x, data.validation.x), features._pictures(data.train.x, data.validation.x))
    for wanted, own in zip(*pairs, strict=True):
        assert own.dtype == np.float32
        np.testing.assert_allclose(own, wanted, atol=1e-6)
    monkeypatch.setattr(features, "_pictures", at_once)
    assert found == pytest.approx(describe_task(data), abs=0.02)


def test_features_of_numbers(slopes: Task) -> None:
    found = describe_task(slopes.search_data)
    assert found["regression"] == 1.0 and found["pictures"] == 0.0 and "probe_0" not in found
    assert found["linear"] > 0.8


def test_features_of_a_table_with_holes_and_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.3f},{'' if place % 7 == 0 else f'{b:.3f}'},{'red' if a > 0 else 'blue'},{3 * a:.3f}"
        for place, (a, b) in enumerate(rng.normal(size=(300, 2)))
    ]
    file = tmp_path / "holes.csv"
    file.write_text("\n".join(["a,b,colour,wanted", *rows]), encoding="utf-8")
    found = describe_task(load_task(file, reading=Reading.of({"label": "wanted"})).search_data)
    assert np.isfinite(list(found.values())).all() and found["linear"] > 0.9


def test_features_of_many_outputs() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6)).astype(np.float32)
    y = np.stack([x[:, 0], x[:, 1] * 2], 1) + 5
    found = describe_task(from_arrays(x, y.astype(np.float32), kind="regression").search_data)
    assert np.isfinite(list(found.values())).all() and found["linear"] > 0.9


def test_a_task_is_most_like_itself(stripes: Task, slopes: Task) -> None:
    digits, lines = describe_task(load_task("digits").search_data), describe_task(stripes.search_data)
    assert likeness(digits, digits) == 1.0
    assert 0.0 < likeness(digits, lines) == likeness(lines, digits) < 0.9
    assert likeness(digits, describe_task(slopes.search_data)) == 0.0
    assert likeness({}, digits) == 1.0


def test_the_same_data_drawn_otherwise_are_much_alike() -> None:
    one, other = (describe_task(load_task("digits", seed=seed).search_data) for seed in (0, 1))
    assert likeness(one, other) > 0.8
