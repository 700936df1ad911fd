"""The script that holds a winner's files to what they promise."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.automl.test_shipping import write
from tests.quality.scripts import script

from azora import Task
from azora.tasks import load_task

exports = script("exports")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `stripes.npz`, and a network trained on it in `out/model`."""
    folder = tmp_path_factory.mktemp("exports")
    rng, y = np.random.default_rng(0), np.arange(160) % 2
    x = rng.integers(0, 120, (160, 8, 8))
    x[y == 0, ::2, :] += 100
    x[y == 1, :, ::2] += 100
    np.savez(folder / "stripes.npz", x_train=x.astype(np.uint8), y_train=y)
    write(folder / "out" / "model", load_task(folder / "stripes.npz"))
    return folder


def told(home: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> tuple[int, dict[str, Any]]:
    argv = ["exports", str(home / "out"), "--task", str(home / "stripes.npz"), *words]
    monkeypatch.setattr(sys, "argv", argv)
    code = exports.main()
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_every_format_is_asked_on_the_validation_rows(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def never(self: Task) -> Any:
        raise AssertionError("the test rows are read once, elsewhere")

    monkeypatch.setattr(Task, "read_test", never)
    words = ["--formats", "onnx", "onnx-int8", "torch", "--files", str(tmp_path / "files")]
    code, found = told(home, words, monkeypatch, capsys)
    assert code == 0 and found["holds"]
    assert list(found["formats"]) == ["onnx", "onnx-int8", "torch"]
    rows = len(load_task(home / "stripes.npz").validation)
    for form, figures in found["formats"].items():
        assert figures["faults"] == [] and figures["validation_rows"] == rows
        assert figures["latency_ms"] > 0 and 0 <= figures["difference"] < (0.5 if "int8" in form else 1e-4)
    assert found["formats"]["onnx-int8"]["ratio"] < 1
    monkeypatch.setattr(exports, "MOST_DIFFERENCE", -1.0)
    code, found = told(home, ["--formats", "onnx"], monkeypatch, capsys)
    assert code == 1 and "differs from torch" in found["formats"]["onnx"]["faults"][0]


def test_a_format_that_cannot_be_written_is_a_fault_and_no_end(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from azora.errors import BundleError

    ship = exports.ship

    def refuses(out: Path, form: str, *rest: Any) -> Any:
        if form == "torch":
            raise BundleError("no word for it")
        return ship(out, form, *rest)

    monkeypatch.setattr(exports, "ship", refuses)
    code, found = told(home, ["--formats", "torch", "onnx"], monkeypatch, capsys)
    assert code == 1 and not found["holds"]
    assert found["formats"]["torch"] == {"faults": ["no word for it"]} and found["formats"]["onnx"]["faults"] == []


@pytest.mark.parametrize(
    ("figures", "eight_bits", "said"),
    [
        ({"difference": 1e-4}, False, []),
        ({"difference": float("nan")}, False, ["differs from torch by nan"]),
        ({"difference": 0.3, "drop": 1.0, "float_bytes": 2_000_000, "ratio": 0.35}, True, []),
        ({"difference": 0.3, "drop": 1.1, "float_bytes": 900_000, "ratio": 0.9}, True, ["costs 1.10 points"]),
        ({"difference": 0.3, "drop": 0.0, "float_bytes": 1_000_000, "ratio": 0.36}, True, ["has 0.36 of the bytes"]),
    ],
)
def test_what_a_file_does_not_hold_to_is_said(figures: dict[str, float], eight_bits: bool, said: list[str]) -> None:
    found = exports.faults(figures, eight_bits)
    assert len(found) == len(said)
    assert all(each.startswith(begin) for each, begin in zip(found, said, strict=True))


@pytest.mark.slow
def test_executorchs_files_are_asked_without_azora(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("executorch")
    code, found = told(home, ["--formats", "executorch", "executorch-int8"], monkeypatch, capsys)
    assert code == 0, found
    assert found["formats"]["executorch"]["difference"] <= 1e-4
