"""Files that are made to be measured compute what the network computes, in float32 and in eight bits."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from azora.errors import BundleError
from azora.export import OnnxSession
from azora.export.deployed import Deployed
from azora.export.draft import draft_onnx
from azora.export.quantised import quantise_onnx
from azora.hardware import Deployable
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Scaling, Signature

ROWS = np.random.default_rng(0).random((40, 1, 8, 8), dtype=np.float32)


def answers(deployable: Deployable, rows: np.ndarray) -> np.ndarray:
    deployed = Deployed(deployable.network, deployable.signature, deployable.scaling).eval()
    with torch.no_grad():
        return deployed(torch.from_numpy(rows)).numpy()


def drafted(deployable: Deployable, file: Path) -> Path:
    draft_onnx(deployable.network, deployable.signature, deployable.scaling, file)
    return file


def test_a_draft_computes_what_the_network_computes_for_any_batch(network: Deployable, tmp_path: Path) -> None:
    session = OnnxSession(drafted(network, tmp_path / "a.onnx"))
    for count in (1, 2, 40):
        assert session.run(ROWS[:count]) == pytest.approx(answers(network, ROWS[:count]), abs=1e-5)


def test_scaling_is_in_the_file(network: Deployable, tmp_path: Path) -> None:
    rows, signature = ROWS.reshape(40, -1)[:, :7] * 100, Signature("regression", (7,), 2)
    scaling = Scaling(tuple(range(7)), tuple(range(1, 8)), (5.0, -5.0), (10.0, 20.0))
    torch.manual_seed(0)
    deployable = Deployable(nn.Linear(7, 2).eval(), signature, scaling)
    file = drafted(deployable, tmp_path / "a.onnx")
    wanted = answers(deployable, rows)
    assert np.ptp(wanted) > 100
    assert OnnxSession(file).run(rows) == pytest.approx(wanted, rel=1e-4, abs=1e-3)
    eight = quantise_onnx(file, tmp_path / "b.onnx", rows)
    assert np.abs(OnnxSession(eight).run(rows) - wanted).max() < 0.03 * np.ptp(wanted)


@pytest.mark.parametrize("name", ["cells", "stages", "mlp", "nb201"])
def test_eight_bits_are_near_and_fewer(name: str, tmp_path: Path) -> None:
    signature = Signature("classification", (1, 8, 8), 10)
    space = make_space(name, signature, **({"widths": [16], "depths": [1]} if name == "cells" else {}))
    torch.manual_seed(0)
    deployable = Deployable.bare(space.build(As(space.sample(random.Random(1)))).eval(), signature)
    file = drafted(deployable, tmp_path / "a.onnx")
    eight = quantise_onnx(file, tmp_path / "b.onnx", ROWS)
    assert np.abs(OnnxSession(eight).run(ROWS) - answers(deployable, ROWS)).max() < 0.05
    assert eight.stat().st_size < file.stat().st_size
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


def test_what_cannot_be_quantised_leaves_no_file(network: Deployable, tmp_path: Path) -> None:
    file = drafted(network, tmp_path / "a.onnx")
    with pytest.raises(BundleError, match="the network cannot be quantised") as told:
        quantise_onnx(file, tmp_path / "b.onnx", ROWS[:, :, :4])
    assert "\n" not in str(told.value)
    assert [each.name for each in tmp_path.iterdir()] == ["a.onnx"]
