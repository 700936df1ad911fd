"""From arrays as people have them to a task, or to one line that says why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from azora.errors import TaskError
from azora.settings import closest
from azora.tasks.array import Array
from azora.tasks.precision import rounded_together
from azora.tasks.signature import KINDS, Signature
from azora.tasks.tables import Table
from azora.tasks.task import Split, Task

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
TEST_SEED = 0  # the test split is the same whatever the search's seed
GROUP_DRAWS = 20


@dataclass(frozen=True)
class _Rows:
    """Inputs with their targets, and the group of each row where there are groups."""

    x: Array
    y: Array
    groups: Array | None = None


def from_arrays(
    x: Array,
    y: Array,
    *,
    x_test: Array | None = None,
    y_test: Array | None = None,
    x_validation: Array | None = None,
    y_validation: Array | None = None,
    groups: Array | None = None,
    groups_test: Array | None = None,
    classes: Sequence[str] | None = None,
    name: str = "arrays",
    seed: int = 0,
    flips: bool | None = None,
    channels_last: bool | None = None,
    kind: str | None = None,
    table: Table | None = None,
    notes: Sequence[str] = (),
) -> Task:
    """A task from rows in memory.

    Args:
        x: (N, H, W), (N, H, W, C) or (N, C, H, W) pictures, or (N, F) rows; any number type.
        y: (N,) labels (numbers or names), or real numbers for regression, (N,) or (N, outputs).
        x_test, y_test: the test split; without it a fifth is held out, the same for every seed.
        x_validation, y_validation: the validation split; without it a fifth of the rest, drawn by `seed`.
        groups, groups_test: (N,) rows of one group never lie on two sides of a split made here, nor are compared apart.
        classes: names of the classes 0, 1, …
        flips: whether mirrored pictures may keep their class, so that a recipe may mirror; true unless said.
        channels_last: how to read 4-dimensional `x`; unless said, the smaller of the two candidate axes.
        kind: "classification" or "regression"; unless said, numbers that are not whole are to be predicted as numbers.
        table: what the columns of `x` are, when it comes from `Table.rows` and may have holes.
        notes: what a reader should know of how the data was read.

    Raises:
        TaskError: lengths differ, values are missing or infinite, y has one class or value only, a class has one row …
    """
    if kind not in (None, *KINDS):
        raise TaskError(f"kind {kind!r} is not known; {closest(str(kind), KINDS)}")
    if x is None and y is None:
        raise TaskError(f"{name}: x and y must be given")
    pairs = {"": (x, y), "_test": (x_test, y_test), "_validation": (x_validation, y_validation)}
    rows, labels = _labelled(_given(pairs, channels_last, holes=table is not None), classes, kind)
    shape = tuple(rows["train"].x.shape[1:])
    mirrored, raw = (flips is None or flips) and len(shape) == 3, 0 if table is None else shape[0]
    shape, traits = (shape, ()) if table is None else ((table.width,), table.traits)
    signature = Signature(labels.kind, shape, labels.outputs, labels.names, mirrored, raw, traits)
    notes = [*notes, *_rounded(np.asarray(x), table), *_alone(rows, groups, groups_test)]
    splits, test_groups = _three(_grouped(rows, groups, groups_test), labels, seed)
    return Task(name, signature, *splits, table=table, notes=notes, test_groups=test_groups)


def _rounded(x: Array, table: Table | None) -> list[str]:
    """What is to be told of columns whose values fall together in float32."""
    if x.ndim != 2 or table is not None:
        return []
    found = ((place, rounded_together(x[:, place])) for place in range(x.shape[1]))
    return [f"column {place} of x has {said}" for place, said in found if said]


def _given(
    pairs: dict[str, tuple[Array | None, Array | None]], channels_last: bool | None, holes: bool
) -> dict[str, _Rows]:
    """The splits that were given, checked, by name; `pairs` by the endings of their arguments' names."""
    parts = {
        ending.removeprefix("_") or "train": _rows(f"x{ending}", x, f"y{ending}", y, channels_last, holes)
        for ending, (x, y) in pairs.items()
    }
    return {title: part for title, part in parts.items() if part is not None}


def _labelled(
    parts: dict[str, _Rows], classes: Sequence[str] | None, kind: str | None
) -> tuple[dict[str, _Rows], _Labels]:
    """The parts with their targets as numbers, and what the numbers mean."""
    shape = parts["train"].x.shape[1:]
    for title, part in parts.items():
        if part.x.shape[1:] != shape:
            raise TaskError(f"x_{title} has rows of shape {part.x.shape[1:]}, x has {shape}")
    labels = _Labels.of([part.y for part in parts.values()], classes, kind)
    rows = {title: _Rows(part.x, labels.apply(part.y)) for title, part in parts.items()}
    labels.check_counts(rows["train"].y, guessed=kind is None and classes is None)
    return rows, labels


