"""ExecuTorch on this processor: the runtime that ships on phones, measured here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

import numpy as np

from azora.errors import BundleError, ConfigError, TargetError
from azora.export.executorch import ExecutorchSession, check_executorch, write_executorch
from azora.hardware.onnx_target import CALIBRATED, PRECISIONS
from azora.hardware.target import Deployable, Loaded, TimedTarget
from azora.scratch import scratch_folder
from azora.settings import closest


@final
class Executorch(TimedTarget):
    """ExecuTorch with XNNPACK, through its Python runtime **on this machine**: not a phone's time.

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

    @contextmanager
    def load(self, deployable: Deployable) -> Iterator[Loaded]:
        shape = deployable.signature.raw_shape
        rng = np.random.default_rng(0)
        rows = rng.random((CALIBRATED, *shape), dtype=np.float32) if self.precision == "int8" else None
        with scratch_folder() as folder:
            file = folder / "model.pte"
            try:
                write_executorch(deployable.network, deployable.signature, deployable.scaling, file, rows)
                session = ExecutorchSession(file)
            except BundleError as error:
                raise TargetError(f"{self.spec}: {error}") from error
            x = rng.random((self.batch, *shape), dtype=np.float32)
            yield Loaded(session.caller(x), file.stat().st_size)

    def versions(self) -> Mapping[str, str]:
        try:
            return {"executorch": check_executorch(), "threads": "1"}  # what was measured on all is of no use here
        except BundleError as error:
            raise TargetError(str(error)) from error
