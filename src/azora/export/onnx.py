"""ONNX files, checked against torch."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import nn

from azora.errors import BundleError
from azora.export.deployed import Deployed
from azora.tasks import Scaling, Signature
from azora.tasks.task import Array

TOLERANCE = 1e-3
"""The largest difference of a probability, or of a prediction relative to the target's spread, that is let pass."""


def export_onnx(network: nn.Module, signature: Signature, scaling: Scaling, file: Path, sample: Array) -> float:
    """Write `file`: input `x`, float32 raw values (batch, *shape) of any batch; output `probabilities` (batch, classes)
    or `prediction` (batch, outputs). Scaling is inside.

    Args:
        sample: raw inputs (N, *shape) on which the file is compared with torch.

    Returns:
        The largest difference found.

    Raises:
        BundleError: the difference is more than rounding explains; the file is not left behind.
    """
    deployed = Deployed(network, signature, scaling).eval()
    x = torch.from_numpy(np.ascontiguousarray(sample, dtype=np.float32))
    name = output_name(signature)
    # The batch of the example must not be 1, or the exporter takes it for a constant.
    example = x[:2] if len(x) > 1 else x[:1].repeat(2, *([1] * (x.ndim - 1)))
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            deployed,
            (example,),
            input_names=["x"],
            output_names=[name],
            dynamic_shapes={"x": {0: torch.export.Dim("batch")}},
            dynamo=True,
        )
        assert program is not None
        program.save(str(part), external_data=False)
        expected = deployed(x).numpy()
    found = OnnxSession(part).run(sample)
    scale = 1.0 if deployed.classifies else max(scaling.target_spread)
    difference = float(np.abs(found - expected).max() / scale)
    if not difference <= TOLERANCE:
        part.unlink()
        raise BundleError(f"the ONNX file answers differently from torch by {difference:.2g}; it was not kept")
    part.replace(file)
    return difference


def output_name(signature: Signature) -> str:
    """What the one output of an exported file is called."""
    return "probabilities" if signature.kind == "classification" else "prediction"


@final
class OnnxSession:
    """An ONNX file on onnxruntime's CPU provider."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(self, x: Array) -> Array:
        """Raw values (N, *shape) → (N, outputs) float32, 256 at a time."""
        rows = np.ascontiguousarray(x, dtype=np.float32)
        parts = [self._session.run(None, {"x": rows[start : start + 256]})[0] for start in range(0, len(rows), 256)]
        return np.concatenate(parts)


@contextlib.contextmanager
def _quiet() -> Any:
    """The exporter reports its progress and its deprecations to whoever is listening; our user is not."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
