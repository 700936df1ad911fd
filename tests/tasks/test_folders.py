"""Pictures in folders: sizes, modes, and files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from azora.errors import TaskError
from azora.tasks import Reading, load_task
from azora.tasks.folders import pixels, read_folders


def draw(file: Path, size: tuple[int, int] = (8, 8), mode: str = "L", value: int = 100) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    colour = {"L": value, "RGB": (value, 0, 0), "RGBA": (value, 0, 0, 255), "I;16": value * 256, "1": 1, "P": 0}[mode]
    Image.new(mode, size, colour).save(file)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, value in (("cat", 50), ("dog", 200)):
        for number in range(6):
            draw(tmp_path / "pets" / name / f"{number}.png", value=value)
    return tmp_path / "pets"


def test_folders_are_classes(root: Path) -> None:
    (root / "cat" / "notes.txt").write_text("not a picture, and not said to be one")
    (root / "dog" / ".hidden.png").write_text("not seen")
    task = load_task(root)
    assert (task.name, task.notes) == ("pets", ())
    assert (task.signature.shape, task.signature.classes) == ((1, 8, 8), ("cat", "dog"))
    rows = task.everything()
    assert rows.x.dtype == np.uint8
    assert all((x == (50, 200)[y]).all() for x, y in zip(rows.x, rows.y, strict=True))


def test_pictures_in_folders_are_mirrored_unless_it_is_said(root: Path) -> None:
    assert load_task(root).signature.flips
    task = load_task(root, reading=Reading(flips=False))
    assert not task.signature.flips
    assert Reading().after(task.reading, root).flips is False


def test_black_and_white_of_files_are_those_of_bytes_however_dark_they_are(tmp_path: Path) -> None:
    for name, value in (("cat", 50), ("dog", 100)):
        for number in range(6):
            draw(tmp_path / "dark" / name / f"{number}.png", value=value)
    task = load_task(tmp_path / "dark")
    assert task.train.values == (50.0, 100.0) and task.values == (0.0, 255.0)
    assert task.brought(task.values, (0.0, 1.0)).values == (0.0, 1.0)


def test_given_splits_are_respected(root: Path, tmp_path: Path) -> None:
    split = tmp_path / "split"
    split.mkdir()
    root.rename(split / "train")
    for name in ("cat", "dog"):
        draw(split / "test" / name / "a.png", value=7)
        draw(split / "val" / name / "b.png", value=9)
    task = load_task(split)
    assert (len(task.train), len(task.validation), task.test_rows) == (12, 2, 2)
    assert set(task.validation.x.flat) == {9}
    assert set(task.read_test().x.flat) == {7}


def test_a_file_named_as_a_split_is_none(root: Path) -> None:
    (root / "train").write_text("notes on how it was trained")
    task = load_task(root)
    assert task.signature.classes == ("cat", "dog") and len(task.everything()) + task.test_rows == 12


def test_mixed_sizes_and_modes_are_brought_together(root: Path) -> None:
    draw(root / "cat" / "wide.jpg", (40, 20), "RGB")
    draw(root / "dog" / "clear.png", (9, 9), "RGBA")
    draw(root / "dog" / "deep.png", (9, 9), "I;16", 130)
    found = read_folders(root)
    assert found.albums["train"].x.shape == (15, 32, 32, 3)
    assert found.notes == ["pictures of 3 sizes were brought to 32 × 32"]
    assert read_folders(root, size=16).albums["train"].x.shape == (15, 16, 16, 3)
    assert pixels(root / "dog" / "deep.png", 9, 9, 1).max() == 130
    with pytest.raises(TaskError, match="size=1 must be between 2 and 1024"):
        load_task(root, reading=Reading(size=1))


def test_a_picture_that_does_not_decode_is_named_or_left_out(root: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(root / "whole.png")
    whole = (root / "whole.png").read_bytes()
    (root / "cat" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(TaskError, match=r"cat/bad.png cannot be read as a picture; mend or remove it"):
        load_task(root)
    (root / "cat" / "bad.png").unlink()
    (root / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])  # its head is whole, its pixels are not
    with pytest.raises(TaskError, match=r"dog/cut.png is a damaged picture: .*--skip-bad"):
        load_task(root)
    task = load_task(root, reading=Reading(skip_bad=True, size=8))
    assert len(task.everything()) + task.test_rows == 12
    assert task.notes[:1] == (f"1 file that cannot be read as pictures left out: {root / 'dog' / 'cut.png'}",)


def test_folders_that_hold_no_task_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"holds no pictures; they are wanted as .*/CLASS/PICTURE.png"):
        load_task(tmp_path)
    draw(tmp_path / "one" / "a.png")
    with pytest.raises(TaskError, match="has one class only"):
        load_task(tmp_path)
    draw(tmp_path / "two" / "a.png")
    with pytest.raises(TaskError, match="has 1 row to learn from"):
        load_task(tmp_path)
    with pytest.raises(TaskError, match="--label says nothing about a folder of pictures"):
        load_task(tmp_path, reading=Reading(label="one"))


def test_training_and_testing_are_no_classes(root: Path, tmp_path: Path) -> None:
    split = tmp_path / "split"
    split.mkdir()
    root.rename(split / "Training")
    for name in ("cat", "dog"):
        draw(split / "Testing" / name / "a.png", value=7)
        draw(split / "dev" / name / "b.png", value=9)
    (split / "notes").mkdir()
    draw(split / ".cache" / "cat" / "c.png")
    task = load_task(split)
    assert task.signature.classes == ("cat", "dog")
    assert (len(task.train), len(task.validation), task.test_rows) == (12, 2, 2)
    assert set(task.validation.x.flat) == {9} and set(task.read_test().x.flat) == {7}
    draw(split / "val" / "cat" / "d.png")
    with pytest.raises(TaskError, match="split has dev and val, which both are validation; join them, or move one"):
        load_task(split)


def test_pictures_beside_train_that_are_of_no_split_are_not_left_out(root: Path, tmp_path: Path) -> None:
    split = tmp_path / "split"
    split.mkdir()
    root.rename(split / "train")
    draw(split / "holdout" / "cat" / "a.png")
    with pytest.raises(TaskError, match="split has train beside holdout, which is no split; name it test or"):
        load_task(split)


def test_a_folder_above_the_one_with_the_classes_leads_to_it(root: Path) -> None:
    with pytest.raises(TaskError, match=rf"has one class only \('pets'\); .*; or give {root} itself"):
        load_task(root.parent)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB"])
def test_what_is_transparent_stands_on_white(mode: str, tmp_path: Path) -> None:
    """Left of two pixels one cannot see what its colour is."""
    below, seen = (0, 0, 0), (40, 80, 120)
    if mode in ("RGBA", "LA"):
        picture = Image.new("RGBA", (2, 1), (*seen, 255))
        picture.putpixel((0, 0), (*below, 0))
        picture.convert(mode).save(tmp_path / "clear.png")
    else:
        picture = Image.new("RGB", (2, 1), seen)
        picture.putpixel((0, 0), below)
        picture = picture.quantize(2) if mode == "P" else picture.convert(mode)
        picture.save(tmp_path / "clear.png", transparency=picture.getpixel((0, 0)))
    grey = round(0.299 * 40 + 0.587 * 80 + 0.114 * 120)
    coloured = pixels(tmp_path / "clear.png", 1, 2, 3)[0]
    assert coloured[0].tolist() == [255] * 3
    assert coloured[1].tolist() == ([grey] * 3 if "L" in mode else [*seen])
    assert pixels(tmp_path / "clear.png", 1, 2, 1).reshape(-1).tolist() == [255, grey]


def test_files_damaged_in_the_head_and_in_the_body_are_told_of_together(root: Path) -> None:
    whole = next(root.rglob("*.png"))
    (whole.parent / "head.png").write_bytes(b"no picture")
    Image.new("RGB", (40, 40), (1, 2, 3)).save(whole.parent / "body.png")
    body = (whole.parent / "body.png").read_bytes()
    (whole.parent / "body.png").write_bytes(body[: len(body) // 2])
    notes = [note for note in read_folders(root, skip_bad=True).notes if "left out" in note]
    assert len(notes) == 1
    assert notes[0].startswith("2 files") and "head.png" in notes[0] and "body.png" in notes[0]
