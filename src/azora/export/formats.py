"""The files that a model can be written as, each with the runtime that reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

import numpy as np
import torch

from azora.errors import BundleError
from azora.export.bundle import Bundle
from azora.export.deployed import Deployed
from azora.export.executorch import ExecutorchSession, write_executorch
from azora.export.float_layers import of_onnx
from azora.export.onnx import OnnxSession, export_onnx, quiet, reason
from azora.export.quantised import quantise_onnx
from azora.tasks.array import Array

SAMPLE = 64  # rows on which a float file is compared with torch


class Session(Protocol):
    """A file in its runtime."""

    def run(self, x: Array) -> Array:
        """Raw values (N, *shape) → (N, outputs) float32."""
        ...


Write = Callable[[Bundle, Path, Array], Mapping[str, int]]
"""A model, the file to write, and raw rows (N, *shape) of search-train, to check by or to calibrate with; gives the
kinds of layers, and how many, that eight bits left in float32."""


@final
@dataclass(frozen=True)
class Format:
    """One kind of file. `eight_bits` says whether it is quantised, and needs rows for that; `float_name` is the format
    that is the same without."""

    name: str
    suffix: str
    write: Write
    open: Callable[[Path], Session]
    eight_bits: bool = False
    float_name: str = ""


@final
class ProgramSession:
    """A program that `torch.export.save` wrote.

    Raises:
        BundleError: it cannot be read.
    """

    def __init__(self, file: Path) -> None:
        try:
            self._module = torch.export.load(file).module()
        except Exception as error:  # its own errors are of many kinds
            raise BundleError(f"{file} cannot be read by torch: {reason(error)}") from error

    def run(self, x: Array) -> Array:
        """Raw values (N, *shape) → (N, outputs) float32, 256 at a time."""
        with torch.no_grad():
            rows = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
            found: Array = torch.cat([self._module(part) for part in torch.split(rows, 256)]).numpy()
        return found


def _onnx(bundle: Bundle, file: Path, rows: Array) -> Mapping[str, int]:
    export_onnx(bundle.network, bundle.signature, bundle.scaling, file, rows[:SAMPLE])
    return {}


def _onnx_int8(bundle: Bundle, file: Path, rows: Array) -> Mapping[str, int]:
    whole = file.with_name(f".{file.name}.{os.getpid()}.float")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        _onnx(bundle, whole, rows)
        quantise_onnx(whole, part, rows)
        found = of_onnx(part)
        part.replace(file)
    finally:
        whole.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return found


def _executorch(bundle: Bundle, file: Path, rows: Array) -> Mapping[str, int]:
    return write_executorch(bundle.network, bundle.signature, bundle.scaling, file)


def _executorch_int8(bundle: Bundle, file: Path, rows: Array) -> Mapping[str, int]:
    return write_executorch(bundle.network, bundle.signature, bundle.scaling, file, rows)


def _torch(bundle: Bundle, file: Path, rows: Array) -> Mapping[str, int]:
    deployed = Deployed(bundle.network, bundle.signature, bundle.scaling).eval()
    example = torch.zeros(2, *bundle.signature.raw_shape)
    part = file.with_name(f".{file.name}.{os.getpid()}.part.pt2")
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(deployed, (example,), dynamic_shapes={"x": {0: torch.export.Dim("batch")}})
            torch.export.save(program, part)
        part.replace(file)
    except OSError:
        raise
    except Exception as error:  # whatever its passes meet in a user's own module
        raise BundleError(f"the network cannot be written as a torch program: {reason(error)}") from error
    finally:
        part.unlink(missing_ok=True)
    return {}


FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format("onnx", ".onnx", _onnx, OnnxSession),
        Format("onnx-int8", ".int8.onnx", _onnx_int8, OnnxSession, True, "onnx"),
        Format("executorch", ".pte", _executorch, ExecutorchSession),
        Format("executorch-int8", ".int8.pte", _executorch_int8, ExecutorchSession, True, "executorch"),
        Format("torch", ".pt2", _torch, ProgramSession),
    )
}
