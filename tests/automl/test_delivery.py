"""What is delivered when something of it cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import azora
from azora.automl import delivery
from azora.automl.forms import told_in_eight_bits
from azora.errors import BundleError
from azora.export import read_bundle
from azora.tasks import METRICS, Task
from azora.training import outputs


@pytest.mark.parametrize("part", ["export_onnx", "OnnxSession"])
def test_a_network_that_onnx_has_no_word_for_is_delivered_without_it(
    part: str, brief: None, slopes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*some: Any) -> float:
        raise BundleError("the operator is not known to ONNX")

    def writes(network: Any, signature: Any, scaling: Any, file: Path, sample: Any) -> float:
        file.write_bytes(b"what no runtime takes")
        return 0.0

    monkeypatch.setattr(delivery, "export_onnx", writes)
    monkeypatch.setattr(delivery, part, refuses)
    result = azora.search(slopes, trials=1, workers=1, out=tmp_path / "out")
    assert "not known to ONNX" in result.onnx_error
    assert sorted(path.name for path in (tmp_path / "out" / "model").iterdir()) == [
        "README.md",
        "model.json",
        "weights.safetensors",
    ]
    assert not (tmp_path / "out" / ".model.onnx").exists()
    assert json.loads((tmp_path / "out" / "result.json").read_text())["test_r2"] == result.test_r2
    assert result.predict(slopes.train.x[:3]).shape == (3,)


def test_what_new_data_are_compared_with_is_of_rows_that_nobody_learned(slopes: Task, tmp_path: Path) -> None:
    azora.search(slopes, trials=1, workers=1, out=tmp_path / "out")
    about = json.loads((tmp_path / "out" / "model" / "model.json").read_text())
    column = {float(f"{value:.6g}") for value in slopes.everything().x[:, 0]}
    assert len(about["reference"]["column 0"]) == slopes.test_rows == len(about["reference"]["answer 0"])
    assert not column & set(about["reference"]["column 0"])
    bundle, learned = read_bundle(tmp_path / "out" / "model"), slopes.validation
    own = outputs(bundle.network, learned.x, bundle.signature, bundle.scaling)
    assert about["trained_score"] == pytest.approx(METRICS["r2"].measure(learned.y, own))


@pytest.mark.parametrize(
    ("spec", "form"),
    [
        ("onnxruntime:threads=1,precision=int8", "onnx-int8"),
        ("executorch:precision=int8", "executorch-int8"),
        ("onnxruntime:threads=1,precision=fp32", None),
        ("devices:Counted", None),
    ],
)
def test_a_target_in_eight_bits_is_told_from_what_is_delivered(spec: str, form: str | None) -> None:
    notes = told_in_eight_bits({"target": {"spec": spec}}, Path("runs/x"))
    assert [note.partition(", and ")[2] for note in notes] == (
        [] if form is None else [f"azora export runs/x --format {form} writes the other file"]
    )
