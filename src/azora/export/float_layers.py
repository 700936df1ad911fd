"""Which layers of a network in eight bits stayed in float32.

What scales raw values or prepares a table, and the softmax at the end, are float32 by design and not told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from azora.export.onnx import open_session
from azora.scratch import scratch_folder

WEIGHTS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "conv1d", "conv2d", "linear", "matmul", "einsum"}
MOVES = {
    "Cast", "Concat", "Constant", "ConstantOfShape", "DequantizeLinear", "Expand", "Flatten", "Gather", "Identity",
    "Pad", "Range", "Reshape", "Shape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
    "alias", "cat", "clone", "contiguous", "dropout", "expand", "flatten", "pad", "permute", "reshape", "select",
    "slice", "split", "squeeze", "to", "transpose", "unsqueeze", "view",
}  # fmt: skip
"""What computes nothing, in ONNX's words and in torch's."""
EIGHT = ("QLinear", "QuantizeLinear", "QGemm", "QAttention", "ConvInteger", "MatMulInteger")
"""Beginnings of the names of onnxruntime's operators in eight bits."""


@final
@dataclass(frozen=True)
class _Step:
    """One operator: what it is, the names of what it takes and gives, and whether it computes in eight bits."""

    kind: str
    takes: frozenset[str]
    gives: frozenset[str]
    eight: bool


def of_onnx(file: Path) -> dict[str, int]:
    """Kinds of layers that onnxruntime computes in float32, in a quantised file as it fuses it here, and how many of
    each. In the file itself it cannot be seen: around all operators stand the same nodes that take values to eight bits
    and back.

    Raises:
        BundleError: onnxruntime cannot run the file.
    """
    import onnx
    import onnxruntime

    with scratch_folder() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # One level more would rearrange values for this processor.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(folder / "fused.onnx")
        open_session(file, options)
        graph = onnx.load(str(folder / "fused.onnx")).graph
    return _left(list(_onnx_steps(graph.node)), {value.name for value in graph.output})


def of_program(graph: Any) -> dict[str, int]:
    """The same of a torch.fx graph that a quantiser has marked: what it did not."""
    answers = {each.name for node in graph.nodes if node.op == "output" for each in node.all_input_nodes}
    return _left(list(_program_steps(graph.nodes)), answers)


def _onnx_steps(nodes: Sequence[Any]) -> Iterator[_Step]:
    eight = set[str]()  # values
    for node in nodes:
        kind = node.op_type.removeprefix("Fused")
        within = kind.startswith(EIGHT) or (kind != "DequantizeLinear" and not eight.isdisjoint(node.input))
        eight.update(node.output if within else ())
        yield _Step(kind, frozenset(node.input), frozenset(node.output), within)


def _program_steps(nodes: Any) -> Iterator[_Step]:
    for node in nodes:
        if node.op == "call_function":
            marked = getattr(node.meta.get("quantization_annotation"), "_annotated", False)
            kind = str(node.target).removeprefix("aten.").partition(".")[0].removesuffix("_")
        elif node.op == "call_module":  # it looks at values, to know their range
            marked, kind = False, "view"
        else:
            continue
        yield _Step(kind, frozenset(each.name for each in node.all_input_nodes), frozenset({node.name}), marked)


def _left(steps: Sequence[_Step], answers: set[str]) -> dict[str, int]:
    """Of each kind how many are in float32, of those that have weights or come after something in eight bits."""
    inside, found = set[str](), Counter[str]()
    for step in steps:
        late = step.eight or not inside.isdisjoint(step.takes)
        inside.update(step.gives if late else ())
        last = step.kind.lower() == "softmax" and not answers.isdisjoint(step.gives)
        if not step.eight and (late or step.kind in WEIGHTS) and not last and step.kind not in MOVES:
            found[step.kind] += 1
    return dict(found)
