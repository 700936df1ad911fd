"""ONNX files, checked against torch."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import nn

from azora.errors import BundleError
from azora.export.deployed import Deployed
from azora.tasks import Scaling, Signature
from azora.tasks.array import Array

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
        BundleError: `file` is a folder, or in none, the network holds what ONNX has no operator for or onnxruntime no
            kernel, or the difference is more than rounding explains. No file is left behind.
    """
    check_place(file)
    deployed = Deployed(network, signature, scaling).eval()
    x = torch.from_numpy(np.ascontiguousarray(sample, dtype=np.float32))
    name = output_name(signature)
    # The batch of the example must not be 1, or the exporter takes it for a constant.
    example = x[:2] if len(x) > 1 else x[:1].repeat(2, *([1] * (x.ndim - 1)))
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                deployed,
                (example,),
                input_names=["x"],
                output_names=[name],
                dynamic_shapes={"x": {0: torch.export.Dim("batch")}},
                dynamo=True,
            )
            assert program is not None
            _forget_origins(program)
            program.save(str(part), external_data=False)
            expected = deployed(x).numpy()
        found = OnnxSession(part).run(sample)
        scale = 1.0 if deployed.classifies else max(scaling.target_spread)
        difference = float(np.abs(found - expected).max() / scale)
        if not difference <= TOLERANCE:
            raise BundleError(f"the ONNX file answers differently from torch by {difference:.2g}; it was not kept")
        part.replace(file)
    except torch.onnx.OnnxExporterError as error:
        raise BundleError(f"the network cannot be written as ONNX: {reason(error)}") from error
    finally:
        part.unlink(missing_ok=True)
    return difference


def check_place(file: Path) -> None:
    """Raises BundleError where a file cannot be of this name: it is a folder, or in none."""
    if file.is_dir():
        raise BundleError(f"{file} is a folder; name the file to write")
    if not file.parent.is_dir():
        raise BundleError(f"{file.parent} is no folder to write {file.name} into; make it, or name another")


def reason(error: BaseException) -> str:
    """The first line of what lies at the bottom of an exporter's error, which wraps it in advice of its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0]}"


def _forget_origins(program: torch.onnx.ONNXProgram) -> None:
    """Take out the exporter's notes: half of a small file, and stack traces with the paths of this machine."""
    graph = program.model.graph
    nodes = list(graph.all_nodes())
    values = [*graph.inputs, *graph.initializers.values(), *(value for node in nodes for value in node.outputs)]
    notes: list[Any] = [program.model, graph, *nodes, *values]
    for noted in notes:
        noted.metadata_props.clear()
        noted.doc_string = None


def output_name(signature: Signature) -> str:
    """What the one output of an exported file is called."""
    return "probabilities" if signature.kind == "classification" else "prediction"


@final
class OnnxSession:
    """An ONNX file on onnxruntime's CPU provider.

    Raises:
        BundleError: onnxruntime cannot read the file, or has no kernel for something in it.
    """

    def __init__(self, file: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session: Any = open_session(file, options)

    def run(self, x: Array) -> Array:
        """Raw values (N, *shape) → (N, outputs) float32, 256 at a time."""
        rows = np.ascontiguousarray(x, dtype=np.float32)
        starts = range(0, len(rows), 256)
        try:
            parts = [self._session.run(None, {"x": rows[start : start + 256]})[0] for start in starts]
        except Exception as error:
            raise cannot_run(error) from error
        return np.concatenate(parts)


def open_session(file: Path, options: Any) -> Any:
    """onnxruntime's own session on its CPU provider.

    Raises:
        BundleError: it cannot read the file, or has no kernel for something in it.
    """
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise cannot_run(error) from error


def cannot_run(error: Exception) -> BundleError:
    """What an error of onnxruntime means; its own have no class in common."""
    return BundleError(f"onnxruntime cannot run the network: {reason(error)}")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The exporter reports its progress and its deprecations to whoever is listening; our user is not."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