def _three(rows: dict[str, _Rows], labels: _Labels, seed: int) -> tuple[list[Split], Array | None]:
    """Search-train, search-validation and test, of which the last two are held out where they were not given; and the
    groups of the test's rows."""
    rest, held_out, judged = rows["train"], rows.get("test"), rows.get("validation")
    if held_out is None:
        rest, held_out = _divide(rest, TEST_SHARE, TEST_SEED, labels, least=1 if judged else 2)
    if judged is None:
        rest, judged = _divide(rest, VALIDATION_SHARE, seed, labels, least=1)
    return [Split(part.x, part.y) for part in (rest, judged, held_out)], held_out.groups


@dataclass(frozen=True)
class _Labels:
    """How targets become numbers."""

    kind: str
    names: tuple[str, ...]
    values: Array | None  # the distinct labels, in the order of the class numbers
    outputs: int

    @classmethod
    def of(cls, targets: list[Array], classes: Sequence[str] | None, kind: str | None = None) -> _Labels:
        columns = [target.reshape(len(target), -1) for target in targets]
        if len(widths := {part.shape[1] for part in columns}) > 1:
            raise TaskError(f"y has {min(widths)} columns in one split and {max(widths)} in another")
        together = np.concatenate(columns)
        broken = together.dtype.kind == "f" and (together.shape[1] > 1 or np.any(together != np.round(together)))
        if kind == "regression" or (broken and kind is None):
            if together.dtype.kind == "U":
                raise TaskError(f"y holds names such as {together[0, 0]!r}, which cannot be predicted as numbers")
            if said := next(filter(None, map(rounded_together, together.T)), None):
                raise TaskError(f"y has {said}")
            if np.all(columns[0] == columns[0][0]):
                row = columns[0][0].tolist()
                only = row[0] if len(row) == 1 else row
                raise TaskError(f"y has one value only ({only}); there is nothing to predict")
            return cls("regression", (), None, together.shape[1])
        if together.shape[1] > 1:
            raise TaskError(f"y has {together.shape[1]} columns of labels; one is wanted")
        values = np.unique(together)
        if len(values) < 2:
            raise TaskError(f"y has one class only ({values[0].item()!r}); two or more are wanted")
        if classes is not None:
            values = np.arange(len(classes))
            if twice := [each for place, each in enumerate(classes) if each in classes[:place]]:
                raise TaskError(f"classes names {twice[0]!r} twice; every class needs a name of its own")
            if together.dtype.kind not in "iuf" or not set(np.unique(together)) <= set(values):
                raise TaskError(
                    f"classes names {len(classes)} classes, so y must hold the numbers 0 to {len(classes) - 1}"
                )
        names = [str(each) for each in classes] if classes is not None else [_name(value) for value in values]
        return cls("classification", tuple(names), values, len(values))

    def apply(self, y: Array) -> Array:
        if self.values is None:
            return y.reshape(len(y), -1).astype(np.float32)
        return np.searchsorted(self.values, y.reshape(-1)).astype(np.int64)

    def check_counts(self, y: Array, guessed: bool) -> None:
        """Raises TaskError where a class has too few rows; `guessed` when nobody said that these are classes."""
        if self.values is None:
            return
        hint = "; if these are numbers to predict, say --kind regression"
        hint *= guessed and self.values.dtype.kind in "iuf"
        for number, count in enumerate(np.bincount(y, minlength=self.outputs)):
            if count < 2:
                raise TaskError(
                    f"class {self.names[number]!r} has {count} row{'' if count == 1 else 's'} to learn from;"
                    f" two or more are wanted, one of them for validation{hint}"
                )


def _name(value: object) -> str:
    return str(int(value)) if isinstance(value, np.floating) and value == int(value) else str(value)


def _rows(
    x_name: str, x: Array | None, y_name: str, y: Array | None, channels_last: bool | None, holes: bool = False
) -> _Rows | None:
    if x is None and y is None:
        return None
    if x is None or y is None:
        raise TaskError(f"{x_name if x is None else y_name} is missing beside {y_name if x is None else x_name}")
    x, y = _array(x_name, x, "biuf", "numbers", holes), _signed(y_name, _array(y_name, y, "biufU", "numbers or names"))
    if len(x) != len(y):
        raise TaskError(f"{x_name} has {len(x)} rows, {y_name} has {len(y)}")
    return _Rows(_pictures_or_rows(x_name, x, channels_last), y)


def _array(name: str, values: Array, kinds: str, wanted: str, holes: bool = False) -> Array:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise TaskError(f"{name} has rows of different lengths; rows of one shape are wanted") from error
    if array.dtype.kind == "O" and "U" in kinds and all(isinstance(each, str) for each in array.flat):
        array = array.astype(str)  # pandas has names as objects
    if array.dtype.kind not in kinds:
        raise TaskError(f"{name} holds {array.dtype} values; {wanted} are wanted")
    if array.ndim == 0 or array.size == 0:
        raise TaskError(f"{name} has shape {array.shape}, which is nothing to learn from; rows are wanted")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what overflows float32 is as useless as what was infinite before
            finite = np.isfinite(array.astype(np.float32))
        finite |= holes & np.isnan(array)
        if not finite.all():
            where = np.argwhere(~finite)[0]
            raise TaskError(f"{name} has {array[tuple(where)]} in row {where[0]}; fill or drop what is no number")
    return array


