"""Where an answer's time goes."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from azora.cli.main import main
from azora.errors import ConfigError, TargetError
from azora.export import export_onnx, read_bundle, write_bundle
from azora.hardware.profiling import by_kind_of_layer, profile
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Scaling, Signature

ROWS = Signature("classification", (16,), 3, ("red", "green", "blue"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A perceptron with its ONNX file in `model`, and without one in `bare`."""
    home = tmp_path_factory.mktemp("home")
    space = make_space("mlp", ROWS)
    torch.manual_seed(0)
    architecture = space.sample(random.Random(0))
    network, scaling = space.build(As(architecture)).eval(), Scaling((0.0,) * 16, (1.0,) * 16)
    export_onnx(network, ROWS, scaling, home / "made.onnx", np.ones((3, 16), np.float32))
    for name, file in (("model", home / "made.onnx"), ("bare", None)):
        about = {"name": "mlp", "settings": {}}
        write_bundle(
            home / name, network, ROWS, scaling, space=about, architecture=architecture.to_json(), facts={}, onnx=file,
            card="",
        )  # fmt: skip
    return home


@pytest.mark.parametrize(("runtime", "kind"), [("onnxruntime", "Gemm"), ("torch-cpu", "Linear")])
def test_layers_have_times_that_add_up(folder: Path, runtime: str, kind: str) -> None:
    times = profile(read_bundle(folder / "model"), runtime)
    assert all(each.ms >= 0 for each in times)
    assert sum(each.share for each in times) == pytest.approx(1.0)
    assert kind in {each.kind for each in times} | {"FusedGemm" if kind == "Gemm" else kind}
    kinds = by_kind_of_layer(times)
    assert sum(ms for _, ms in kinds) == pytest.approx(sum(each.ms for each in times))
    assert [ms for _, ms in kinds] == sorted((ms for _, ms in kinds), reverse=True)


def test_without_an_onnx_file_torch_can_be_asked(folder: Path) -> None:
    with pytest.raises(TargetError, match=r"no model.onnx to profile; --target torch-cpu needs none"):
        profile(read_bundle(folder / "bare"))
    assert profile(read_bundle(folder / "bare"), "torch-cpu")


def test_an_unknown_runtime_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'onnxruntime'"):
        profile(read_bundle(folder / "model"), "onnxruntim")


def test_the_command_draws_bars(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(folder / "model"), "--target", "torch-cpu"]) == 0
    said = capsys.readouterr().out
    assert "Linear" in said and "█" in said and "on torch-cpu, one thread" in said
