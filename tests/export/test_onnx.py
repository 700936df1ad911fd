"""ONNX files answer as torch does, for any batch, and hold nothing but the network."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from azora.errors import BundleError
from azora.export import OnnxSession, export_onnx, median_ms
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.space import Space
from azora.tasks import Scaling, Signature

PICTURES = Signature("classification", (3, 12, 12), 4, ("a", "b", "c", "d"))
ROWS = Signature("regression", (5,), 2)


def scaling(signature: Signature) -> Scaling:
    columns = signature.shape[0]
    targets = ((40.0, -3.0), (9.0, 0.5)) if signature.kind == "regression" else ((), ())
    return Scaling((90.0,) * columns, (60.0,) * columns, *targets)


def build(space: Space, **fixed: object) -> nn.Module:
    within = space.constrain(**fixed) if fixed else space
    network = space.build(As(within.sample(random.Random(4)))).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):  # as after training, so that a forgotten normalisation shows
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
    return network


def inputs(signature: Signature) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (17, *signature.shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "signature", "fixed"),
    [
        ("cells", PICTURES, {"depth": 1}),
        ("stages", PICTURES, {"resolution": 0.75}),  # resized in front of the network
        ("mlp", ROWS, {"skip": False}),
        ("mlp", ROWS, {"skip": True}),  # True is a word of Python's, and paths become code
        ("residual", ROWS, {"width": 32}),
    ],
    ids=["cells", "stages", "mlp", "mlp with a way past", "residual"],
)
def test_a_file_answers_as_torch_for_any_batch(
    name: str, signature: Signature, fixed: dict[str, object], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    network, x = build(make_space(name, signature), **fixed), inputs(signature)
    capfd.readouterr()
    difference = export_onnx(network, signature, scaling(signature), tmp_path / "m.onnx", x)
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    assert 0 <= difference < 1e-5

    mean, spread = (torch.tensor(each).reshape(-1, *(1,) * (x.ndim - 2)) for each in ((90.0,), (60.0,)))
    with torch.no_grad():
        answer = network((torch.from_numpy(x) - mean) / spread)
    if signature.kind == "classification":
        wanted = torch.softmax(answer, 1)
    else:
        wanted = answer * torch.tensor([9.0, 0.5]) + torch.tensor([40.0, -3.0])
    session = OnnxSession(tmp_path / "m.onnx")
    for batch in (1, 3, 17):
        np.testing.assert_allclose(session.run(x[:batch]), wanted[:batch], rtol=1e-4, atol=1e-5)

    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model)
    assert model.opset_import[0].version >= 18
    assert [value.name for value in model.graph.input] == ["x"]
    assert [value.name for value in model.graph.output] == [
        "probabilities" if signature.kind == "classification" else "prediction"
    ]


def test_a_file_tells_nothing_of_the_machine_that_made_it(tmp_path: Path) -> None:
    signature = Signature("classification", (4,), 2, ("a", "b"))
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    export_onnx(network, signature, scaling(signature), tmp_path / "m.onnx", inputs(signature))
    raw = (tmp_path / "m.onnx").read_bytes()
    for trace in (str(Path(torch.__file__).parent), __file__, "site-packages", 'File "', ".py"):
        assert trace.encode() not in raw


class Odd(nn.Module):
    """Something that no ONNX operator does."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x[:, :, None] * x[:, None, :]).real


class Precise(nn.Module):
    """Something that ONNX has an operator for, and onnxruntime no kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.erf(x.double()).float()


@pytest.mark.parametrize(
    ("network", "said"),
    [(Odd(), "the network cannot be written as ONNX: "), (Precise(), "onnxruntime cannot run the network: .*Erf")],
    ids=["no operator", "no kernel"],
)
def test_a_network_without_operators_is_refused_in_one_line(network: nn.Module, said: str, tmp_path: Path) -> None:
    signature = Signature("classification", (3,), 3, ("a", "b", "c"))
    with pytest.raises(BundleError, match=said) as caught:
        export_onnx(network.eval(), signature, scaling(signature), tmp_path / "m.onnx", inputs(signature))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    assert logging.root.manager.disable == logging.NOTSET


def test_what_is_no_onnx_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(BundleError, match="onnxruntime cannot run the network: ") as caught:
        OnnxSession(tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)


def test_a_file_that_answers_differently_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = Signature("classification", (3,), 2, ("a", "b"))
    monkeypatch.setattr(OnnxSession, "run", lambda self, x: np.full((len(x), 2), 0.9, np.float32))
    with pytest.raises(BundleError, match="answers differently from torch by"):
        export_onnx(nn.Linear(3, 2).eval(), signature, scaling(signature), tmp_path / "m.onnx", inputs(signature))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    signature = Signature("classification", (3,), 2, ("a", "b"))
    with pytest.raises(BundleError, match=r"nowhere is no folder to write m\.onnx into"):
        export_onnx(nn.Linear(3, 2), signature, scaling(signature), tmp_path / "nowhere" / "m.onnx", inputs(signature))
    with pytest.raises(BundleError, match=r"^\. is a folder; name the file to write$"):
        export_onnx(nn.Linear(3, 2), signature, scaling(signature), Path(), inputs(signature))


def test_latency_is_the_median_and_keeps_to_its_time() -> None:
    calls = []
    found = median_ms(lambda: calls.append(sum(range(20_000))), runs=9)
    assert len(calls) == 5 + 9
    assert 0 < found < 1_000
    slow: list[None] = []
    median_ms(lambda: slow.append(None), runs=10**9, seconds=0.01)
    assert len(slow) < 10**7
