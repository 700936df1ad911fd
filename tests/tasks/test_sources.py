"""Tasks by name and from .npz files, good and bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azora.errors import TaskError
from azora.tasks import TASKS, Reading, load_task, read_npz
from azora.training import RecipeSettings

ROWS = np.random.default_rng(0).normal(size=(40, 3))
LABELS = np.arange(40) % 2


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(**arrays: Any) -> Path:
        np.savez_compressed(tmp_path / "mine.npz", **arrays)
        return tmp_path / "mine.npz"

    return write


def test_digits_are_the_same_359_test_rows_for_every_seed() -> None:
    first, second = load_task("digits"), load_task("digits", seed=3)
    assert (len(first.train), len(first.validation), first.test_rows) == (1150, 288, 359)
    assert first.signature.shape == (1, 8, 8)
    assert first.signature.classes == tuple("0123456789")
    assert not first.signature.flips
    assert first.train.x.dtype == np.uint8
    assert first.train.x.max() == 16
    test = first.read_test()
    assert np.array_equal(test.x, second.read_test().x)
    assert np.bincount(test.y).min() >= 34
    assert first.digest != second.digest


@pytest.mark.parametrize("name", TASKS)
def test_every_named_task_loads(name: str) -> None:
    assert load_task(name).name == name


def test_an_npz_with_all_its_splits(write: Any) -> None:
    path = write(
        x_train=ROWS, y_train=LABELS, x_test=ROWS[:8], y_test=LABELS[:8], x_validation=ROWS[:6],
        y_validation=LABELS[:6], classes=np.array(["no", "yes"]),
    )  # fmt: skip
    task = load_task(path)
    assert (task.name, len(task.train), len(task.validation), task.test_rows) == ("mine", 40, 6, 8)
    assert task.signature.classes == ("no", "yes")


def test_an_npz_with_groups_keeps_them_together(write: Any) -> None:
    groups = np.arange(40) // 4
    task = load_task(str(write(x_train=groups[:, None].astype(float), y_train=LABELS, groups=groups)))
    assert set(task.train.x[:, 0]).isdisjoint(task.validation.x[:, 0])


def test_groups_of_a_given_test_are_read_or_told_to_be_missing(write: Any) -> None:
    given = {"x_train": ROWS, "y_train": LABELS, "groups": np.arange(40) // 4, "x_test": ROWS[:8], "y_test": LABELS[:8]}
    task = load_task(write(**given, groups_test=np.array(["a", "b"]).repeat(4)))
    assert task.test_groups is not None and task.test_groups.tolist() == [*"aaaabbbb"] and task.notes == ()
    task = load_task(write(**given))
    assert task.test_groups is None and [note for note in task.notes if "groups_test" in note]


def test_an_npz_or_who_names_it_says_whether_pictures_are_mirrored(write: Any) -> None:
    pictures = {"x_train": np.random.default_rng(0).random((40, 8, 8, 3)), "y_train": LABELS}
    path = write(**pictures)
    assert load_task(path).signature.flips and "reading" not in load_task(path).about()
    task = load_task(path, reading=Reading(flips=False))
    assert not task.signature.flips and task.about()["reading"] == {"flips": False}
    assert Reading().after(task.reading, path) == Reading(flips=False)
    path = write(**pictures, flips=np.array(False))
    task = load_task(path)
    assert not task.signature.flips and task.about()["reading"] == {"flips": False}
    assert not RecipeSettings.default(task.signature).flip  # what trains without a recipe that is searched
    task = load_task(path, reading=Reading(flips=True))
    assert task.signature.flips and task.about()["reading"] == {"flips": True}
    for wrong, said in ((np.array([True, False]), r"\[True, False\]"), (np.array("no"), "no"), (np.array(2), "2")):
        with pytest.raises(TaskError, match=f"mine.npz: flips is {said}; one value, true or false, is wanted"):
            load_task(write(**pictures, flips=wrong))
    with pytest.raises(TaskError, match="--no-flips says nothing about the task digits"):
        load_task("digits", reading=Reading(flips=False))


def test_the_kind_of_an_npz_can_be_said(write: Any) -> None:
    path = write(x_train=ROWS, y_train=np.arange(40) % 4)
    assert load_task(path).signature.kind == "classification"
    task = load_task(path, reading=Reading(kind="regression"))
    assert (task.signature.kind, task.about()["reading"]) == ("regression", {"kind": "regression"})
    assert load_task(path, reading={"kind": "regression"}).digest == task.digest
    assert load_task(path, whole="regression").digest == task.digest
    with pytest.raises(TaskError, match=r"--label says nothing about an \.npz file"):
        load_task(path, reading=Reading(label="y"))
    with pytest.raises(TaskError, match="there is no way of reading 'knd'; did you mean 'kind'"):
        load_task(path, reading={"knd": "regression"})


def test_missing_arrays_are_named_with_what_is_there(write: Any) -> None:
    with pytest.raises(TaskError, match=r"mine.npz lacks x_train and y_train; it holds images, y_test"):
        load_task(write(images=ROWS, y_test=LABELS))


class Trap:
    """Unpickling it would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("an array was unpickled",))


def test_python_objects_are_never_unpickled(write: Any) -> None:
    trap = np.empty(40, object)
    trap[0] = Trap()
    with pytest.raises(TaskError, match="holds Python objects, which are not read"):
        load_task(write(x_train=trap, y_train=LABELS))


def _text(path: Path) -> None:
    path.write_text("x_train, y_train")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def _single_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, ROWS)


def _damaged(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[60:200] = bytes(140)
    path.write_bytes(whole)


@pytest.mark.parametrize("spoil", [_text, _empty, _cut, _single_array, _damaged])
def test_damaged_files_are_said_to_be_damaged(write: Any, spoil: Any) -> None:
    path = write(x_train=ROWS, y_train=LABELS)
    spoil(path)
    with pytest.raises(TaskError, match=r"mine.npz (is no .npz file|cannot be read as .npz)") as caught:
        read_npz(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digit", "there is no task, file or folder 'digit'; .* did you mean 'digits'"),
        ("absent.npz", "there is no file absent.npz"),
        (".", r"\. holds no pictures"),
    ],
)
def test_unknown_tasks_are_named(source: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        load_task(source)
