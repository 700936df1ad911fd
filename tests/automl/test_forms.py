"""Which file a target runs, and the limit of its size."""

from __future__ import annotations

import pytest

from azora.automl.forms import beyond_size


@pytest.mark.parametrize(
    ("spec", "form", "size", "objective", "told"),
    [
        ("onnxruntime:threads=1,precision=fp32", "onnx", 1001, "accuracy", True),
        ("onnxruntime:threads=1,precision=fp32", "onnx", 1000, "accuracy", False),
        ("onnxruntime:threads=1,precision=int8", "onnx", 1001, "accuracy", False),
        ("onnxruntime:threads=1,precision=int8", "onnx-int8", 1001, "accuracy", True),
        ("command:sh phone.sh {pte}", "onnx", 1001, "accuracy", False),
        ("command:sh pi.sh {model}", "onnx", 1001, "accuracy", True),
        ("devices:Counted", "onnx", 1001, "accuracy", False),
        ("onnxruntime:threads=1,precision=fp32", "onnx", 1001, "reward", False),
    ],
)
def test_the_limit_is_of_the_file_that_the_target_runs(
    spec: str, form: str, size: int, objective: str, told: bool
) -> None:
    figures = {"limits": {"size": 1000.0}, "target": {"spec": spec}, "objective": objective}
    assert (beyond_size(figures, form, size) is not None) is told
    assert beyond_size({}, form, size) is None
