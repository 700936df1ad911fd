"""A model that was found, put to use."""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np

from azora.errors import BundleError, ConfigError, TaskError
from azora.export.bundle import ABOUT, BYTES, ONNX, Bundle, read_bundle, sha256
from azora.settings import closest
from azora.tasks import Signature, read_npz
from azora.tasks.array import Array
from azora.tasks.folders import PICTURES, pixels
from azora.tasks.tables import Table, delimiter_of, read_sheet

RUNTIMES = ("torch", "onnxruntime")
UTF8 = "utf-8-sig"  # spreadsheets write a byte-order mark before the first cell


class _Runs(Protocol):
    def run(self, x: Array) -> Array: ...


@final
class Model:
    """A trained network with its task's shape. Made by `Model.load`."""

    def __init__(self, bundle: Bundle, runtime: _Runs) -> None:
        self._bundle, self._runtime = bundle, runtime
        self.signature: Signature = bundle.signature
        self.about: Mapping[str, Any] = bundle.about
        self.values = bundle.values

    @classmethod
    def load(cls, folder: Path | str, *, runtime: str = "torch") -> Model:
        """The model in a folder that a search wrote, or in its `model` folder.

        Raises:
            BundleError: there is none, or it is damaged.
            ConfigError: the runtime is not known.
        """
        folder = Path(folder)
        where = folder if (folder / ABOUT).is_file() else folder / "model"
        if runtime not in RUNTIMES:
            raise ConfigError(f"runtime {runtime!r} is not known; {closest(runtime, RUNTIMES)}")
        bundle = read_bundle(where)
        return cls(bundle, _Torch(bundle) if runtime == "torch" else _onnx(bundle))

    def predict_proba(self, x: Array) -> Array:
        """Probabilities (N, classes) for raw inputs, (N, *shape) or as pictures are kept elsewhere, (N, H, W[, C]).

        Raises:
            TaskError: the model is no classifier, or the inputs have another shape or hold what is no number.
        """
        if self.signature.kind != "classification":
            raise TaskError("the model predicts numbers, which have no probabilities; use predict")
        return self._runtime.run(as_rows(x, self.signature))

    def predict(self, x: Array) -> Array:
        """Class names (N,), or numbers (N,) or (N, outputs).

        Raises:
            TaskError: the inputs have another shape, or hold what is no number.
        """
        answers = self._runtime.run(as_rows(x, self.signature))
        if self.signature.kind == "classification":
            names: Array = np.asarray(self.signature.classes)[answers.argmax(axis=1)]
            return names
        return answers[:, 0] if self.signature.outputs == 1 else answers

    def read(self, file: Path | str) -> tuple[list[str], Array]:
        """Names and raw inputs in a picture, a .csv or an .npz file, as `predict` takes them.

        Raises:
            TaskError: the file is missing, damaged, or holds nothing of the model's shape.
        """
        preparation = self._bundle.scaling.table
        return read_inputs(Path(file), self.signature, self.values, preparation and preparation.table)

    def export(self, file: Path | str) -> float:
        """Write an ONNX file; the largest difference from torch on random inputs of the data's range."""
        from azora.export.onnx import export_onnx

        rng = np.random.default_rng(0)
        scaling = self._bundle.scaling
        if scaling.table is not None:
            sample = scaling.table.sample(rng, 16)
        else:
            tail = (1,) * (len(self.signature.shape) - 1)
            mean, spread = (np.asarray(each).reshape(-1, *tail) for each in (scaling.mean, scaling.spread))
            sample = rng.normal(size=(16, *self.signature.shape)) * spread + mean
        return export_onnx(self._bundle.network, self.signature, scaling, Path(file), sample.astype(np.float32))

    def _repr_html_(self) -> str:
        shape = " × ".join(map(str, self.signature.shape))
        said = f"{self.signature.kind}, input {shape}, {self.signature.outputs} outputs"
        return f"<p>azora model <code>{html.escape(self.about['architecture']['key'])}</code>: {html.escape(said)}</p>"


