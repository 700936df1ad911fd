"""Pictures in folders, one folder a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from azora.errors import TaskError
from azora.tasks.array import Array

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
LARGEST = 64  # pixels each way that pictures are kept at when nobody states a size
USUAL = 32  # pixels each way when they are of different sizes, or larger
SEE_THROUGH = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})  # modes of pictures that may be transparent
SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation", "eval": "validation",
}  # fmt: skip


@final
@dataclass
class Album:
    """Pictures of one split: `x` (N, H, W, C) uint8 and the class name of each."""

    x: Array
    labels: list[str]


@final
@dataclass
class Folders:
    """What was found in a folder: an album a split ("train", and perhaps "test" and "validation"), and what a reader
    should know of it."""

    albums: dict[str, Album]
    classes: list[str]
    notes: list[str] = field(default_factory=list)


def read_folders(root: Path, *, size: int | None = None, skip_bad: bool = False, grey: bool | None = None) -> Folders:
    """The pictures under `root/CLASS/`, or under `root/train/CLASS/`, `root/test/CLASS/`, `root/validation/CLASS/`;
    other names of these (`SPLITS`) do as well, in any case of letters.

    Pictures are brought to `size` × `size` pixels; where that is not stated, to the size that all of them have if it is
    square and at most 64, else to 32. They are grey when all files are.

    Args:
        skip_bad: go on without the files that are no pictures, and note them.
        grey: whether they are to have one channel or three, whatever the files have; unless said, as above.

    Raises:
        TaskError: there are no pictures, fewer than two classes, two folders of one split, pictures in none of the
            splits, or a file that cannot be read; it is named.
    """
    if size is not None and not 2 <= size <= 1024:
        raise TaskError(f"size={size} must be between 2 and 1024 pixels")
    found = {split: _files(folder) for split, folder in _splits(root).items()}
    classes = sorted({label for files in found.values() for label, _ in files})
    if not any(found.values()):
        raise TaskError(f"{root} holds no pictures; they are wanted as {root.name}/CLASS/PICTURE.png")
    if len(classes) < 2:
        inner = root / classes[0]
        instead = f"; or give {inner} itself" if inner.is_dir() and _files(inner) else ""
        raise TaskError(
            f"{root} has one class only ({classes[0]!r}); two folders of pictures or more are wanted{instead}"
        )
    looks, bad = _look([file for files in found.values() for _, file in files], skip_bad)
    side = size or _side(list(looks.values()))
    all_grey = all(look.grey for look in looks.values())
    grey = all_grey if grey is None else grey
    albums = {}
    for split, files in found.items():
        albums[split] = _album([each for each in files if each[1] in looks], side, grey, skip_bad, bad)
    notes = [_skipped(bad)] if bad else []
    sizes = {look.size for look in looks.values()}
    if sizes != {(side, side)}:
        notes.append(f"pictures of {len(sizes)} size{'s' * (len(sizes) > 1)} were brought to {side} × {side}")
    if grey and not all_grey:
        notes.append("pictures in colour were made grey")
    return Folders(albums, classes, notes)


@dataclass(frozen=True)
class _Look:
    size: tuple[int, int]
    grey: bool


def _splits(root: Path) -> dict[str, Path]:
    """The folder of each split; `root` is that of "train" where none is called so.

    Raises:
        TaskError: two folders are of one split, or pictures are in a folder that is of none.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    splits = {path: SPLITS[path.name.lower()] for path in folders if path.name.lower() in SPLITS}
    if "train" not in splits.values():
        return {"train": root}
    named: dict[str, Path] = {}
    for path, split in splits.items():
        if split in named:
            both = f"{named[split].name} and {path.name}"
            raise TaskError(f"{root} has {both}, which both are {split}; join them, or move one away")
        named[split] = path
    if other := next((path for path in folders if path not in splits and _has_pictures(path)), None):
        raise TaskError(
            f"{root} has {named['train'].name} beside {other.name}, which is no split; name it test or validation, or"
            " move it away"
        )
    return named


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Class and path of every picture, in the order of names, which is the same everywhere."""
    found: list[tuple[str, Path]] = []
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found.extend((inner.name, file) for file in sorted(inner.rglob("*")) if _is_picture(file))
    return found


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURES and file.is_file() and not file.name.startswith(".")


def _has_pictures(folder: Path) -> bool:
    return any(map(_is_picture, folder.rglob("*")))


def _look(files: Sequence[Path], skip_bad: bool) -> tuple[dict[Path, _Look], list[Path]]:
    """Size and mode of every picture, without its pixels."""
    looks: dict[Path, _Look] = {}
    bad: list[Path] = []
    for file in files:
        try:
            with _open(file) as picture:  # says what it is before its pixels are read
                grey = picture.mode in ("1", "L", "LA", "I", "F") or picture.mode.startswith("I;")
                looks[file] = _Look(picture.size, grey)
        except TaskError as error:
            bad.append(_may_skip(file, error, skip_bad))
    return looks, bad


def _may_skip(file: Path, error: TaskError, skip_bad: bool) -> Path:
    if not skip_bad:
        raise TaskError(f"{error}; mend or remove it, or go on without such files by --skip-bad") from error
    return file


def _side(looks: list[_Look]) -> int:
    sizes = Counter(look.size for look in looks)
    (width, height), _ = sizes.most_common(1)[0] if sizes else ((0, 0), 0)
    return width if len(sizes) == 1 and width == height <= LARGEST else USUAL


def _album(files: list[tuple[str, Path]], side: int, grey: bool, skip_bad: bool, bad: list[Path]) -> Album:
    """The pictures of one split; files whose pixels cannot be read are added to `bad`."""
    x = np.zeros((len(files), side, side, 1 if grey else 3), np.uint8)
    labels: list[str] = []
    for label, file in files:
        try:
            x[len(labels)] = pixels(file, side, side, 1 if grey else 3)
            labels.append(label)
        except TaskError as error:
            bad.append(_may_skip(file, error, skip_bad))
    return Album(x[: len(labels)], labels)


def pixels(file: Path, height: int, width: int, channels: int) -> Array:
    """A picture as (height, width, channels) uint8: grey with one channel, else red, green and blue. Where it is
    transparent, it is on white.

    Raises:
        TaskError: the file is no picture, or a damaged one.
    """
    from PIL import Image

    with _open(file) as opened:
        try:
            picture = opened
            if picture.mode.startswith("I"):
                # 16 bits a pixel: Pillow would cut off what is above 255.
                picture = Image.fromarray((np.asarray(picture, np.uint32) >> 8).astype(np.uint8))
            picture = _opaque(picture).convert("L" if channels == 1 else "RGB")
            if picture.size != (width, height):
                picture = picture.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(picture).reshape(height, width, channels)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise TaskError(f"{file} is a damaged picture: {error}") from error


def _opaque(picture: Any) -> Any:
    """On white where it is transparent: the colours below are whatever its program left there."""
    from PIL import Image

    palette = getattr(picture.palette, "mode", "")
    if not (picture.mode in SEE_THROUGH or "transparency" in picture.info or palette.endswith("A")):
        return picture
    shown = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)


def _open(file: Path) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TaskError(f"{file} cannot be read as a picture") from error


def _skipped(bad: list[Path]) -> str:
    shown = ", ".join(str(file) for file in bad[:10]) + (", …" if len(bad) > 10 else "")
    return f"{len(bad)} file{'s' * (len(bad) > 1)} that cannot be read as pictures left out: {shown}"
