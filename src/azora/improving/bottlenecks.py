"""Where a deployed network's time and weights are, whether it is slow on its target, and whether rows are wanting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from azora.errors import AzoraError
from azora.export.bundle import Bundle
from azora.hardware.profiling import RUNS, WARM, profile
from azora.hardware.registry import find_target
from azora.hardware.target import Deployable, TimedTarget
from azora.tasks import Signature, Split, score_of
from azora.tasks.array import Array
from azora.training import outputs
from azora.training.outputs import Asking

SHOWN = 3  # layers
ANSWERS = WARM + RUNS  # of a profile
ALONE = 5.0  # times as long a row takes by itself as among others, about
ROWS, JUDGED, FEWEST = 1_000, 1_000, 8  # of a learning curve
ASKED = 2  # rows, for whether a layer gives the answers
SHARES, DRAWS = (0.25, 0.5, 1.0), 5
PENALTY = 1.0  # of the layer that is learned anew
RISE = 0.01  # of the score from half of the rows to all: more of them would help
MEASURING = 0.5  # seconds of answers on a target
TOLERANCE = 1.05  # of a limit: two measurements of one network differ


def slowest(bundle: Bundle) -> list[dict[str, Any]]:
    """The layers in which most of an answer's time goes, in torch on one thread: name, kind, milliseconds, share."""
    times = sorted(profile(bundle, "torch-cpu"), key=lambda each: -each.ms)[:SHOWN]
    return [
        {"layer": each.name, "kind": each.kind, "ms": round(each.ms, 4), "share": round(each.share, 4)}
        for each in times
    ]


def heaviest(bundle: Bundle) -> list[dict[str, Any]]:
    """The layers that hold most of the weights: name, kind, bytes, share of all."""
    found = [
        (sum(each.numel() * each.element_size() for each in module.parameters(recurse=False)), name, module)
        for name, module in bundle.network.named_modules()
    ]
    whole = sum(size for size, _, _ in found) or 1
    return [
        {"layer": name, "kind": type(module).__name__, "bytes": size, "share": round(size / whole, 4)}
        for size, name, module in sorted(found, key=lambda each: -each[0])[:SHOWN] if size
    ]  # fmt: skip


def learning_curve(bundle: Bundle, train: Split, judged: Split) -> list[dict[str, float]] | None:
    """Scores (accuracy or R²) on `judged` where the layers that give the network's answers are learned anew, by ridge
    regression, from a quarter, a half and all of `train` (1,000 rows at most), the mean of five draws of each; None of
    a network that has no such linear layer, or of rows that say nothing. The layers below stay as they are: while this
    rises, rows are wanting; where it does not, what those layers see is what limits."""
    rng = np.random.default_rng(0)
    some, few = rng.permutation(len(train))[:ROWS], rng.permutation(len(judged))[:JUDGED]
    if len(some) < FEWEST or len(np.unique(train.y[some])) < 2:
        return None
    if not (last := answering(bundle, train.x[:ASKED])):
        return None
    x, asked = (_seen(bundle, last, each) for each in (train.x[some], judged.x[few]))
    curve = []
    for share in SHARES:
        rows = round(share * len(some))
        drawn = [rng.permutation(len(some))[:rows] for _ in range(DRAWS if share < 1 else 1)]
        scores = [_scored(bundle.signature, x[each], train.y[some][each], asked, judged.y[few]) for each in drawn]
        curve.append({"rows": float(rows), "score": round(float(np.mean(scores)), 4)})
    return curve


def answering(bundle: Bundle, x: Array) -> list[nn.Linear]:
    """The linear layers of which the network's outputs are the sum, by rows `x`: what one of them gives more, the
    network does. Layers within may be as wide."""
    network, wide = bundle.network, bundle.signature.outputs
    rows = torch.cat(list(Asking(x, bundle.signature, bundle.scaling).batches()))
    with torch.no_grad():
        return [
            each for each in network.modules()
            if isinstance(each, nn.Linear) and each.out_features == wide and _passed_on(network, each, rows)
        ]  # fmt: skip


def rises(curve: list[dict[str, float]]) -> bool:
    """Whether more rows would help."""
    return curve[-1]["score"] - curve[-2]["score"] > RISE


def latency_here(bundle: Bundle, network: nn.Module | None = None, signature: Signature | None = None) -> float | None:
    """Milliseconds of an answer of the model (or of a network in its place) on the target that it was searched for;
    None where it does not say which, or where that is not this machine."""
    about = target_of(bundle.about)
    try:
        target = find_target(about["spec"])
        if not isinstance(target, TimedTarget) or dict(target.fingerprint()) != about["device"]:
            return None
        there = Deployable(network or bundle.network, signature or bundle.signature, bundle.scaling)
        return target.measure(there, MEASURING).latency.median
    except (AzoraError, KeyError, TypeError):
        return None


def target_of(about: Mapping[str, Any]) -> dict[str, Any]:
    """Spec and device of the target that a model was searched for; empty where there was none."""
    told = about.get("target", about.get("figures", {}).get("target"))
    return {name: told[name] for name in ("spec", "device") if name in told} if isinstance(told, dict) else {}


def _passed_on(network: nn.Module, layer: nn.Module, rows: torch.Tensor) -> bool:
    """Whether the network asks a layer once, and adds what it gives to its outputs."""
    plain, asked = network(rows), 0
    more = max(1.0, float(plain.abs().max()))  # less would be lost in rounding

    def add(module: nn.Module, inputs: tuple[torch.Tensor, ...], given: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked += 1
        return given + more

    hook = layer.register_forward_hook(add)
    try:
        moved = (network(rows) - plain) / more
    finally:
        hook.remove()
    return asked == 1 and torch.allclose(moved, torch.ones_like(moved), atol=1e-3)


def _seen(bundle: Bundle, last: Sequence[nn.Module], x: Array) -> Array:
    """(N, features) what these layers are given."""
    given: dict[nn.Module, list[Array]] = {each: [] for each in last}

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        given[module].append(inputs[0].detach().flatten(1).float().cpu().numpy())

    hooks = [each.register_forward_pre_hook(note) for each in last]
    try:
        outputs(bundle.network, x, bundle.signature, bundle.scaling)
    finally:
        for hook in hooks:
            hook.remove()
    return np.concatenate([np.concatenate(parts) for parts in given.values() if parts], axis=1)


def _scored(signature: Signature, x: Array, y: Array, asked: Array, wanted: Array) -> float:
    """The score on `asked` of ridge regression from rows `x`, solved by their products, which are fewer than those of
    features."""
    targets = np.eye(signature.outputs)[y] if signature.kind == "classification" else y.astype(np.float64)
    mean, spread = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    rows, others = ((each - mean).astype(np.float64) / spread for each in (x, asked))
    weights = np.linalg.solve(rows @ rows.T + PENALTY * np.eye(len(rows)), targets - targets.mean(axis=0))
    return score_of(signature, others @ rows.T @ weights + targets.mean(axis=0), wanted)
