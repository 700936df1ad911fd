"""Where an answer's time goes: milliseconds of each layer, on a runtime."""

from __future__ import annotations

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from azora.cores import torch_threads
from azora.errors import BundleError, ConfigError, TargetError
from azora.export.bundle import ONNX, Bundle
from azora.export.deployed import Deployed
from azora.export.onnx import cannot_run, open_session
from azora.export.quantised import quantise_onnx
from azora.hardware.onnx_target import CALIBRATED, OnnxRuntime
from azora.hardware.registry import find_target
from azora.hardware.torch_targets import TorchCpu
from azora.scratch import scratch_folder

WARM, RUNS = 5, 40  # answers before times count, and those that do


@final
@dataclass(frozen=True)
class LayerTime:
    """A layer, what it is, its milliseconds in one answer, and its share of those of all layers."""

    name: str
    kind: str
    ms: float
    share: float


def profile(bundle: Bundle, target: str = "onnxruntime") -> list[LayerTime]:
    """The layers of a model in the order in which they are run.

    What onnxruntime has fused is one layer there. In eight bits the ranges are of made-up inputs: times do not depend
    on them.

    Args:
        target: onnxruntime (the model's own ONNX file) or torch-cpu, with settings as `find_target` takes them.

    Raises:
        ConfigError: another target.
        TargetError: the model has no ONNX file, or onnxruntime cannot run it.
    """
    found = find_target(target)
    if isinstance(found, OnnxRuntime):
        times = _onnx(bundle, found)
    elif isinstance(found, TorchCpu):
        times = _torch(bundle, found.threads)
    else:
        raise ConfigError(f"{found.spec} tells no times of layers; onnxruntime and torch-cpu do")
    whole = sum(ms for _, _, ms in times) or 1.0
    return [LayerTime(name, kind, ms, ms / whole) for name, kind, ms in times]


def by_kind_of_layer(times: Sequence[LayerTime]) -> list[tuple[str, float]]:
    """Milliseconds of all layers of a kind, the longest first."""
    totals: dict[str, float] = defaultdict(float)
    for each in times:
        totals[each.kind] += each.ms
    return sorted(totals.items(), key=lambda item: -item[1])


Times = list[tuple[str, str, float]]


def _onnx(bundle: Bundle, target: OnnxRuntime) -> Times:
    file = bundle.folder / ONNX
    if not file.is_file():
        raise TargetError(f"{bundle.folder} has no {ONNX} to profile; --target torch-cpu needs none")
    with scratch_folder() as folder:
        try:
            if target.precision == "int8":
                shape = (CALIBRATED, *bundle.signature.raw_shape)
                made = np.random.default_rng(0).random(shape, dtype=np.float32)
                file = quantise_onnx(file, folder / "int8.onnx", made)
            events = _events(file, target.threads, bundle.signature.raw_shape, folder)
        except BundleError as error:
            raise TargetError(f"{target.spec}: {error}") from error
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            found[name, event["args"]["op_name"]].append(event["dur"] / 1e3)
    return [(name, kind, statistics.median(times[WARM:])) for (name, kind), times in found.items()]


def _events(file: Path, threads: int, shape: tuple[int, ...], folder: Path) -> list[dict[str, Any]]:
    """What onnxruntime notes down of some answers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = open_session(file, options)
    try:
        for _ in range(WARM + RUNS):
            session.run(None, {"x": np.zeros((1, *shape), dtype=np.float32)})
    except Exception as error:
        raise cannot_run(error) from error
    events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return events


def _torch(bundle: Bundle, count: int) -> Times:
    deployed = Deployed(bundle.network, bundle.signature, bundle.scaling).eval()
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    begun: dict[int, float] = {}

    def before(module: nn.Module, inputs: Any) -> None:
        begun[id(module)] = time.perf_counter()

    def after(name: str) -> Any:
        def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
            spent = 1e3 * (time.perf_counter() - begun[id(module)])
            found[name, type(module).__name__].append(spent)

        return note

    hooks = []
    for name, module in deployed.named_modules():
        if not any(True for _ in module.children()):
            hooks += [module.register_forward_pre_hook(before), module.register_forward_hook(after(name))]
    try:
        with torch_threads(count), torch.inference_mode():
            for _ in range(WARM + RUNS):
                deployed(torch.zeros(1, *bundle.signature.raw_shape))
    finally:
        for hook in hooks:
            hook.remove()
    # A module that is used in two places has as many times for each answer.
    return [
        (name, kind, statistics.median(times[WARM * (len(times) // (WARM + RUNS)) :]) * (len(times) // (WARM + RUNS)))
        for (name, kind), times in found.items()
    ]
