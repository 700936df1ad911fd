"""ExecuTorch files (.pte), lowered to XNNPACK: what phones run."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import nn

from azora.errors import BundleError
from azora.export.deployed import Deployed
from azora.export.float_layers import of_program
from azora.export.folding import folded
from azora.export.onnx import quiet, reason
from azora.tasks import Scaling, Signature
from azora.tasks.array import Array

STDERR = 2
MISSING = "ExecuTorch is not installed; install azora[mobile]"


def check_executorch() -> str:
    """Its version.

    Raises:
        BundleError: it is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("executorch")
    except PackageNotFoundError:
        raise BundleError(MISSING) from None


def write_executorch(
    network: nn.Module, signature: Signature, scaling: Scaling, file: Path, rows: Array | None = None
) -> dict[str, int]:
    """Write `file`: one raw input (1, *shape), float32, to probabilities or a prediction (1, outputs).

    Args:
        rows: raw inputs (N, *shape); with them weights and activations are quantised to eight bits, ranges as these
            inputs give them.

    Returns:
        The kinds of layers, and how many of each, that eight bits left in float32.

    Raises:
        BundleError: ExecuTorch is not installed, or has no word for something in the network. No file is left behind.
    """
    check_executorch()
    deployed = folded(Deployed(network, signature, scaling).eval())
    one = (torch.zeros(1, *signature.raw_shape),)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    found: dict[str, int] = {}
    try:
        with quiet(), torch.no_grad(), torch.random.fork_rng(devices=[]):  # eight bits draw example inputs
            program = torch.export.export(deployed, one)
            if rows is not None:
                quantised, found = _quantised(program.module(), rows)
                program = torch.export.export(quantised, one)
            part.write_bytes(_lowered(program))
        part.replace(file)
    except OSError:  # of the disk, and not of the network
        raise
    except Exception as error:  # whatever its passes meet in a graph that they do not know
        raise BundleError(f"the network cannot be written for ExecuTorch: {reason(error)}") from error
    finally:
        part.unlink(missing_ok=True)
    return found


def _lowered(program: torch.export.ExportedProgram) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    unchecked = EdgeCompileConfig(_check_ir_validity=False)  # a tenth of the time; files are run before they are used
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()], compile_config=unchecked)
    return bytes(lowered.to_executorch().buffer)


def _quantised(network: Any, rows: Array) -> tuple[nn.Module, dict[str, int]]:
    """The network in eight bits, and what of it is not."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(network, quantizer)
    found = of_program(prepared.graph)
    for row in rows:
        prepared(torch.from_numpy(np.ascontiguousarray(row[None], dtype=np.float32)))
    made: nn.Module = convert_pt2e(prepared)
    return made, found


@cache
def _take_one_thread() -> None:
    """All programs of a process have the same threads; as many as there are cores, unless it is said. What is written
    meanwhile, of files about processors that are not there, comes from below Python."""
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool

    sys.stderr.flush()
    kept = os.dup(STDERR)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), STDERR)
            _unsafe_reset_threadpool(1)
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)


@final
class ExecutorchSession:
    """A .pte file in ExecuTorch's Python runtime on one thread of this machine.

    Raises:
        BundleError: ExecuTorch is not installed, or cannot read the file.
    """

    def __init__(self, file: Path) -> None:
        check_executorch()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that its interface may change
            from executorch.runtime import Runtime

            _take_one_thread()
        logging.getLogger("executorch").setLevel(logging.ERROR)
        try:
            self._program: Any = Runtime.get().load_program(str(file))
            self._method: Any = self._program.load_method("forward")
        except Exception as error:  # its own errors are plain ones
            raise BundleError(f"{file} cannot be read by ExecuTorch: {reason(error)}") from error

    def caller(self, x: Array) -> Callable[[], object]:
        """One answer for one raw input (1, *shape), to be timed."""
        given = [torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))]
        return lambda: self._method.execute(given)

    def run(self, x: Array) -> Array:
        """Raw values (N, *shape) → (N, outputs) float32, one at a time."""
        answers = [self.caller(x[row : row + 1])() for row in range(len(x))]
        found: Array = np.concatenate([np.asarray(answer[0]) for answer in answers])  # type: ignore[index]
        return found