def _signed(name: str, y: Array) -> Array:
    """Whole numbers as int64: beside those of another split without a sign, large ones would become floats that are
    the same."""
    if y.dtype.kind not in "iu":
        return y
    if int(y.max()) > np.iinfo(np.int64).max:
        raise TaskError(f"{name} holds {int(y.max())}, which is beyond 63 bits; give names in place of such numbers")
    return y.astype(np.int64)


def _grouped(rows: dict[str, _Rows], groups: Array | None, groups_test: Array | None) -> dict[str, _Rows]:
    """The same, of which those to learn from and those of the test have their groups."""
    if groups_test is not None and "test" not in rows:
        raise TaskError("groups_test is given without x_test; a test that is held out has its groups from groups")
    given = {"train": ("groups", groups, "x"), "test": ("groups_test", groups_test, "x_test")}
    return {
        title: replace(part, groups=_groups(*given[title], len(part.x))) if title in given else part
        for title, part in rows.items()
    }


def _alone(rows: dict[str, _Rows], groups: Array | None, groups_test: Array | None) -> list[str]:
    """What is to be told where groups are known of the rows to learn from and not of those of the test."""
    if groups is None or groups_test is not None or "test" not in rows:
        return []
    return ["x has groups and x_test has none (groups_test), so each of its rows counts by itself"]


def _groups(name: str, groups: Array | None, of: str, rows: int) -> Array | None:
    if groups is None:
        return None
    array = _array(name, groups, "biufU", "numbers or names")
    if array.shape != (rows,):
        raise TaskError(f"{name} has shape {array.shape}, {of} has {rows} rows; one group a row is wanted")
    return array


def _pictures_or_rows(name: str, x: Array, channels_last: bool | None) -> Array:
    kept = x if x.dtype == np.uint8 else x.astype(np.float32)
    if x.ndim == 3:
        kept = kept[:, None]
    elif x.ndim == 4:
        last = channels_last if channels_last is not None else x.shape[3] <= x.shape[1]
        kept = kept.transpose(0, 3, 1, 2) if last else kept
    elif x.ndim != 2:
        raise TaskError(f"{name} has shape {x.shape}; (N, F), (N, H, W) or (N, H, W, C) is wanted")
    return np.ascontiguousarray(kept)  # torch takes no array that runs backwards, as mirrored pictures do


def _divide(rows: _Rows, share: float, seed: int, labels: _Labels, least: int) -> tuple[_Rows, _Rows]:
    """A larger and a smaller part: by groups where there are groups, else with every class in proportion.

    At least `least` rows of every class stay in the larger part.
    """
    classes = rows.y if labels.kind == "classification" else None
    if rows.groups is None:
        large, small = _by_class(len(rows.x), classes, share, seed, least)
    else:
        large, small = _by_group(rows, rows.groups, classes, share, seed, least)
    return _take(rows, np.sort(large)), _take(rows, np.sort(small))


def _take(rows: _Rows, part: Array) -> _Rows:
    return _Rows(rows.x[part], rows.y[part], None if rows.groups is None else rows.groups[part])


def _by_class(count: int, classes: Array | None, share: float, seed: int, least: int) -> tuple[Array, Array]:
    sides = 1 if classes is None else len(np.unique(classes))
    # Every class needs a row on either side, so few rows of many classes make the smaller part larger.
    wanted = max(round(share * count), sides)
    least_left = max(sides, 2)  # of one row nothing is learned, and no spread is known
    if count - wanted < least_left:
        raise TaskError(f"{count} rows are too few to hold some out; {wanted + least_left} or more are wanted")
    from sklearn.model_selection import train_test_split

    large, small = train_test_split(np.arange(count), test_size=wanted, random_state=seed, stratify=classes)
    if classes is None:
        return large, small
    # In proportion a rare class may lose a row that it cannot spare: rows go back, the first ones (of class 0 in the
    # order of the draw), by which the splits of data that people have are what they are.
    left = np.bincount(classes[large])
    for number in np.flatnonzero(left < least):
        small = small if number == 0 else np.sort(small)
        back = small[classes[small] == number][: least - left[number]]
        large, small = np.append(large, back), np.setdiff1d(small, back)
    if len(small) == 0:
        raise TaskError(f"no class has a row to spare for being judged; {least + 1} rows or more of each are wanted")
    return large, small


def _by_group(
    rows: _Rows, groups: Array, classes: Array | None, share: float, seed: int, least: int
) -> tuple[Array, Array]:
    if len(np.unique(groups)) < 2:
        raise TaskError("groups leaves one group to divide; one for each of training, validation and test is wanted")
    from sklearn.model_selection import GroupShuffleSplit

    splitter = GroupShuffleSplit(n_splits=GROUP_DRAWS, test_size=share, random_state=seed)
    for large, small in splitter.split(rows.x, rows.y, groups):
        # Nothing keeps the classes apart from the groups, so a draw may leave a class without rows to learn from.
        if classes is None or np.bincount(classes[large], minlength=classes.max() + 1).min() >= least:
            return large, small
    raise TaskError("groups cannot be divided so that every class is learned; spread each class over more groups")
