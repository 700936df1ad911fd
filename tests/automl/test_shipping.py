"""Files for other runtimes: they run without azora, answer alike, and say what eight bits cost."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from azora.automl import shipping
from azora.automl.shipping import ship
from azora.cli.main import main
from azora.errors import BundleError, ConfigError
from azora.export import read_bundle, write_bundle
from azora.export.formats import FORMATS
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Signature, Task, load_task
from azora.training import RecipeSettings, Training, outputs

FIXED = {"width": 24, "depth": 2, "shrink": 1}
LIGHT = {"depth": 1, "width_0": 16, "activation": "relu", "normalisation": "none", "dropout": 0.0, "skip": False}


@pytest.fixture(autouse=True, scope="module")
def _briefly() -> Iterator[None]:
    """Nothing here asks how quick a file is, but that it is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipping, "measure_calls", partial(shipping.measure_calls, seconds=0.02))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `stripes.npz`, and trained networks of it: in `out/model` one of some fifty thousand parameters, in
    `light/model` one of a layer, which is written sooner."""
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    x = rng.integers(0, 120, (240, 8, 8))
    x[y == 0, ::2, :] += 100
    x[y == 1, :, ::2] += 100
    arrays = {"x_train": x[:200].astype(np.uint8), "y_train": y[:200]}
    arrays |= {"x_test": x[200:].astype(np.uint8), "y_test": y[200:]}
    np.savez(folder / "stripes.npz", **arrays)
    write(folder / "out" / "model", load_task(folder / "stripes.npz"))
    write(folder / "light" / "model", load_task(folder / "stripes.npz"), "mlp", LIGHT)
    return folder


def write(folder: Path, task: Task, name: str = "cells", fixed: Mapping[str, Any] = FIXED) -> None:
    space = make_space(name, task.signature)
    torch.manual_seed(0)
    architecture = space.constrain(None, "", **fixed).sample(random.Random(3))
    network = space.build(As(architecture))
    recipe = RecipeSettings.default(task.signature)
    training = Training(network, task.train, task.signature, task.scaling, recipe)
    training.advance(3.0)
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_bundle(
        folder,
        training.judging_network().eval(),
        task.signature,
        training.scaling,
        space={"name": name, "settings": {}},
        architecture=architecture.to_json(),
        facts={"task": {"name": task.name, "sha256": task.digest}, "figures": {"seed": 0}},
        onnx=None,
        card="",
    )


def made(home: Path, tmp_path: Path, form: str, model: str = "out") -> tuple[Path, dict[str, Any]]:
    file = tmp_path / f"net{FORMATS[form].suffix}"
    shipped = ship(home / model, form, file, home / "stripes.npz")
    return file, dict(shipped.figures)


Files = dict[str, tuple[Path, dict[str, Any]]]


@pytest.fixture(scope="module")
def files(home: Path) -> Files:
    """One file of each form, and what was found of it."""
    return {form: made(home, home, form) for form in ("onnx", "onnx-int8", "torch")}


@pytest.mark.parametrize("form", ["onnx", "torch"])
def test_a_float_file_answers_as_torch_does(files: Files, form: str) -> None:
    file, figures = files[form]
    assert figures["difference"] < 1e-5
    assert figures["validation_file"] == figures["validation_float"]
    assert figures["bytes"] == file.stat().st_size
    assert figures["latency_ms"] > 0 and figures["float_latency_ms"] > 0
    assert figures["float_format"] == "model" and "float_layers" not in figures


def test_eight_bits_are_less_than_half_as_large_and_lose_little(home: Path, files: Files) -> None:
    whole, _ = files["onnx"]
    file, figures = files["onnx-int8"]
    assert file.stat().st_size < 0.5 * whole.stat().st_size
    assert (figures["float_format"], figures["float_bytes"]) == ("onnx", whole.stat().st_size)
    assert figures["float_latency_ms"] > 0 and not {"Conv", "Gemm"} & figures["float_layers"].keys()
    assert 1e-6 < figures["difference"] < 0.2  # it is not the float file
    assert figures["within"] and figures["drop"] <= 1.0
    task = load_task(home / "stripes.npz")
    rows = task.validation.x.astype(np.float32)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    answers = session.run(None, {"x": rows})[0]
    accuracy = float((answers.argmax(1) == task.validation.y).mean())
    assert accuracy == pytest.approx(figures["validation_file"])


def test_a_torch_program_needs_no_azora(home: Path, files: Files) -> None:
    file, _ = files["torch"]
    bundle = read_bundle(home / "out" / "model")
    rows = load_task(home / "stripes.npz").validation.x[:5].astype(np.float32)
    with torch.no_grad():
        answers = torch.export.load(file).module()(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(answers, outputs(bundle.network, rows, bundle.signature, bundle.scaling), atol=1e-5)


def test_beside_the_file_stands_what_it_takes_and_gives(files: Files) -> None:
    file, figures = files["onnx-int8"]
    told = json.loads(file.with_name(f"{file.name}.json").read_text())
    assert told["input"] == {"name": "x", "shape": ["batch", 1, 8, 8], "type": "float32"}
    assert told["classes"] == ["0", "1"]
    assert told["output"] == "probabilities"
    assert {name: told[name] for name in figures} == figures
    assert "has seen these rows in its last training" in told["validation_seen"]  # so the drop is no estimate


def test_too_large_a_drop_is_told_and_the_file_kept(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measure = shipping.evaluate
    asked = list[float]()

    def worse(signature: Signature, answers: Any, y: Any, also: Any) -> dict[str, float]:
        asked.append(0.0)
        return {name: value - 0.05 * (len(asked) - 1) for name, value in measure(signature, answers, y, also).items()}

    monkeypatch.setattr(shipping, "evaluate", worse)
    file = tmp_path / "worse.pt2"
    words = ["export", str(home / "light"), "--format", "torch", "--task", str(home / "stripes.npz")]
    assert main([*words, "--to", str(file)]) == 1
    assert "costs 5.00 points, more than --max-drop 1" in capsys.readouterr().err
    assert file.is_file()
    assert json.loads(file.with_name("worse.pt2.json").read_text())["within"] is False
    asked.clear()
    assert main([*words, "--to", str(file), "--max-drop", "6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["drop"] == pytest.approx(5.0)


def test_without_its_data_a_float_file_is_written_and_eight_bits_are_not(home: Path, tmp_path: Path) -> None:
    shipped = ship(home / "light", "torch", tmp_path / "net.pt2")
    assert "metric" not in shipped.figures
    with pytest.raises(ConfigError, match=r"eight bits need rows of the data.*'stripes'.*--task"):
        ship(home / "light", "onnx-int8", tmp_path / "net.int8.onnx")


def test_a_file_beyond_the_limit_of_its_search_says_so(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "out" / "model", tmp_path / "model")
    about = json.loads((tmp_path / "model" / "model.json").read_text())
    target = {"spec": "onnxruntime:threads=1,precision=int8"}
    about["figures"] |= {"limits": {"size": 1000.0}, "target": target}
    (tmp_path / "model" / "model.json").write_text(json.dumps(about))
    for form, told in (("torch", False), ("onnx-int8", True)):
        file = tmp_path / f"net{FORMATS[form].suffix}"
        ship(tmp_path / "model", form, file, home / "stripes.npz")
        assert ("beyond_size" in json.loads(file.with_name(f"{file.name}.json").read_text())) is told


def test_other_data_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="digits is other data than the model"):
        ship(home / "light", "onnx", tmp_path / "net.onnx", "digits")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "onx"], "did you mean 'onnx'"),
        (["--to", "nowhere/net.onnx"], "nowhere is no folder to write net.onnx into"),
        (["--to", "."], ". is a folder; name the file to write"),
        (["--max-drop", "-1"], "must be at least 0"),
    ],
)
def test_mistakes_are_one_line(home: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(home / "light"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("form", "writes"),
    [
        ("torch", "torch.export.save"),
        ("onnx-int8", "onnxruntime.quantization.quantize_static"),
        ("executorch", "azora.export.executorch._lowered"),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    home: Path, tmp_path: Path, form: str, writes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(program: Any, part: Path | None = None, *words: Any, **more: Any) -> None:
        if part is not None:
            part.write_bytes(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writes, full)
    monkeypatch.setattr("azora.export.executorch.check_executorch", str)
    with pytest.raises(BundleError, match=r"cannot be written: No space left on device$"):
        made(home, tmp_path, form, "light")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_quantised_is_named_and_float_offered(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: Any, **more: Any) -> None:
        raise ValueError("Unsupported operator Einsum in node einsum_3")

    monkeypatch.setattr("onnxruntime.quantization.quantize_static", refuse)
    with pytest.raises(BundleError, match=r"Einsum in node einsum_3; in float32 it may: --format onnx$"):
        made(home, tmp_path, "onnx-int8", "light")
    assert list(tmp_path.iterdir()) == []


def test_layers_that_stay_in_float_are_named_and_float_offered(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("azora.export.formats.of_onnx", lambda file: {"HardSwish": 3, "Erf": 1})
    words = ["export", str(home / "light"), "--format", "onnx-int8", "--task", str(home / "stripes.npz")]
    assert main([*words, "--to", str(tmp_path / "net.int8.onnx"), "--max-drop", "100"]) == 0
    told = capsys.readouterr().out
    assert "\nstill in float32  Erf (1), HardSwish (3); --format onnx has all layers in float32\n" in told
    assert re.search(r"\nlatency +\S+ ms for one input on one thread of this machine, as onnx \S+ ms\n", told)


def test_a_float_file_that_answers_differently_is_not_kept(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "TOLERANCE", -1.0)
    with pytest.raises(BundleError, match=r"^the file answers differently from the model by .*; it was not kept"):
        made(home, tmp_path, "torch", "light")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails", ["_figures", "TOLERANCE"])
def test_what_fails_leaves_an_earlier_file_and_its_facts(
    home: Path, tmp_path: Path, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: Any) -> Any:
        raise BundleError("onnxruntime cannot run the network")

    for name in ("net.pt2", "net.pt2.json"):
        (tmp_path / name).write_text("earlier")
    monkeypatch.setattr(shipping, fails, refuse if fails == "_figures" else -1.0)
    with pytest.raises(BundleError, match=r"cannot run the network|answers differently"):
        made(home, tmp_path, "torch", "light")
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "net.pt2": "earlier", "net.pt2.json": "earlier",
    }  # fmt: skip


def test_without_executorch_it_says_what_to_install(home: Path, tmp_path: Path) -> None:
    if find_spec("executorch") is not None:
        file, figures = made(home, tmp_path, "executorch")
        assert file.is_file() and figures["difference"] < 1e-4
        return
    with pytest.raises(BundleError, match=r"^ExecuTorch is not installed; install azora\[mobile\]$"):
        made(home, tmp_path, "executorch-int8")


def test_a_table_ships_with_its_preparation(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = ["size,colour,kind,id"]
    for row in range(160):
        kind, colour = row % 2, "red" if rng.random() < 0.3 + 0.5 * (row % 2) else "blue"
        lines.append(f"{rng.normal() + 3 * kind:.3f},{colour},{kind},row {row}")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    words = ["search", str(tmp_path / "table.csv"), "--label", "kind", "--trials", "1", "--quiet", "--no-boosting"]
    assert main([*words, "--ignore", "id", "--seed", "3", "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    task = ["--task", str(tmp_path / "table.csv")]  # it is read as it was for the search
    file = tmp_path / "net.int8.onnx"
    assert main(["export", str(tmp_path / "out"), "--format", "onnx-int8", "--to", str(file), *task]) == 0
    told = json.loads(file.with_name(f"{file.name}.json").read_text())
    assert told["input"]["shape"] == ["batch", 2]
    assert told["validation_rows"] > 10
    assert told["drop"] <= 1.0


def test_a_copy_of_the_model_folder_will_do(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "light" / "model", tmp_path / "copied")
    shipped = ship(tmp_path / "copied", "torch", tmp_path / "net.pt2", home / "stripes.npz")
    assert shipped.within
