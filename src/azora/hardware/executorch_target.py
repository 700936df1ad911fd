"""ExecuTorch on this processor: the runtime that ships on phones, measured here."""

from __future__ import annotations

import hashlib
import pickle
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from pickle import PicklingError
from typing import final

import numpy as np
from joblib import Parallel, delayed

from azora.cores import usable_cores
from azora.errors import BundleError, ConfigError, TargetError
from azora.export.executorch import ExecutorchSession, check_executorch, write_executorch
from azora.hardware.onnx_target import CALIBRATED, PRECISIONS
from azora.hardware.target import Deployable, Loaded, TimedTarget
from azora.scratch import scratch_folder
from azora.settings import closest
from azora.tasks.array import Array

MOST_KEPT = 500  # files


@final
class Executorch(TimedTarget):
    """ExecuTorch with XNNPACK, through its Python runtime **on this machine**: not a phone's time.

    Writing a file takes longer than anything else. Files are written on all cores, before anything is timed, and that
    of an architecture is kept while the target lives: weights change no time.

    Args:
        precision: "fp32", or "int8".

    Raises:
        ConfigError: a precision that there is not.
    """

    name = "executorch"

    def __init__(self, precision: str = "fp32") -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"{self.name}: there is no precision {precision!r}; {closest(precision, PRECISIONS)}")
        self.precision = precision
        self._kept = ExitStack()
        self._folder: Path | None = None
        self._files: dict[str, str] = {}  # by key, why there is none; nothing, where there is one
        self._alone = usable_cores() < 2  # files are written here, one by one

    def ready(self, deployables: Sequence[Deployable]) -> None:
        wanted = {_key(each): each for each in deployables if each.architecture is not None}
        fresh = {key: each for key, each in wanted.items() if key not in self._files}
        if len(fresh) < 2 or self._alone:
            return
        files, rows = [self._place(key) for key in fresh], [self._rows(each) for each in fresh.values()]
        jobs = zip(fresh.values(), files, rows, strict=True)
        try:
            said = Parallel(n_jobs=usable_cores())(delayed(_written)(*job) for job in jobs)
        except (BrokenExecutor, PicklingError):  # a network of a class that only this process knows
            self._alone = True
            return
        self._files |= dict(zip(fresh, said, strict=True))
        for key in list(self._files)[: max(0, len(self._files) - MOST_KEPT)]:
            del self._files[key]
            self._place(key).unlink(missing_ok=True)

    @contextmanager
    def load(self, deployable: Deployable) -> Iterator[Loaded]:
        with scratch_folder() as folder:
            file = self._file(deployable, folder)
            try:
                session = ExecutorchSession(file)
            except BundleError as error:
                raise TargetError(f"{self.spec}: {error}") from error
            x = np.random.default_rng(0).random((self.batch, *deployable.signature.raw_shape), dtype=np.float32)
            yield Loaded(session.caller(x), file.stat().st_size)

    def versions(self) -> Mapping[str, str]:
        try:
            return {"executorch": check_executorch(), "threads": "1"}  # what was measured on all is of no use here
        except BundleError as error:
            raise TargetError(str(error)) from error

    # Inside -----------------------------------------------------------------------------------------------------

    def _file(self, deployable: Deployable, folder: Path) -> Path:
        """What was made ready, or is written now."""
        key = _key(deployable) if deployable.architecture is not None else ""
        if key in self._files:
            file, why = self._place(key), self._files[key]
        else:
            file = folder / "model.pte"
            why = _written(deployable, file, self._rows(deployable))
        if why:
            raise TargetError(f"{self.spec}: {why}")
        return file

    def _rows(self, deployable: Deployable) -> Array | None:
        """To calibrate by."""
        shape = deployable.signature.raw_shape
        rows = np.random.default_rng(0).random((CALIBRATED, *shape), dtype=np.float32)
        return rows if self.precision == "int8" else None

    def _place(self, key: str) -> Path:
        if self._folder is None:
            self._folder = self._kept.enter_context(scratch_folder())
            weakref.finalize(self, self._kept.close)
        return self._folder / f"{key}.pte"


def _key(deployable: Deployable) -> str:
    assert deployable.architecture is not None
    about = tuple(deployable.architecture.items()), deployable.signature, deployable.scaling
    return hashlib.sha256(pickle.dumps(about)).hexdigest()


def _written(deployable: Deployable, file: Path, rows: Array | None) -> str:
    """Why it cannot be; nothing, where it was."""
    try:
        write_executorch(deployable.network, deployable.signature, deployable.scaling, file, rows)
    except BundleError as error:
        return str(error)
    return ""
