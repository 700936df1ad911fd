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

from azora.errors import ConfigError, TargetError
from azora.export.bundle import ONNX, Bundle
from azora.export.deployed import Deployed
from azora.scratch import scratch_folder
from azora.settings import closest

WARM, RUNS = 5, 40  # answers before times count, and those that do


@final
@dataclass(frozen=True)
class LayerTime:
    """A layer, what it is, its milliseconds in one answer, and its share of those of all layers."""

    name: str
    kind: str
    ms: float
    share: float


def profile(bundle: Bundle, runtime: str = "onnxruntime") -> list[LayerTime]:
    """The layers of a model in the order in which they are run, on one thread.

    What onnxruntime has fused is one layer there.

    Args:
        runtime: "onnxruntime" (the model's own ONNX file) or "torch-cpu".

    Raises:
        ConfigError: another runtime.
        TargetError: the model has no ONNX file.
    """
    if runtime not in PROFILERS:
        raise ConfigError(f"{runtime!r} tells no times of layers; {closest(runtime, PROFILERS)}")
    times = PROFILERS[runtime](bundle)
    whole = sum(ms for _, _, ms in times) or 1.0
    return [LayerTime(name, kind, ms, ms / whole) for name, kind, ms in times]


def by_kind_of_layer(times: Sequence[LayerTime]) -> list[tuple[str, float]]:
    """Milliseconds of all layers of a kind, the longest first."""
    totals: dict[str, float] = defaultdict(float)
    for each in times:
        totals[each.kind] += each.ms
    return sorted(totals.items(), key=lambda item: -item[1])


Times = list[tuple[str, str, float]]


def _onnx(bundle: Bundle) -> Times:
    import onnxruntime

    file = bundle.folder / ONNX
    if not file.is_file():
        raise TargetError(f"{bundle.folder} has no {ONNX} to profile; --target torch-cpu needs none")
    with scratch_folder() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / "profile")
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        x = np.zeros((1, *bundle.signature.raw_shape), dtype=np.float32)
        for _ in range(WARM + RUNS):
            session.run(None, {"x": x})
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            found[name, event["args"]["op_name"]].append(event["dur"] / 1e3)
    return [(name, kind, statistics.median(times[WARM:])) for (name, kind), times in found.items()]


def _torch(bundle: Bundle) -> Times:
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
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(WARM + RUNS):
                deployed(torch.zeros(1, *bundle.signature.raw_shape))
    finally:
        torch.set_num_threads(threads)
        for hook in hooks:
            hook.remove()
    # A module that is used in two places has as many times for each answer.
    return [
        (name, kind, statistics.median(times[WARM * (len(times) // (WARM + RUNS)) :]) * (len(times) // (WARM + RUNS)))
        for (name, kind), times in found.items()
    ]


PROFILERS = {"onnxruntime": _onnx, "torch-cpu": _torch}
