"""What the user gets: the model folder, the report, and the figures."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azora import __version__
from azora.automl.baseline import compared
from azora.automl.boosting import figures as boosting_figures
from azora.automl.carrying import carried_by
from azora.automl.clocked import clock_of
from azora.automl.forms import beyond_size, told_in_eight_bits
from azora.automl.result import Result
from azora.automl.setting import Setting
from azora.automl.winner import Winner
from azora.automl.working import FOLDER
from azora.cores import one_thread, usable_cores
from azora.errors import BundleError, TargetError
from azora.export import OnnxSession, export_onnx, median_ms, read_bundle, write_bundle
from azora.export.reference import reference_of
from azora.fronts import hypervolume, knee
from azora.hardware import Measured
from azora.hardware.profiling import by_kind_of_layer, profile
from azora.networks.complexity import cost
from azora.networks.drawing import to_svg
from azora.report.card import write_card
from azora.report.importance import importance
from azora.report.page import ReportData, TrialRow, write_page
from azora.space import Architecture, Product, Space
from azora.study import Study
from azora.tasks import METRICS, Split, Task, evaluate, interval, resampled, score_of
from azora.tasks.array import Array
from azora.tasks.tables import Table
from azora.training import outputs
from azora.trial import Trial

MOST_POINTS = 4_000


def deliver(
    setting: Setting,
    study: Study,
    best: Trial,
    winner: Winner,
    out: Path,
    given: Mapping[str, Any],
    measured: Measured | None = None,
    reference: Winner | None = None,
) -> tuple[Result, Split]:
    """Judge the winner on the test split, this once, and write everything into `out`.

    Args:
        given: what this session had, and whether it was interrupted: by it another one knows whether to go on.
        measured: the winner on the job's target.
        reference: a fixed network, to stand beside it.

    Returns:
        The result, and the test rows, for the file that is made of the winner.
    """
    task, signature = setting.task, setting.task.signature
    test = task.read_test()
    found = outputs(winner.network, test.x, signature, winner.scaling)
    test_metrics = evaluate(signature, found, test.y)
    # The clock of search and final training stops here; what follows is writing.
    figures = _figures(setting, study, best, winner, study.elapsed) | {"given": dict(given)}
    figures |= _on_target(setting, winner, measured) | boosting_figures(setting, study, best) | dict(winner.facts)
    beside = compared(out, setting.space, study, setting.objectives, setting.job.budget is not None)
    curves = beside.pop("curves", {})
    figures |= {"baseline": beside} if beside else {}
    if setting.method is not None:
        figures |= setting.method.diagnose(out / FOLDER, setting.space, study, setting.objective)
    pairs = figures.get("one_shot", {}).pop("pairs", [])
    figures |= {f"test_{name}": value for name, value in test_metrics.items()}
    metric = setting.objective.metric if setting.objective.metric in METRICS else next(iter(test_metrics))
    figures["test_interval"] = {"metric": metric, **interval(metric, test.y, found)}
    if reference is not None:
        figures["reference"] = _reference(setting, reference, found, test, metric)
    # What ships in place of a network, trees or an ensemble, carries no search on.
    own = winner.space is setting.space
    carried = carried_by(setting, study, winner.architecture) if own else None
    if setting.job.policy is not None and not own:
        figures["notes"].append(f"{winner.space.name} ships, no network: it carries no search, and cannot be improved")
    figures |= _ship(setting, winner, figures, out, carried, _known(setting, winner, test.x, found))
    figures["notes"] += [figures["beyond_size"]] if "beyond_size" in figures else []
    figures["notes"] += told_in_eight_bits(figures, out)
    _write_report(setting, study, winner, found, test.y, figures, curves, pairs, out)
    result = Result(out, figures)
    result.write()
    return result, test


def _figures(setting: Setting, study: Study, best: Trial, winner: Winner, seconds: float) -> dict[str, Any]:
    job, architecture = setting.job, winner.architecture
    about = cost(winner.space, architecture)
    search = [event for event in study.trials if event.report.ok]
    return {
        "task": setting.task.name,
        "notes": list(setting.task.notes),
        "strategy": job.strategy,
        "space": setting.space.name,
        "objective": setting.objective.metric,
        "seed": job.seed,
        "key": architecture.key,
        "architecture": dict(architecture),
        **{
            f"validation_{name}": best.report.metrics[name]
            for name in dict.fromkeys((*METRICS, setting.objective.metric))
            if name in best.report.metrics
        },
        **_front(setting, study),
        **({} if setting.memory is None else setting.memory.figures()),
        "judged": study.judged,
        "trials": len(study.trials),
        "failed": study.failed,
        "seconds": round(seconds, 2),
        "search_seconds": round(sum(trial.report.seconds for trial in search), 2),
        "final_seconds": round(winner.seconds, 2),
        "final_epochs": round(winner.epochs, 2),
        "parameters": about["params"],
        "macs": about["macs"],
        "memory": about["memory"],
        "precision": winner.mode,
        "workers": job.workers,
        "device": job.device,
        "machine": f"{platform.machine()}, {usable_cores()} cores",
        "azora": __version__,
        "python": platform.python_version(),
        "out": str(job.out),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _on_target(setting: Setting, winner: Winner, measured: Measured | None) -> dict[str, Any]:
    """The limits, and what the winner costs on the target: predicted, and where it could be, measured."""
    pricing, limits = setting.pricing, setting.job.limits
    found: dict[str, Any] = {"limits": {limit.quantity: limit.most for limit in limits}} if limits else {}
    if pricing is None:
        return found
    predicted = pricing(winner.architecture)
    target: dict[str, Any] = {
        "spec": pricing.file.spec,
        "device": dict(pricing.file.fingerprint),
        "versions": dict(pricing.file.versions),
        "measured_networks": len(pricing.predictor.rows),
        "predicted_latency_ms": round(predicted["latency"], 4),
        "predicted_bytes": round(predicted["size"]),
    }
    if measured is not None:
        target |= {"latency_ms": round(measured.latency.median, 4), "spread": round(measured.latency.spread, 4)}
        target |= {"bytes": measured.bytes} if measured.bytes else {}
        target |= {} if measured.energy is None else {"energy_mj": round(measured.energy, 4)}
    return {**found, "target": target}


def _front(setting: Setting, study: Study) -> dict[str, Any]:
    """Of a search for several objectives: what no other network beats in all of them, where that front bends most, and
    how much it dominates.

    The reference of the hypervolume is the worst of each objective that was judged.
    """
    objectives = setting.objectives
    if len(objectives) < 2:
        return {}
    front = study.front(objectives)
    judged = [trial.report for trial in study.trials]
    worst = [
        min(score for report in judged if (score := objective.score(report)) > -math.inf) for objective in objectives
    ]
    points = [[objective.score(trial.report) for objective in objectives] for trial in front]
    bend = knee(points)
    return {
        "objectives": [objective.metric for objective in objectives],
        "front": [
            {"key": trial.proposal.architecture.key, "architecture": dict(trial.proposal.architecture)}
            | {objective.metric: trial.report.metrics[objective.metric] for objective in objectives}
            for trial in front
        ],
        "knee": None if bend is None else front[bend].proposal.architecture.key,
        "hypervolume": hypervolume(points, worst),
    }


def _reference(setting: Setting, reference: Winner, found: Array, test: Split, metric: str) -> dict[str, Any]:
    """A fixed network by the same rows, and by how much the winner is better: the middle 95 % over resamples of the
    rows (paired bootstrap)."""
    other = outputs(reference.network, test.x, setting.task.signature, reference.scaling)
    measure, sign = METRICS[metric].measure, 1 if METRICS[metric].maximise else -1

    def gain(rows: Array) -> float:
        return sign * (measure(test.y[rows], found[rows]) - measure(test.y[rows], other[rows]))

    gains = resampled(len(test.y), gain)
    about = cost(reference.space, reference.architecture)
    return {
        "key": reference.architecture.key,
        "architecture": dict(reference.architecture),
        "parameters": about["params"],
        "macs": about["macs"],
        "epochs": round(reference.epochs, 2),
        "seconds": round(reference.seconds, 2),
        "metric": metric,
        f"test_{metric}": measure(test.y, other),
        "gain": sign * (measure(test.y, found) - measure(test.y, other)),
        "gain_low": gains["low"],
        "gain_high": gains["high"],
    }


def _ship(
    setting: Setting,
    winner: Winner,
    figures: Mapping[str, Any],
    out: Path,
    carried: str | None,
    known: Mapping[str, Any],
) -> dict[str, Any]:
    """The model folder; returns what was measured of it. `known` is what new data will be compared with."""
    task, signature = setting.task, setting.task.signature
    sample = setting.data.validation.x[:64]
    file = out / ".model.onnx"
    onnx: Path | None = file
    one = sample[:1]
    measured: dict[str, Any] = {"latency_ms_torch": round(_torch_latency(winner, setting, one), 4)}
    try:
        measured["onnx_difference"] = export_onnx(winner.network, signature, winner.scaling, file, sample)
        session = OnnxSession(file)
        measured["onnx_bytes"] = file.stat().st_size
        # The limit was kept by a draft of another exporter, which is usually the larger file (see `draft_onnx`).
        if (said := beyond_size(figures, "onnx", measured["onnx_bytes"])) is not None:
            measured["beyond_size"] = said
        measured["latency_ms_onnxruntime"] = round(median_ms(lambda: session.run(one)), 4)
    except BundleError as error:
        # A layer of a user's own space that ONNX has no word for, or onnxruntime no kernel, must not cost the network.
        measured["onnx_error"], onnx = str(error), None
        file.unlink(missing_ok=True)
    part = network_part(winner.space, winner.architecture)
    write_bundle(
        out / "model",
        winner.network,
        signature,
        winner.scaling,
        space={name: winner.space_about[name] for name in ("name", "settings")},
        architecture=part,
        facts={
            "task": task.about(),
            **({"values": task.values} if signature.pictures else {}),
            "figures": {**figures, **measured},
            **known,
        },
        onnx=onnx,
        card=write_card({**figures, **measured}, signature, task.digest, task.test_rows, _table(task)),
        carried=carried,
    )
    return measured


def _known(setting: Setting, winner: Winner, x: Array, answers: Array) -> dict[str, Any]:
    """What `azora improve` compares new data with: what the test rows `x` were like, and a score on rows that the
    winner was trained on, which search-validation's are since its last training."""
    signature, learned = setting.task.signature, setting.data.validation
    own = outputs(winner.network, learned.x, signature, winner.scaling)
    return {"reference": reference_of(x, answers, signature), "trained_score": score_of(signature, own, learned.y)}


