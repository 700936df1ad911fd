"""Where an answer's time goes."""

from __future__ import annotations

import random
import shutil
import time
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


@pytest.mark.parametrize(
    ("runtime", "kind"),
    [
        ("onnxruntime", "Gemm"),
        ("onnxruntime:precision=int8,threads=1", "Q"),
        ("torch-cpu", "Linear"),
        ("torch-cpu:threads=1", "Linear"),
    ],
)
def test_layers_have_times_that_add_up(folder: Path, runtime: str, kind: str) -> None:
    times = profile(read_bundle(folder / "model"), runtime)
    assert all(each.ms >= 0 for each in times)
    assert sum(each.share for each in times) == pytest.approx(1.0)
    assert any(kind in each.kind for each in times)
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
    with pytest.raises(ConfigError, match="executorch:precision=fp32 tells no times of layers; onnxruntime and"):
        profile(read_bundle(folder / "model"), "executorch")


def test_the_command_draws_bars(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(folder / "model"), "--target", "torch-cpu"]) == 0
    said = capsys.readouterr().out
    assert "Linear" in said and "█" in said and "on torch-cpu:threads=1" in said


def test_layers_that_take_no_time_by_a_coarse_clock_are_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: 1.0)
    assert main(["profile", str(folder / "model"), "--target", "torch-cpu"]) == 0
    assert "0 ms in" in capsys.readouterr().out


def test_a_file_that_onnxruntime_cannot_run_is_one_line(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "model", tmp_path / "model")
    bundle = read_bundle(tmp_path / "model")
    (tmp_path / "model" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(TargetError, match="onnxruntime cannot run the network"):
        profile(bundle)
