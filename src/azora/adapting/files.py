"""From files to episodes, and from an adapted network to a model folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from azora.adapting.adapted import Adapted
from azora.adapting.adapting import Adapting
from azora.adapting.episodes import Episode, scaled
from azora.errors import BundleError, TaskError
from azora.export.bundle import ABOUT, write_bundle
from azora.model import as_rows
from azora.settings import describe
from azora.tasks import Split, from_arrays, read_npz
from azora.tasks.array import Array


def read_classes(file: Path) -> Split:
    """Rows of many classes to meta-train on: `x_train` and `y_train` (or `x`, `y`) of an .npz file; what else there is,
    a test split of other classes above all, is not looked at.

    Raises:
        TaskError: the file is missing or damaged, or does not hold rows of classes.
    """
    x, y = _pair(file, read_npz(file))
    try:
        task = from_arrays(x, y, name=file.stem, kind="classification")
    except TaskError as error:
        raise TaskError(f"{file}: {error}") from error
    return task.everything() + task.read_test()


def held_out(rows: Split, share: float, least: int, seed: int) -> tuple[Split, Split]:
    """Rows of classes to meta-train on, and of others to judge by: `share` of them, but `least` on either side.

    Raises:
        TaskError: there are not so many classes.
    """
    classes = np.unique(rows.y)
    count = max(least, round(share * len(classes)))
    if len(classes) - count < least:
        raise TaskError(
            f"the data have {len(classes)} classes; {2 * least} or more are wanted: {least} for a task to learn from,"
            " and as many others for one to be judged by"
        )
    chosen = np.isin(rows.y, np.random.default_rng(seed).permutation(classes)[:count])
    return Split(rows.x[~chosen], rows.y[~chosen]), Split(rows.x[chosen], rows.y[chosen])


@final
@dataclass(frozen=True)
class Few:
    """A task that a file holds.

    Args:
        episode: its rows as the network sees them.
        classes: names, by number.
        values: what black and white are in the raw rows.
    """

    episode: Episode
    classes: tuple[str, ...]
    values: tuple[float, float]


def read_few(file: Path, adapting: Adapting) -> Few:
    """The task in an .npz file: `x` and `y` (or `x_train`, `y_train`) to adapt to, and perhaps `x_test`, `y_test`.

    Raises:
        TaskError: the file is missing or damaged, or its rows have another shape.
    """
    arrays, signature = read_npz(file), adapting.signature
    x, y = _pair(file, arrays)
    names, numbers = np.unique(y, return_inverse=True)
    rows = as_rows(x, signature)
    order = np.lexsort((numbers, _rank(numbers)))  # shot by shot
    x_query, y_query = torch.empty(0, *signature.shape), torch.empty(0, dtype=torch.long)
    if "x_test" in arrays:
        asked = arrays.get("y_test", np.empty(0))
        labels = asked.ndim == 1 and len(asked) == len(arrays["x_test"])
        if not labels or not set(asked.tolist()) <= set(names.tolist()):
            raise TaskError(f"{file}: y_test must name one of the classes of y for every row of x_test")
        x_query = scaled(as_rows(arrays["x_test"], signature), adapting.scaling)
        y_query = torch.from_numpy(np.searchsorted(names, asked))
    support = scaled(rows[order], adapting.scaling)
    episode = Episode(support, torch.from_numpy(numbers[order]), x_query, y_query, len(names))
    return Few(episode, tuple(map(str, names.tolist())), Split(rows, numbers).values)


def free_place(folder: Path) -> Path:
    """`folder` by its whole name, where a model may be written.

    Raises:
        BundleError: something else is there, which would be lost.
    """
    whole = Path(os.path.abspath(folder))
    if whole.exists() and not (whole / ABOUT).is_file() and (not whole.is_dir() or any(whole.iterdir())):
        raise BundleError(f"{folder} is there and is no model; name a folder that is empty, new, or a model's")
    return whole


def write_model(adapting: Adapting, found: Adapted, few: Few, folder: Path, figures: Mapping[str, Any]) -> None:
    """A model folder as a search leaves one, without an ONNX file; normalisations have the support rows' statistics.

    Raises:
        BundleError: something else is there.
    """
    folder = free_place(folder)
    space = describe(adapting.learner.space)
    signature = replace(adapting.signature, classes=few.classes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"- {name}: {value}" for name, value in figures.items()]
    write_bundle(
        folder, found.frozen(), signature, adapting.scaling,
        space={"name": space["kind"], "settings": space["settings"]},
        architecture=found.architecture.to_json(), facts={"figures": dict(figures), "values": few.values}, onnx=None,
        card="\n".join(["# A network adapted to a few rows", "", *lines, ""]),
    )  # fmt: skip


def _pair(file: Path, arrays: Mapping[str, Array]) -> tuple[Array, Array]:
    for end in ("_train", ""):
        if f"x{end}" in arrays and f"y{end}" in arrays:
            x, y = arrays[f"x{end}"], arrays[f"y{end}"]
            if y.ndim != 1 or len(x) != len(y):
                raise TaskError(f"{file}: x{end} has shape {x.shape} and y{end} {y.shape}; one label a row is wanted")
            return x, y
    found = ", ".join(sorted(arrays)) or "nothing"
    raise TaskError(f"{file} lacks x_train and y_train (or x and y); it holds {found}")


def _rank(numbers: Array) -> Array:
    """Of each row, how many rows of its class come before it."""
    rank = np.empty(len(numbers), np.int64)
    for number in np.unique(numbers):
        own = np.flatnonzero(numbers == number)
        rank[own] = np.arange(len(own))
    return rank