def _table(task: Task) -> Table | None:
    preparation = task.scaling.table
    return None if preparation is None else preparation.table


def network_part(space: Space, architecture: Architecture) -> dict[str, Any]:
    """The architecture without its recipe: what the bundle must rebuild."""
    root = space.root
    if isinstance(root, Product) and "network" in root.parts:
        return root.project(architecture, "network").to_json()
    return architecture.to_json()


def _layers(out: Path) -> list[tuple[str, float]]:
    """Milliseconds of an answer by kind of layer; of nothing, where the model has no ONNX file."""
    try:
        return by_kind_of_layer(profile(read_bundle(out / "model")))
    except (BundleError, TargetError):
        return []


def _residuals(setting: Setting, found: Array, y: Array) -> list[tuple[float, float]]:
    """True values and answers of a regression with one output, of at most some thousand rows."""
    if setting.task.signature.kind != "regression" or setting.task.signature.outputs != 1:
        return []
    step = -(-len(y) // MOST_POINTS)
    return [(float(true), float(answer)) for true, answer in zip(y[::step, 0], found[::step, 0], strict=True)]


def _torch_latency(winner: Winner, setting: Setting, one: Array) -> float:
    with one_thread():
        return median_ms(lambda: outputs(winner.network, one, setting.task.signature, winner.scaling))


def _rows(study: Study, metric: str) -> list[TrialRow]:
    return [
        TrialRow(
            trial.number,
            trial.proposal.architecture.key,
            trial.proposal.budget,
            trial.report.metrics.get(metric),
            trial.report.seconds,
            trial.at,
            trial.proposal.origin,
            trial.report.error,
        )
        for trial in study.trials
    ]


def _write_report(
    setting: Setting,
    study: Study,
    winner: Winner,
    found: Array,
    y: Array,
    figures: Mapping[str, Any],
    versus: Mapping[str, Any],
    pairs: Sequence[tuple[float, float]],
    out: Path,
) -> None:
    metric = setting.objective.metric
    confusion = None
    classes = setting.task.signature.classes
    if classes and len(classes) <= 30:
        from sklearn.metrics import confusion_matrix

        confusion = confusion_matrix(y, found.argmax(axis=1), labels=range(len(classes))).tolist()
    write_page(
        out / "report.html",
        ReportData(
            figures=figures,
            metric=metric,
            maximise=setting.objective.maximise,
            trials=_rows(study, metric),
            drawing=to_svg(winner.space.graph(winner.architecture)),
            curve=winner.curve,
            confusion=confusion,
            classes=list(classes),
            residuals=_residuals(setting, found, y),
            importance=importance(setting.space, study.trials, setting.objective),
            layers=_layers(out),
            clock=clock_of(study, winner),
            beside=setting.beside,
            versus=versus,
            pairs=pairs,
        ),
    )
