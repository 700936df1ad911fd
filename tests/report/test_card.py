"""The model card."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import UndefinedError

from azora.report.card import write_card
from azora.tasks import Signature

FIGURES: dict[str, Any] = {
    "task": "digits", "test_accuracy": 0.91, "validation_accuracy": 0.95, "judged": 65, "failed": 2, "space": "cells",
    "test_interval": {"metric": "accuracy", "low": 0.88, "high": 0.94}, "parameters": 68_710, "macs": 514_272,
    "latency_ms_torch": 0.7, "latency_ms_onnxruntime": 0.04, "machine": "x86_64, 2 cores", "onnx_bytes": 330_000,
    "onnx_difference": 1.2e-7, "strategy": "halving", "seed": 7, "seconds": 59.0, "final_seconds": 26.0,
    "final_epochs": 48.7, "precision": "float32", "device": "cpu", "workers": 2, "azora": "0.1.0", "python": "3.11.7",
    "when": "2026-01-02T03:04:05+00:00", "key": "a" * 16, "architecture": {"depth": 2}, "notes": ["2 files left out"],
}  # fmt: skip
PICTURES = Signature("classification", (1, 8, 8), 2, ("cat", "dog"))


def test_the_card_tells_where_the_network_comes_from_and_what_it_is_worth() -> None:
    card = write_card(FIGURES, PICTURES, "f" * 64, 359)
    for said in ("1 × 8 × 8", "cat, dog", "0.9100", "0.8800 to 0.9400 (bootstrap over 359 rows)", "68,710", "514,272",
                 "onnxruntime 0.040 ms", "330,000 bytes", "1.2e-07", "seed 7; 2 failed", "f" * 64, "a" * 16,
                 "(batch, 1, 8, 8); output `probabilities`", "Limits of use", '"depth": 2',
                 "Of the data: 2 files left out."):  # fmt: skip
        assert said in card


def test_a_card_of_numbers() -> None:
    card = write_card({**FIGURES, "test_rmse": 3.25}, Signature("regression", (5,), 1), "f" * 64, 40)
    assert "and 1 number to predict" in card
    assert "test rmse | 3.2500" in card
    assert "output `prediction`" in card


def test_without_an_onnx_file_the_card_says_so() -> None:
    gone = {name: value for name, value in FIGURES.items() if not name.startswith(("onnx", "latency"))}
    card = write_card(gone, PICTURES, "f" * 64, 359)
    assert "| ONNX file | none" in card and "x_train" not in card
    assert "model.onnx" not in card


def test_of_an_improved_network_it_tells_the_change_and_no_training_of_another() -> None:
    improved = {"change": "width_0 8 → 16", "test_loss": 0.1, "deployed_test_loss": 0.25}
    own = {name: value for name, value in FIGURES.items() if not name.startswith(("validation", "latency", "final"))}
    card = write_card({**own, "improved": improved}, PICTURES, "f" * 64, 180)
    for said in ("width\\_0 8 → 16. On the test rows it has 0.1000 of loss a row", "former one 0.2500",
                 "330,000 bytes", "In the search that came first 65 networks", "put old rows into `x_tr"):  # fmt: skip
        assert said in card
    assert "latency" not in card and "epochs" not in card and "validation figures" not in card
    # One that was taken out of shared weights, or adapted, says nothing of a search.
    searched = ("judged", "failed", "space", "strategy", "seed", "seconds", "precision", "device", "workers", "when")
    bare = {name: value for name, value in own.items() if name not in searched}
    card = write_card({**bare, "improved": improved}, PICTURES, "f" * 64, 180)
    assert "former one 0.2500" in card and "were judged" not in card


def test_names_stay_names() -> None:
    odd = Signature("classification", (1, 8, 8), 2, ("a|b", "<b>\nc"))
    card = write_card({**FIGURES, "task": "my_*task*"}, odd, "f" * 64, 1)
    assert card.startswith("# my\\_\\*task\\*: a network")
    assert "the classes a\\|b, \\<b\\> c." in card


def test_a_figure_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        write_card({"task": "digits"}, PICTURES, "f" * 64, 1)