@final
class _Torch:
    """The weights, in torch."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def run(self, x: Array) -> Array:
        from azora.training import outputs

        return outputs(self._bundle.network, x, self._bundle.signature, self._bundle.scaling)


def _onnx(bundle: Bundle) -> _Runs:
    from azora.export.onnx import OnnxSession

    file = bundle.folder / ONNX
    if not file.is_file() or sha256(file) != bundle.about["sha256"].get(ONNX):
        raise BundleError(f"{file} is missing or not the file that {ABOUT} describes")
    return OnnxSession(file)


def as_rows(x: Array, signature: Signature) -> Array:
    """Inputs as the network takes them, (N, *shape).

    Raises:
        TaskError: they have another shape, or a row holds NaN or infinity; of a table numbers may be missing (NaN).
    """
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise TaskError(f"inputs hold {x.dtype} values; numbers are wanted")
    if signature.pictures and x.ndim == 3 and signature.shape[0] == 1:
        x = x[:, None]
    if signature.pictures and x.ndim == 4 and x.shape[1:] != signature.shape:
        x = x.transpose(0, 3, 1, 2)
    if x.shape[1:] != signature.raw_shape:
        raise TaskError(f"inputs have shape {x.shape[1:]} each, the model takes {signature.raw_shape}")
    if len(x) == 0:
        raise TaskError("there are no inputs to predict for; one row or more is wanted")
    # Torch takes no array that runs backwards, as mirrored pictures do, and none that it could not change.
    with np.errstate(over="ignore"):  # what overflows float32 is as useless as what was infinite before
        kept: Array = np.ascontiguousarray(x if x.dtype == np.uint8 else x.astype(np.float32))
    _check_finite(kept, bool(signature.raw))
    return kept if kept.flags.writeable else kept.copy()


def _check_finite(rows: Array, holes: bool) -> None:
    """Raises TaskError where a row holds no number: an answer to it would be of nothing. With `holes` NaN is one that
    is missing."""
    broken: Array = np.isinf(rows) if holes else ~np.isfinite(rows)
    if broken.any():
        place = tuple(np.argwhere(broken)[0])
        raise TaskError(f"inputs have {rows[place]} in row {place[0]}; fill or drop what is no number")


def read_inputs(
    file: Path, signature: Signature, values: tuple[float, float] = BYTES, table: Table | None = None
) -> tuple[list[str], Array]:
    """Names and raw inputs in a file: a picture, the rows of a CSV, or `x`, `x_test` or the only array of an .npz.

    Pictures are brought to the model's size and number of channels, and from 0–255 to `values`, its black and white;
    numbers are taken as they are. Of a `table`, a CSV must have the columns by name, in any order and among others.

    Raises:
        TaskError: the file is missing, a folder, damaged, or holds nothing of the model's shape.
    """
    if file.is_dir():
        kind = "png" if signature.pictures else "csv"
        raise TaskError(f"{file} is a folder; name its files, such as {file}/*.{kind}")
    if not file.is_file():
        raise TaskError(f"there is no file {file}")
    if file.suffix.lower() in PICTURES:
        return [str(file)], _picture(file, signature, values)
    if (suffix := file.suffix.lower()) == ".npz":
        arrays = read_npz(file)
        name = next((name for name in ("x", "x_test") if name in arrays), None)
        if name is None and len(arrays) != 1:
            raise TaskError(f"{file} holds {', '.join(sorted(arrays))}; the inputs must be named x")
        x = as_rows(arrays[name or sorted(arrays)[0]], signature)
    elif suffix in (".csv", ".tsv"):
        x = as_rows(_table(file) if table is None else table.rows(read_sheet(file)), signature)
    else:
        raise TaskError(f"{file} is neither a picture nor .csv nor .npz")
    return [f"{file}:{row}" for row in range(len(x))], x


def _picture(file: Path, signature: Signature, values: tuple[float, float]) -> Array:
    if not signature.pictures:
        raise TaskError(f"{file} is a picture, the model takes rows of {signature.shape[0]} numbers")
    channels, height, width = signature.shape
    rows = as_rows(pixels(file, height, width, channels).transpose(2, 0, 1)[None], signature)
    low, high = values
    return rows if values == BYTES else (low + rows * ((high - low) / 255)).astype(np.float32)


def _table(file: Path) -> Array:
    """A CSV of numbers, with or without a line of names, none of which is a number."""
    try:
        with file.open(encoding=UTF8) as opened:
            first = opened.readline()
        delimiter = delimiter_of(first)
        named = not any(_is_number(cell) for cell in first.strip().split(delimiter))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, of a file without rows: ours follows
            table: Array = np.loadtxt(
                file, np.float32, delimiter=delimiter, skiprows=int(named), ndmin=2, encoding=UTF8
            )
    except (ValueError, OSError) as error:
        raise TaskError(f"{file} cannot be read as a table of numbers: {error}") from error
    if table.size == 0:
        raise TaskError(f"{file} holds no row of numbers; one or more is wanted")
    return table


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
