"""The file that ships, where it will run."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from azora.automl.deployment import deploy
from azora.automl.forms import form_of
from azora.automl.shipping import Shipped
from azora.errors import TargetError, UnsteadyError
from azora.export import write_bundle
from azora.hardware import Measured, Measurement, find_target
from azora.job import Job
from azora.networks.complexity import cost
from azora.networks.decide import As
from azora.networks.registry import make_space
from azora.tasks import Task

BY_SIZE = 'echo "$(($(wc -c < "$1") / 100)) ms"\n'


@pytest.fixture
def figures(stripes: Task, tmp_path: Path) -> dict[str, Any]:
    """Of a network in `out/model`."""
    space = make_space("cells", stripes.signature)
    torch.manual_seed(0)
    architecture = space.constrain(None, "", width=8, depth=1).sample(random.Random(3))
    about = cost(space, architecture)
    found = {"parameters": about["params"], "macs": about["macs"], "memory": about["memory"], "limits": {"size": 1e3}}
    (tmp_path / "out").mkdir()
    write_bundle(
        tmp_path / "out" / "model",
        space.build(As(architecture)).eval(),
        stripes.signature,
        stripes.scaling,
        space={"name": "cells", "settings": {}},
        architecture=architecture.to_json(),
        facts={"task": {"name": "stripes", "sha256": stripes.digest}, "figures": {}},
        onnx=None,
        card="",
    )
    return found


def shipped(task: Task, out: Path, figures: dict[str, Any], target: str, *limits: str, **about: Any) -> dict[str, Any]:
    spec = find_target(target).spec
    known = {**figures, "target": {"spec": spec, "device": dict(find_target(target).fingerprint()), **about}}
    return deploy(Job.parse(task=task, out=out, target=target, limits=limits), form_of(target), known)


def test_the_file_itself_is_what_a_program_measures(stripes: Task, tmp_path: Path, figures: dict[str, Any]) -> None:
    (tmp_path / "by_size.sh").write_text(BY_SIZE)
    target = f"command:sh {tmp_path / 'by_size.sh'} {{model}}"
    found = shipped(stripes, tmp_path / "out", figures, target, "latency=1ms", "params=1k", "macs=1G")
    size = (tmp_path / "out" / "deploy" / "model.onnx").stat().st_size
    assert found["on_target"] == {"spec": target, "latency_ms": size // 100, "spread": 0.0}
    assert [line.split()[5] for line in found["beyond"]] == ["latency", "params"]
    assert f"{size // 100 - 1:.1%} beyond the limit latency ≤ 1 ms" in found["beyond"][0]
    assert found["beyond"] == found["notes"] and not found["holds"]
    within = shipped(stripes, tmp_path / "out", figures, target, f"latency={size / 100}ms")
    assert (within["beyond"], within["notes"], within["holds"]) == ([], [], True)


@pytest.mark.parametrize("target", ["onnxruntime", "torch-cpu"])
def test_runtimes_that_are_here_run_the_file(
    target: str, stripes: Task, tmp_path: Path, figures: dict[str, Any]
) -> None:
    found = shipped(stripes, tmp_path / "out", figures, target, "latency=1us")
    assert found["on_target"]["spec"] == find_target(target).spec and found["on_target"]["latency_ms"] > 0
    assert "beyond the limit latency ≤ 0.001 ms" in found["beyond"][0] and not found["holds"]


def test_what_cannot_be_measured_is_said(stripes: Task, tmp_path: Path, figures: dict[str, Any]) -> None:
    away = shipped(stripes, tmp_path / "out", figures, "onnxruntime", "latency=1us", device={"machine": "abacus"})
    assert "on_target" not in away and away["holds"]
    spec = find_target("onnxruntime").spec
    assert away["notes"] == [f"files cannot be measured on {spec} from here: the one that ships was not"]
    lost = shipped(stripes, tmp_path / "out", figures, "command:retries=0:false {model}", "latency=1us")
    assert "on_target" not in lost and not lost["holds"], "nobody knows whether it keeps its limit"
    assert "the file that ships could not be measured: false ended with 1" in lost["notes"][0]


def test_one_unsteady_look_ends_nothing_and_none_that_was_steady_is_lost(
    stripes: Task, tmp_path: Path, figures: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def deployed(*looks: float | TargetError) -> dict[str, Any]:
        """What came of these looks, milliseconds or errors, at a file whose limit is 2 ms."""
        left, file = list(looks), tmp_path / "model.onnx"

        def look(*words: Any) -> Measured:
            if isinstance(found := left.pop(0), TargetError):
                raise found
            return Measured(Measurement(found), 1000)

        monkeypatch.setattr("azora.automl.deployment.ship", lambda *words: Shipped(file, {"file": str(file)}, True))
        monkeypatch.setattr("azora.automl.deployment.measure_file", look)
        return shipped(stripes, tmp_path / "out", figures, "onnxruntime", "latency=2ms")

    unsteady, gone = UnsteadyError("they vary by 80%"), TargetError("no device found")
    assert deployed(unsteady, 1.5)["on_target"]["latency_ms"] == 1.5
    slow = deployed(9.0, unsteady, 8.0)
    assert slow["on_target"]["latency_ms"] == 8.0 and not slow["holds"]
    assert deployed(9.0, gone)["on_target"]["latency_ms"] == 9.0
    for looks, why in (([unsteady] * 3, "they vary by 80%"), ([gone], "no device found")):
        lost = deployed(*looks)
        assert lost["notes"] == [f"the file that ships could not be measured: {why}"] and "on_target" not in lost
