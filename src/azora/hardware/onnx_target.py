"""onnxruntime on this processor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

import numpy as np

from azora.errors import BundleError, ConfigError, TargetError
from azora.export import OnnxSession
from azora.export.draft import draft_onnx
from azora.export.quantised import quantise_onnx
from azora.hardware.target import Deployable, Loaded, TimedTarget, check_threads
from azora.scratch import scratch_folder
from azora.settings import closest

PRECISIONS = ("fp32", "int8")
CALIBRATED = 16  # made-up inputs that ranges are taken from: times do not depend on what they are


@final
class OnnxRuntime(TimedTarget):
    """onnxruntime's CPU provider.

    Args:
        threads: for the operators.
        precision: "fp32", or "int8": weights and activations quantised, their ranges fixed (static quantisation).

    Raises:
        ConfigError: a precision that there is not, fewer than one thread, or more than there are cores.
    """

    name = "onnxruntime"

    def __init__(self, threads: int = 1, precision: str = "fp32") -> None:
        check_threads(self.name, threads)
        if precision not in PRECISIONS:
            raise ConfigError(f"{self.name}: there is no precision {precision!r}; {closest(precision, PRECISIONS)}")
        self.threads, self.precision = threads, precision

    @contextmanager
    def load(self, deployable: Deployable) -> Iterator[Loaded]:
        shape = deployable.signature.raw_shape
        rng = np.random.default_rng(0)
        with scratch_folder() as folder:
            file = folder / "model.onnx"
            try:
                draft_onnx(deployable.network, deployable.signature, deployable.scaling, file)
                if self.precision == "int8":
                    made = rng.random((CALIBRATED, *shape), dtype=np.float32)
                    file = quantise_onnx(file, folder / "int8.onnx", made)
                session = OnnxSession(file, self.threads)
                x = rng.random((self.batch, *shape), dtype=np.float32)
                session.run(x)  # what fails in its first answer is refused here, and alone
            except BundleError as error:
                raise TargetError(f"{self.spec}: {error}") from error
            size = file.stat().st_size
        yield Loaded(lambda: session.run(x), size)

    def versions(self) -> Mapping[str, str]:
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__}
