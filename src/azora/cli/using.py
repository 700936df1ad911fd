"""`azora predict` and `azora export`: a model that was found, put to use."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from azora.errors import TaskError

TaskWord = Annotated[
    str | None,
    typer.Option(help="The data that the model was found on: needed for eight bits, unless it needs no file."),
]


def predict(
    out: Annotated[Path, typer.Argument(help="The folder that a search wrote, or a model folder.")],
    files: Annotated[list[Path], typer.Argument(help="Pictures, .csv or .npz files.")],
    proba: Annotated[bool, typer.Option("--proba", help="Print every class's probability.")] = False,
    runtime: Annotated[str, typer.Option(help="torch or onnxruntime.")] = "torch",
) -> int:
    """Predict for files: one line of CSV per picture or row."""
    from azora.model import Model

    model = Model.load(out, runtime=runtime)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    signature = model.signature
    if proba and signature.kind != "classification":
        raise TaskError(f"--proba is for classifiers; {out} predicts numbers")
    several = [f"prediction_{place}" for place in range(signature.outputs)] if signature.outputs > 1 else ["prediction"]
    alone = several if signature.kind == "regression" else ["prediction"]
    writer.writerow(["input", *(signature.classes if proba else alone)])
    for file in files:
        names, x = model.read(file)
        answers = model.predict_proba(x) if proba else model.predict(x)
        for name, answer in zip(names, answers, strict=True):
            several = [f"{value:.6f}" for value in answer] if proba else list(answer) if len(alone) > 1 else [answer]
            writer.writerow([name, *several])
    return 0


def export(
    out: Annotated[Path, typer.Argument(help="The folder that a search wrote, or a model folder.")],
    form: Annotated[
        str, typer.Option("--format", help="onnx, onnx-int8, executorch, executorch-int8 or torch.")
    ] = "onnx",
    to: Annotated[
        Path | None, typer.Option(help="The file to write (default: model.onnx, model.int8.onnx … here).")
    ] = None,
    task: TaskWord = None,
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of a CSV: the column that it predicts.")] = None,
    max_drop: Annotated[
        float, typer.Option(help="Points of accuracy that eight bits may cost; more: exit code 1.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Write the model as a file for another runtime, run it there, and compare it with the model."""
    from azora.automl.shipping import ship
    from azora.cores import one_thread
    from azora.tasks import Reading

    with one_thread():
        made = ship(out, form, to, task, Reading.of({"label": label}), max_drop)
    if as_json:
        typer.echo(json.dumps(made.figures))
    else:
        typer.echo("\n".join(_lines(made.file, made.figures)))
    if not made.within:
        sys.stderr.write(
            f"azora: {made.file} costs {made.figures['drop']:.2f} points, more than --max-drop {max_drop:g}; it is kept"
            f" for you to judge, and {made.file.name}.json says so\n"
        )
    return 0 if made.within else 1


def _lines(file: Path, figures: Mapping[str, Any]) -> Iterator[str]:
    beside = "the model in torch" if figures["float_format"] == "model" else f"as {figures['float_format']}"
    yield f"{file}: largest difference from torch {figures['difference']:.1e}"
    yield f"{'size':<18}{figures['bytes']:,} bytes, {beside} {figures['float_bytes']:,}"
    yield (
        f"{'latency':<18}{figures['latency_ms']:.4g} ms for one input on one thread of this machine, {beside}"
        f" {figures['float_latency_ms']:.4g} ms"
    )
    if left := figures.get("float_layers"):
        told = ", ".join(f"{kind} ({count})" for kind, count in sorted(left.items()))
        yield f"{'still in float32':<18}{told}; --format {figures['float_format']} has all layers in float32"
    if "metric" in figures:
        yield (
            f"{figures['metric']:<18}{figures['validation_file']:.4f} on {figures['validation_rows']:,} rows of the"
            f" validation split, the model {figures['validation_float']:.4f}: {figures['drop']:+.2f} points lost"
        )
        yield f"{'of these rows':<18}{figures['validation_seen']}"
    yield f"{'facts':<18}{file}.json"


def profile(
    out: Annotated[Path, typer.Argument(help="The folder that a search wrote, or a model folder.")],
    target: Annotated[str, typer.Option(help="onnxruntime:threads=1,precision=int8, torch-cpu …")] = "onnxruntime",
    top: Annotated[int, typer.Option(help="How many layers to list, the longest first.")] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Show where an answer's time goes, layer by layer."""
    from azora.export import read_bundle
    from azora.export.bundle import ABOUT
    from azora.hardware import find_target
    from azora.hardware.profiling import by_kind_of_layer, profile

    times = profile(read_bundle(out if (out / ABOUT).is_file() else out / "model"), target)
    kinds = by_kind_of_layer(times)
    whole = sum(each.ms for each in times)
    if as_json:
        layers = [vars(each) for each in times]
        typer.echo(json.dumps({"target": target, "ms": whole, "layers": layers, "kinds": dict(kinds)}))
        return 0
    typer.echo(f"{whole:.4g} ms in {len(times)} layers on {find_target(target).spec}\n")
    for kind, ms in kinds:
        share = ms / (whole or 1.0)  # a runtime's clock may be too coarse for a small network
        typer.echo(f"{kind:<40} {ms:9.4f} ms {share:6.1%} {'█' * round(30 * share)}")
    typer.echo("")
    for each in sorted(times, key=lambda each: -each.ms)[:top]:
        typer.echo(f"{each.name[:40]:<40} {each.ms:9.4f} ms {each.share:6.1%} {each.kind}")
    return 0
