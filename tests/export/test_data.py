"""New data are read as a model's own were: of its kind, and with black and white where it has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from azora.errors import TaskError
from azora.export.data import read_alike, with_values
from azora.tasks import Reading, Task, from_arrays, load_task
from azora.tasks.array import Array

SAID = Reading()


def pictures(low: float, high: float, kind: type = np.float32, rows: int = 40) -> tuple[Array, Array]:
    x = np.random.default_rng(0).random((rows, 4, 4))
    x[:, 0, 0], x[:, 3, 3] = 0.0, 1.0
    return (low + (high - low) * x).astype(kind), np.arange(rows) % 2


def task_of(low: float, high: float, kind: type = np.float32) -> Task:
    return from_arrays(*pictures(low, high, kind), name="new")


def album(folder: Path, size: tuple[int, int] = (4, 4), mode: str = "L", dark: bool = False) -> Path:
    """Pictures of two classes in files."""
    rng = np.random.default_rng(0)
    for row in range(24):
        file = folder / "ab"[row % 2] / f"{row}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
        Image.fromarray(rng.integers(0, 20 if dark else 256, shape).astype(np.uint8)).save(file)
    return folder


def about(task: Task, **facts: Any) -> dict[str, Any]:
    """What the description of a model of the task says of its data."""
    return {"signature": task.signature.to_json(), "scaling": task.scaling.to_json(), **facts}


@pytest.mark.parametrize(
    ("mine", "theirs", "wanted"),
    [
        ((0, 255), (0, 1, np.float32), (0, 255)),
        ((0, 255), (-1, 1, np.float32), (0, 255)),
        ((0, 1), (0, 255, np.uint8), (0, 1)),
        ((0.0, 0.98), (0, 255, np.float32), (0, 1)),
        ((-1, 1), (0, 1, np.float32), (-1, 1)),
    ],
)
def test_pictures_of_another_range_are_brought_to_the_models(
    mine: Sequence[float], theirs: tuple[float, float, type], wanted: Sequence[float]
) -> None:
    task = task_of(*theirs)
    before = task.train.x.astype(np.float64)
    brought = with_values(task, mine)
    assert brought.train.x.dtype == np.float32 and brought.train.values == pytest.approx(wanted, abs=1e-3)
    low, high = theirs[:2]
    again = (brought.train.x - wanted[0]) / (wanted[1] - wanted[0]) * (high - low) + low
    assert np.allclose(again, before, atol=1e-3 * (high - low))
    assert brought.read_test().x.max() == pytest.approx(wanted[1], abs=1e-3)
    assert any(f"are brought to {wanted[0]:g} to {wanted[1]:g}" in note for note in brought.notes)
    assert with_values(brought, mine) is brought and task.read_test().x.max() == high  # whose rows are still there


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ((0, 255), (0, 255, np.uint8)),
        ((0, 255), (0, 60, np.uint8)),  # a dark day
        ((0, 16), (0, 15, np.uint8)),
        ((0, 1), (0.0, 0.6, np.float32)),
        ((-0.42, 2.8), (-0.42, 2.5, np.float32)),
        ((), (0, 3, np.float32)),  # of a model that does not say
    ],
)
def test_pictures_of_about_its_range_stay_as_they_are(mine: Sequence[float], theirs: tuple[float, float, type]) -> None:
    task = task_of(*theirs)
    assert with_values(task, mine) is task


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ((0, 255), (-2.1, 2.6, np.float32)),
        ((0, 255), (0, 16, np.uint8)),
        ((0, 16), (0, 1, np.float32)),
        ((-2.1, 2.6), (0, 1, np.float32)),
        ((0, 1), (-2.1, 2.6, np.float32)),
    ],
)
def test_pictures_of_another_unit_that_is_not_clear_are_refused(
    mine: Sequence[float], theirs: tuple[float, float, type]
) -> None:
    with pytest.raises(TaskError, match=r"new has pictures of values from .* give them in its unit"):
        with_values(task_of(*theirs), mine)


def test_a_file_of_pictures_is_brought_as_it_is_read(tmp_path: Path) -> None:
    model = task_of(0, 255, np.uint8)
    x, y = pictures(0.0, 1.0)
    np.savez(tmp_path / "new.npz", x_train=x, y_train=y)
    read = read_alike(about(model, values=model.train.values), tmp_path / "new.npz", SAID)
    assert read.train.values == pytest.approx((0.0, 255.0), abs=0.1)


def test_pictures_in_files_are_of_bytes_however_dark_they_are(tmp_path: Path) -> None:
    dark = load_task(album(tmp_path / "dark", dark=True))
    assert dark.train.values[1] < 20  # beyond eight times as dark as a model's, arrays would be of another unit
    assert with_values(dark, (0.0, 255.0)) is dark
    assert with_values(dark, (0.0, 1.0)).train.x.max() == pytest.approx(dark.train.x.max() / 255)


def test_pictures_in_files_are_brought_to_the_size_and_channels_of_the_model(tmp_path: Path) -> None:
    colours, greys = album(tmp_path / "colours", (9, 6), "RGB"), album(tmp_path / "greys", (5, 5))
    x, y = pictures(0, 255, np.uint8)
    for model in (from_arrays(x, y), from_arrays(np.repeat(x[..., None], 3, axis=3), y)):
        for folder in (colours, greys):
            assert read_alike(about(model), folder, SAID).signature.shape == model.signature.shape
    found = read_alike(about(from_arrays(x, y)), colours, SAID)
    assert found.notes == ("pictures of 1 size were brought to 4 × 4", "pictures in colour were made grey")
    assert read_alike(about(model), greys, Reading(size=8)).signature.shape == (3, 8, 8)
    for folder in (colours, greys):  # a model's own
        own = load_task(folder)
        again = read_alike(about(own), folder, SAID)
        assert (again.digest, again.reading, again.notes) == (own.digest, own.reading, own.notes)


def test_whole_numbers_are_what_the_model_predicts(tmp_path: Path) -> None:
    """Ages: of few rows there are so few different ones that they look like classes."""
    x, ages = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32), np.arange(60) % 12 + 30
    numbers = about(from_arrays(x, ages.astype(np.float32), kind="regression"))
    classes = about(from_arrays(x, ages))
    np.savez(tmp_path / "new.npz", x_train=x, y_train=ages)
    rows = [f"{one},{other},{age}" for (one, other), age in zip(x, ages, strict=True)]
    (tmp_path / "new.csv").write_text("\n".join(["a,b,age", *rows]), encoding="utf-8")
    for name, said in (("new.npz", SAID), ("new.csv", Reading(label="age"))):
        assert read_alike(numbers, tmp_path / name, said).signature.kind == "regression"
        assert read_alike(classes, tmp_path / name, said).signature.kind == "classification"
    asked = replace(Reading(label="age"), kind="classification")
    assert read_alike(numbers, tmp_path / "new.csv", asked).signature.kind == "classification"
    many = "\n".join(["a,b,y", *(f"1,{row},{row % 30}" for row in range(300))])  # more than are taken for classes
    (tmp_path / "many.csv").write_text(many, encoding="utf-8")
    assert read_alike(classes, tmp_path / "many.csv", Reading(label="y")).signature.outputs == 30
    (tmp_path / "many.csv").write_text(many.replace("299,29", "299,29.5"), encoding="utf-8")
    assert read_alike(classes, tmp_path / "many.csv", Reading(label="y")).signature.kind == "regression"
