"""A model as a file for another runtime: written, run, and compared with the model that it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from azora.automl.forms import beyond_size
from azora.automl.setting import find_task
from azora.errors import AzoraError, BundleError, ConfigError
from azora.export import read_bundle
from azora.export.bundle import ABOUT, WEIGHTS, Bundle
from azora.export.data import read_alike, seed_of
from azora.export.executorch import MISSING
from azora.export.formats import FORMATS, Format, Session
from azora.export.onnx import TOLERANCE, check_place
from azora.hardware.measurement import Measurement, measure_calls
from azora.networks.registry import SHIPPED
from azora.scratch import scratch_folder
from azora.settings import closest
from azora.tasks import METRICS, Reading, Task, default_metric, evaluate
from azora.tasks.array import Array
from azora.training import outputs

CALIBRATED = 256  # rows of search-train that ranges are taken from
MOST_ROWS = 4_000  # of search-validation that a file is judged by


@final
@dataclass(frozen=True)
class Shipped:
    """A file that was written, and what was found of it. `within` says whether it is as good as was asked."""

    file: Path
    figures: Mapping[str, Any]
    within: bool


def ship(
    out: Path,
    form: str,
    to: Path | None = None,
    task: Any = None,
    reading: Reading | None = None,
    most_drop: float = 1.0,
) -> Shipped:
    """Write the model in `out` as a file of another form, with a JSON file of facts beside it, and measure it. An
    earlier file of the name stays, with its facts, until the new one has been judged.

    Args:
        to: the file; `model` with the form's ending in the working directory, unless said.
        task: the data that the model was found on; its name is enough for those that need no file. A file is read as it
            was for the search, unless `reading` says otherwise.
        most_drop: points of the metric (hundredths) that eight bits may cost, on the validation split: rows that the
            network has learned in its last training, so that it may be a little more on new ones.

    Raises:
        AzoraError: the form is not known, the data is missing or other data, or the runtime cannot take the network.
    """
    if form not in FORMATS:
        raise ConfigError(f"format {form!r} is not known; {closest(form, FORMATS)}")
    if not most_drop >= 0:
        raise ConfigError(f"--max-drop {most_drop} must be at least 0")
    kind, bundle = FORMATS[form], read_bundle(out if (out / ABOUT).is_file() else out / "model")
    file = to or Path(f"model{kind.suffix}")
    check_place(file)
    found = _data(bundle, task, reading, needed=kind.eight_bits)
    rows = _rows(bundle) if found is None else _some(found.train.x, CALIBRATED)
    try:
        if kind.eight_bits and (name := bundle.about["space"]["name"]) in SHIPPED:
            raise BundleError(f"{bundle.folder} holds no network but {name}, which is not written in eight bits")
        figures = _replace(bundle, kind, file, rows, found, most_drop)
    except OSError as error:
        raise BundleError(f"{file} cannot be written: {error.strerror or error}") from error
    except BundleError as error:
        if kind.eight_bits and MISSING not in str(error):
            raise BundleError(f"{error}; in float32 it may: --format {kind.float_name}") from error
        raise
    return Shipped(file, figures, figures.get("drop", 0.0) <= most_drop)


def _replace(
    bundle: Bundle, kind: Format, file: Path, rows: Array, task: Task | None, most_drop: float
) -> dict[str, Any]:
    """Write a file and its facts beside their places, and put both there once it has been judged."""
    part = file.with_name(f".{os.getpid()}.{file.name}")  # runtimes go by the ending
    facts = part.with_name(f"{part.name}.json")
    try:
        left = kind.write(bundle, part, rows)
        figures = {"file": str(file), **_figures(bundle, kind, part, rows, task, most_drop)}
        figures |= {"float_layers": dict(left)} if kind.eight_bits else {}
        facts.write_text(json.dumps({**_told(bundle), **figures}, indent=1) + "\n", encoding="utf-8")
        part.replace(file)
        facts.replace(file.with_name(f"{file.name}.json"))
    finally:
        part.unlink(missing_ok=True)
        facts.unlink(missing_ok=True)
    return figures


def _data(bundle: Bundle, task: Any, reading: Reading | None, *, needed: bool) -> Task | None:
    """The data of the search; None where nobody says what it is, and it is not needed.

    Raises:
        ConfigError: it is needed and not found, or it is other data than the model was found on.
    """
    about = bundle.about.get("task", {})
    wanted = about.get("name", "") if task is None else task
    try:
        if isinstance(wanted, str | Path):
            found: Task | None = read_alike(bundle.about, wanted, reading or Reading())
        else:
            found = find_task(wanted, seed_of(bundle.about), reading)
    except AzoraError:
        if task is not None:
            raise
        found = None
    if found is not None and found.digest == about.get("sha256"):
        return found
    if task is not None:
        raise ConfigError(f"{found and found.name} is other data than the model in {bundle.folder} was found on")
    if needed:
        raise ConfigError(
            f"eight bits need rows of the data to take ranges from, and the model is of {about.get('name')!r}:"
            " name the data with --task"
        )
    return None


def _rows(bundle: Bundle) -> Array:
    """Made-up rows, where there are no others."""
    rng, scaling, signature = np.random.default_rng(0), bundle.scaling, bundle.signature
    if scaling.table is not None:
        return scaling.table.sample(rng, 64).astype(np.float32)
    tail = (1,) * (len(signature.shape) - 1)
    mean, spread = (np.asarray(each).reshape(-1, *tail) for each in (scaling.mean, scaling.spread))
    made: Array = (rng.normal(size=(64, *signature.shape)) * spread + mean).astype(np.float32)
    return made


def _some(rows: Array, most: int) -> Array:
    """Some of them, in even steps, as numbers that runtimes take."""
    taken: Array = rows[:: max(1, -(-len(rows) // most))].astype(np.float32)
    return taken


def _figures(
    bundle: Bundle, kind: Format, file: Path, rows: Array, task: Task | None, most_drop: float
) -> dict[str, Any]:
    session = kind.open(file)
    difference = _difference(bundle, session, rows[:64])
    if not kind.eight_bits and not difference <= TOLERANCE:
        raise BundleError(f"the file answers differently from the model by {difference:.2g}; it was not kept")
    latency = measure_calls(lambda: session.run(rows[:1]))
    found: dict[str, Any] = {
        "format": kind.name,
        "bytes": file.stat().st_size,
        "difference": difference,
        "latency_ms": round(latency.median, 4),
        "latency_spread": round(latency.spread, 4),
        **_float(bundle, kind, rows),
    }
    if (said := beyond_size(bundle.about.get("figures", {}), kind.name, found["bytes"])) is not None:
        found["beyond_size"] = said
    if task is None:
        return found
    metric = default_metric(bundle.signature)
    step = max(1, -(-len(task.validation) // MOST_ROWS))
    x, y = task.validation.x[::step], task.validation.y[::step]
    ours = outputs(bundle.network, x, bundle.signature, bundle.scaling)
    theirs = session.run(x.astype(np.float32))
    before, after = (evaluate(bundle.signature, each, y, {metric})[metric] for each in (ours, theirs))
    drop = 100 * (before - after) * (1 if METRICS[metric].maximise else -1)
    return {
        **found,
        "metric": metric,
        "validation_rows": len(y),
        "validation_seen": _seen(bundle),
        "validation_float": round(before, 6),
        "validation_file": round(after, 6),
        "drop": round(drop, 4),
        "most_drop": most_drop,
        "within": drop <= most_drop,
    }


def _float(bundle: Bundle, kind: Format, rows: Array) -> dict[str, Any]:
    """What stands beside a file: of eight bits, the same runtime's file in float32, and else the model in torch."""
    if not kind.eight_bits:
        latency = measure_calls(lambda: outputs(bundle.network, rows[:1], bundle.signature, bundle.scaling))
        return {"float_format": "model", **_costs(bundle.folder / WEIGHTS, latency)}
    usual = FORMATS[kind.float_name]
    with scratch_folder() as folder:
        file = folder / f"model{usual.suffix}"
        usual.write(bundle, file, rows)
        session = usual.open(file)
        return {"float_format": usual.name, **_costs(file, measure_calls(lambda: session.run(rows[:1])))}


