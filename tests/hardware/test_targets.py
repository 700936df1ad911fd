"""The contract for every shipped target that runs here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import devices
from azora.errors import TargetError
from azora.hardware import Deployable, Target, find_target
from azora.tasks import Signature
from azora.testing import TargetContract

BY_SIZE = 'size=$(wc -c < "$1")\necho "$size bytes" >&2\necho "$((size / 100)) ms"\n'


class TestTargets(TargetContract):
    @pytest.fixture(params=["torch-cpu", "onnxruntime", "onnxruntime:precision=int8"])
    def target(self, request: pytest.FixtureRequest) -> Target:
        return find_target(request.param)


@pytest.mark.filterwarnings("ignore")  # ExecuTorch's own, of its passes
class TestExecutorch(TargetContract):
    @pytest.fixture(params=["executorch", "executorch:precision=int8"])
    def target(self, request: pytest.FixtureRequest) -> Target:
        pytest.importorskip("executorch")
        return find_target(request.param)


class TestCommand(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        (tmp_path / "by size.sh").write_text(BY_SIZE)
        return find_target(f"command:timeout=20:sh '{tmp_path / 'by size.sh'}' {{model}}")


class TestOnesOwn(TargetContract):
    @pytest.fixture
    def target(self) -> Target:
        return devices.Roofline(macs=900.0)


class Precise(nn.Module):
    """ONNX has an operator for it, and onnxruntime no kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.erf(x.double()).float()


def test_what_a_runtime_has_no_kernel_for_it_refuses_as_a_target_does() -> None:
    with pytest.raises(TargetError, match=r"^onnxruntime:.*cannot run the network: .*Erf"):
        find_target("onnxruntime").measure(Deployable.bare(Precise().eval(), Signature("regression", (3,), 3)))
