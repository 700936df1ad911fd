"""What stays in float32 in a network of eight bits is named."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from azora.export import export_onnx
from azora.export.deployed import Deployed
from azora.export.executorch import write_executorch
from azora.export.float_layers import of_onnx, of_program
from azora.export.quantised import quantise_onnx
from azora.tasks import Scaling, Signature

PICTURES = Signature("classification", (1, 8, 8), 4, ("a", "b", "c", "d"))
SCALING = Scaling((0.5,), (2.0,))
ROWS = np.random.default_rng(0).random((8, 1, 8, 8), dtype=np.float32)


def network(between: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    parts = [nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), between, nn.Conv2d(8, 8, 3), nn.ReLU()]
    return nn.Sequential(*parts, nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()


@pytest.mark.parametrize(("between", "left"), [(nn.Identity(), {}), (nn.Hardswish(), {"HardSigmoid": 1})])
def test_onnxruntime_computes_in_float_what_it_has_no_eight_bits_for(
    between: nn.Module, left: dict[str, int], tmp_path: Path
) -> None:
    export_onnx(network(between), PICTURES, SCALING, tmp_path / "m.onnx", ROWS)
    assert of_onnx(quantise_onnx(tmp_path / "m.onnx", tmp_path / "q.onnx", ROWS)) == {**left, "ReduceMean": 1}


def test_where_nothing_is_in_eight_bits_all_with_weights_are_named(tmp_path: Path) -> None:
    export_onnx(network(nn.Identity()), PICTURES, SCALING, tmp_path / "m.onnx", ROWS)
    assert of_onnx(tmp_path / "m.onnx") == {"Conv": 2, "Gemm": 1}


def test_of_a_program_what_the_quantiser_has_passed_over_is_named() -> None:
    deployed = Deployed(network(nn.Hardswish()), PICTURES, SCALING).eval()
    graph = torch.export.export(deployed, (torch.zeros(1, 1, 8, 8),)).module().graph
    for node in graph.nodes:
        if any(word in str(node.target) for word in ("conv2d", "batch_norm", "relu", "pool", "linear", "flatten")):
            node.meta["quantization_annotation"] = SimpleNamespace(_annotated=True)
    assert of_program(graph) == {"hardswish": 1}


@pytest.mark.parametrize(("between", "left"), [(nn.Identity(), {}), (nn.Hardswish(), {"hardswish": 1})])
def test_executorch_tells_too(between: nn.Module, left: dict[str, int], tmp_path: Path) -> None:
    pytest.importorskip("executorch")
    assert write_executorch(network(between), PICTURES, SCALING, tmp_path / "m.pte", ROWS) == left
