"""ONNX files that are measured and thrown away."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from azora.errors import BundleError
from azora.export.deployed import Deployed
from azora.export.onnx import output_name, quiet, reason
from azora.tasks import Scaling, Signature

OPSET = 18


def draft_onnx(network: nn.Module, signature: Signature, scaling: Scaling, file: Path) -> None:
    """Write `file` as `export_onnx` does, but unchecked, and by torch's older exporter where torch still has it: it is
    some thirty times quicker, and what onnxruntime makes of either file takes as long. Of twelve networks of four
    spaces the draft was 0.03 to 10 % the larger file, most of the smallest networks, and never the smaller one.

    Raises:
        BundleError: the network holds what ONNX has no operator for.
    """
    deployed = Deployed(network, signature, scaling).eval()
    example = torch.zeros(2, *signature.raw_shape)
    name = output_name(signature)
    try:
        with quiet(), torch.no_grad():
            torch.onnx.export(
                deployed,
                (example,),
                str(file),
                input_names=["x"],
                output_names=[name],
                dynamic_axes={"x": {0: "batch"}, name: {0: "batch"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError, TypeError) as error:
        raise BundleError(f"the network cannot be written as ONNX: {reason(error)}") from error
