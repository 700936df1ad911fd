"""`azora predict` and `azora export`: a model that was found, put to use."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from azora.errors import ConfigError
from azora.settings import closest


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
    scores = signature.kind == "classification" and proba
    writer.writerow(["input", *(signature.classes if scores else ["prediction"])])
    for file in files:
        names, x = model.read(file)
        answers = model.predict_proba(x) if scores else model.predict(x)
        for name, answer in zip(names, answers, strict=True):
            values = [f"{value:.6f}" for value in answer] if scores else [answer]
            writer.writerow([name, *values])
    return 0


def export(
    out: Annotated[Path, typer.Argument(help="The folder that a search wrote, or a model folder.")],
    form: Annotated[str, typer.Option("--format", help="onnx")] = "onnx",
    to: Annotated[Path | None, typer.Option(help="The file to write (default: model.onnx here).")] = None,
) -> int:
    """Write the model as a file for another runtime, checked against torch."""
    from azora.model import Model

    if form != "onnx":
        raise ConfigError(f"format {form!r} is not known; {closest(form, ('onnx',))}")
    target = to or Path("model.onnx")
    difference = Model.load(out).export(target)
    typer.echo(f"{target}: {target.stat().st_size:,} bytes, largest difference from torch {difference:.1e}")
    return 0
