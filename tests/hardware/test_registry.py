"""Targets are named with their settings, and what cannot be named is told with what can."""

from __future__ import annotations

import pytest

import devices
from azora.errors import ConfigError, TargetError
from azora.hardware import TARGETS, Deployable, Measured, Target, find_target
from azora.hardware.command_target import Command
from azora.hardware.onnx_target import OnnxRuntime
from azora.hardware.torch_targets import TorchCpu


def test_settings_follow_the_name() -> None:
    assert isinstance(find_target("torch-cpu"), TorchCpu)
    made = find_target("onnxruntime:threads=1,precision=int8")
    assert isinstance(made, OnnxRuntime)
    assert (made.threads, made.precision) == (1, "int8")
    assert made.spec == "onnxruntime:threads=1,precision=int8"
    assert find_target("onnxruntime").spec == "onnxruntime:threads=1,precision=fp32"


@pytest.mark.parametrize(
    ("spec", "timeout", "retries", "program"),
    [
        ("command:run {model}", 60.0, 1, "run {model}"),
        ("command:timeout=5,retries=2:run {model}", 5, 2, "run {model}"),
        ("command:timeout=0.5:run --out=a:b {pte}", 0.5, 1, "run --out=a:b {pte}"),
        ("command:retries=0:timeout 9 run {model}", 60.0, 0, "timeout 9 run {model}"),
        ("command:timeout 9 run threads=3: {model}", 60.0, 1, "timeout 9 run threads=3: {model}"),
    ],
)
def test_a_command_may_be_given_time_and_retries(spec: str, timeout: float, retries: int, program: str) -> None:
    made = find_target(spec)
    assert isinstance(made, Command)
    assert (made.timeout, made.retries, made.command) == (timeout, retries, program)
    again = find_target(made.spec)
    assert isinstance(again, Command)
    assert (again.timeout, again.retries, again.command) == (timeout, retries, program)


def test_a_class_of_ones_own_is_named_by_its_module() -> None:
    made = find_target("devices:Counted")
    assert isinstance(made, devices.Counted)
    assert made.spec == "devices:Counted"
    quick = find_target("devices:Roofline:macs=900.0,start=1")
    assert isinstance(quick, devices.Roofline)
    assert (quick.macs, quick.start) == (900.0, 1)
    assert find_target(quick.spec).spec == quick.spec == "devices:Roofline:macs=900.0,values=20.0,start=1"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("onnxruntme", "there is no target 'onnxruntme'; did you mean 'onnxruntime'"),
        ("onnxruntme:threads=1", "did you mean 'onnxruntime'"),
        ("", "there is no target ''"),
        ("onnxruntime:thread=1", "no setting 'thread'; did you mean 'threads'"),
        ("onnxruntime:int8", "'int8' is not of the form name=value"),
        ("onnxruntime:precision=int4", "there is no precision 'int4'; did you mean 'int8'"),
        ("executorch:precision=int4", "there is no precision 'int4'; did you mean 'int8'"),
        ("torch-cpu:threads=0", "threads=0 must be from 1 to"),
        ("torch-cpu:threads=4000", "threads=4000 must be from 1 to"),
        ("torch-cpu:threads=two", "threads='two' must be from 1 to"),
        ("command:", "has no {model}"),
        ("command:run model.onnx", "has no {model}"),
        ("command:run {model} {pte}", "one file is measured"),
        ("command:run '{model}", "cannot be read: no closing quotation"),
        ("command:timeout=0:run {model}", "timeout=0 must be above 0"),
        ("command:retries=1.5:run {model}", "retries=1.5"),
        ("nosuchmodule:Mine", "importing nosuchmodule failed"),
        ("devices:Conted", "did you mean 'Counted'"),
        ("devices:larger_is_better", "is no azora.hardware.Target"),
        ("devices:Counted:speed=1", "no setting 'speed'"),
    ],
)
def test_what_cannot_be_found_is_told(spec: str, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        find_target(spec)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_every_target_has_the_name_that_it_is_found_by() -> None:
    assert TARGETS.keys() == {"torch-cpu", "onnxruntime", "executorch", "cuda", "command", "table"}
    assert all(find_target(name).name == name for name in TARGETS.keys() - {"command", "table"})
    assert find_target("table:times.csv:raspi4").name == "table"


def test_a_runtime_that_is_not_installed_is_told_with_its_extra(
    network: Deployable, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hide("executorch", monkeypatch)
    target = find_target("executorch")
    for asked in (target.versions, lambda: target.measure(network)):
        with pytest.raises(TargetError, match=r"azora\[mobile\]") as told:
            asked()
        assert "\n" not in str(told.value)
    with pytest.raises(TargetError, match=r"azora\[mobile\]"):
        find_target("command:ls {pte}").measure(network)


def _hide(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def version(name: str) -> str:
        if name == package:
            raise metadata.PackageNotFoundError(name)
        return found(name)

    found = metadata.version
    monkeypatch.setattr(metadata, "version", version)


def test_a_device_that_is_not_there_is_told(network: Deployable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    target = find_target("cuda:device=3")
    for asked in (target.versions, target.fingerprint, lambda: target.measure(network)):
        with pytest.raises(TargetError, match="cuda:device=3 is not there: torch finds 0 CUDA devices"):
            asked()


@pytest.mark.parametrize("device", ["-1", "a", "1.5"])
def test_what_is_no_number_of_a_device_is_told(device: str) -> None:
    with pytest.raises(ConfigError, match=rf"cuda: device='?{device}'? must be a number from 0 up"):
        find_target(f"cuda:device={device}")


def test_a_network_that_has_no_words_in_a_runtime_is_one_line(network: Deployable) -> None:
    import torch
    from torch import nn

    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvals(x[:, 0]).abs()

    odd = Deployable.bare(Odd(), network.signature)
    for spec in ("onnxruntime", "onnxruntime:precision=int8", "command:ls {model}"):
        with pytest.raises(TargetError, match="cannot be written as ONNX") as told:
            find_target(spec).measure(odd)
        assert "\n" not in str(told.value)


def test_what_is_measured_is_what_ships(network: Deployable) -> None:
    """Softmax and scaling of raw values are in the file, as in the one that is delivered."""
    target = find_target("onnxruntime")
    assert isinstance(target, OnnxRuntime)
    with target.load(network) as loaded:
        found = loaded.call()
    assert found.shape == (1, network.signature.outputs)  # type: ignore[attr-defined]
    assert found.sum() == pytest.approx(1.0, abs=1e-5)  # type: ignore[attr-defined]
    assert loaded.bytes > 0


class Plain(Target):
    """Has no settings, and no device but this."""

    name = "plain"

    def measure(self, deployable: Deployable, seconds: float = 0.1) -> Measured:
        raise TargetError("no")

    def versions(self) -> dict[str, str]:
        return {"plain": "1"}


def test_a_target_is_on_this_machine_unless_it_says_otherwise() -> None:
    assert Plain().fingerprint() == TorchCpu().fingerprint()
    assert {"machine", "processor", "cores", "system"} <= Plain().fingerprint().keys()


def test_what_executorch_measured_on_all_threads_is_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azora.hardware.executorch_target.check_executorch", lambda: "1.5")
    assert find_target("executorch").versions() == {"executorch": "1.5", "threads": "1"}
