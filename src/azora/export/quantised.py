"""ONNX files in eight bits: weights and activations quantised, ranges fixed from example inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np

from azora.errors import BundleError
from azora.export.onnx import quiet, reason
from azora.tasks.array import Array

BATCH = 32
LEFT_FLOAT = ("Softmax", "Sub", "Div")  # the ends of a deployed network: raw values in, probabilities out


def quantise_onnx(file: Path, to: Path, rows: Array) -> Path:
    """Write `to`, what `file` computes in eight bits (static post-training quantisation; Jacob et al., 2018).

    Batch normalisation is folded into convolutions first. Weights have a scale for each channel and seven bits of
    range: products of eight bits overflow in the instructions of processors without VNNI. The nodes that scale what
    comes in, and the softmax, stay in float32.

    Args:
        rows: raw inputs (N, *shape), whose activations give the ranges.

    Returns:
        `to`.

    Raises:
        BundleError: a layer cannot be quantised; its name is in the message.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quant_pre_process, quantize_static

    folded = to.with_name(f".{to.name}.folded")
    try:
        with quiet():
            quant_pre_process(file, folded, skip_symbolic_shape=True)
            quantize_static(
                folded,
                to,
                _Rows(rows),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_left_float(folded),
            )
    except OSError:  # of the disk, and not of the network
        to.unlink(missing_ok=True)
        raise
    except Exception as error:  # whatever the library meets in a graph that it does not know
        to.unlink(missing_ok=True)
        raise BundleError(f"the network cannot be quantised: {reason(error)}") from error
    finally:
        folded.unlink(missing_ok=True)
    return to


def _left_float(file: Path) -> list[str]:
    import onnx

    return [node.name for node in onnx.load(str(file)).graph.node if node.op_type in LEFT_FLOAT]


@final
class _Rows:
    """Batches for the calibration, as onnxruntime asks for them."""

    def __init__(self, rows: Array) -> None:
        self._batches: Iterator[Array] = (
            np.ascontiguousarray(rows[start : start + BATCH], dtype=np.float32) for start in range(0, len(rows), BATCH)
        )

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"x": batch}