def _costs(file: Path, latency: Measurement) -> dict[str, Any]:
    return {"float_bytes": file.stat().st_size, "float_latency_ms": round(latency.median, 4)}


def _seen(bundle: Bundle) -> str:
    """What the network had of the validation rows, which the drop is measured on: the test rows have been read, once,
    by the final validation of the float model, and are not asked again."""
    about = bundle.about
    if "improved" in about or "shared" in about.get("figures", {}):
        return "it was chosen by these rows, so the drop may be a little larger on new ones"
    return "it has seen these rows in its last training, so the drop may be a little larger on new ones"


def _difference(bundle: Bundle, session: Session, rows: Array) -> float:
    """The largest difference from torch, of a probability, or of a prediction as a share of the target's spread."""
    ours = outputs(bundle.network, rows, bundle.signature, bundle.scaling)
    scale = 1.0 if bundle.signature.kind == "classification" else max(bundle.scaling.target_spread)
    return float(np.abs(session.run(rows) - ours).max() / scale)


def _told(bundle: Bundle) -> dict[str, Any]:
    """What whoever runs the file must know: it takes raw values, and scales them itself."""
    signature = bundle.signature
    return {
        "input": {"name": "x", "shape": ["batch", *signature.raw_shape], "type": "float32"},
        "black_and_white": list(bundle.values) if signature.pictures else None,
        "output": "probabilities" if signature.kind == "classification" else "prediction",
        "classes": list(signature.classes),
        "task": dict(bundle.about.get("task", {})),
        "key": bundle.about["architecture"].get("key"),
        "azora": bundle.about.get("azora"),
    }
