"""A network that passed its test, written where the deployed one was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from azora.errors import BundleError
from azora.export.bundle import Bundle, write_bundle
from azora.export.onnx import export_onnx
from azora.export.reference import reference_of
from azora.improving.bottlenecks import target_of
from azora.improving.challengers import Challenger
from azora.improving.versions import Versions
from azora.networks.complexity import cost
from azora.report.card import write_card
from azora.tasks import Signature, Split, Task, default_metric, evaluate, interval, score_of
from azora.tasks.array import Array
from azora.training import outputs

SCORES = ("test_", "validation_", "onnx_", "latency_", "final_")
OLD = (
    "reference",
    "boosting",
    "ensemble",
    "baseline",
    "target",
    "front",
    "recalled",
    "deployed",
    "advice",
    "beyond_size",
)  # of the search that found the first network


def promote(
    versions: Versions, bundle: Bundle, task: Task, best: Challenger, network: nn.Module, facts: Mapping[str, Any],
    tested: Split, carried: str | None,
) -> None:  # fmt: skip
    """Write `network` in place of the model of `bundle`, unless there is another one by then.

    Args:
        facts: of its test.
        tested: the rows of the test, of which its figures are.
        carried: the search that it carries on.

    Raises:
        BundleError: there is another one, which is left.
    """
    onnx: Path | None = versions.folder / ".model.onnx"
    judged = outputs(network, tested.x, best.signature, bundle.scaling)
    figures = _figures(bundle.about.get("figures", {}), best, task, judged, tested.y)
    try:
        assert onnx is not None
        figures["onnx_difference"] = export_onnx(network, best.signature, bundle.scaling, onnx, tested.x[:64])
        figures["onnx_bytes"] = onnx.stat().st_size
    except BundleError as error:
        figures["onnx_error"], onnx = str(error), None
    about = bundle.about
    # Rows in memory say nothing of files, and what was said of the model's stays.
    known: dict[str, Any] = {"task": {**_read(about.get("task", {})), **task.about()}}
    known |= {name: about[name] for name in ("values",) if name in about}
    known |= {"target": target} if (target := target_of(about)) else {}  # for the limits that are carried on
    table, own = bundle.scaling.table, numbered(task, task.train, best.signature)
    known |= {
        "figures": figures, "improved": dict(facts), "reference": reference_of(tested.x, judged, best.signature),
        "trained_score": score_of(best.signature, outputs(network, own.x, best.signature, bundle.scaling), own.y),
    }  # fmt: skip
    card = write_card({**figures, "improved": facts}, best.signature, task.digest, len(tested), table and table.table)
    versions.check_still(about)  # what comes before takes seconds
    write_bundle(
        versions.model, network, best.signature, bundle.scaling, space=about["space"],
        architecture=best.architecture.to_json(), facts=known, onnx=onnx, card=card, carried=carried,
    )  # fmt: skip


def numbered(task: Task, split: Split, signature: Signature) -> Split:
    """Rows with their classes numbered as `signature` numbers them."""
    if signature.kind != "classification":
        return split
    places = {name: place for place, name in enumerate(signature.classes)}
    return Split(split.x, np.array([places[name] for name in task.signature.classes])[split.y])


def _read(before: Mapping[str, Any]) -> dict[str, Any]:
    return {"reading": before["reading"]} if "reading" in before else {}


def _figures(before: Mapping[str, Any], best: Challenger, task: Task, answers: Array, y: Array) -> dict[str, Any]:
    """What is to be said of the new network: of the old one only how it was found, and no score."""
    kept = {name: value for name, value in before.items() if name not in OLD and not name.startswith(SCORES)}
    about, metric = cost(best.space, best.architecture), default_metric(best.signature)
    return {
        **kept,
        **{f"test_{name}": value for name, value in evaluate(best.signature, answers, y).items()},
        "test_interval": {"metric": metric, **interval(metric, y, answers)},
        "task": task.name,
        "notes": list(task.notes),
        "architecture": dict(best.architecture),
        "key": best.architecture.key,
        "parameters": about["params"],
        "macs": about["macs"],
        "memory": about["memory"],
    }
