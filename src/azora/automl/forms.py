"""The file that a target runs, and the limit of its size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azora.errors import TargetError
from azora.hardware import find_target
from azora.hardware.files import TargetFile, is_file_name
from azora.trial import REWARD, Limit

INT8 = "-int8"  # the end of a form's name
FORMS = {"torch-cpu": "torch", "cuda": "torch", "onnxruntime": "onnx", "executorch": "executorch"}


def form_of(target: str | None) -> str:
    """The form of file that a target runs; ONNX, where there is none.

    Raises:
        TargetError: a class of the user's own, of which nobody knows.
    """
    if target is None:
        return "onnx"
    spec = spec_of(target)
    if (form := form_of_spec(spec)) is None:
        raise TargetError(f"nothing is known of the files that {spec} runs; use azora search, and azora export")
    return form


def spec_of(target: str) -> str:
    """The whole name of a target, or of the one that a predictor's file is of."""
    return TargetFile.load(Path(target)).spec if is_file_name(target) else find_target(target).spec


def form_of_spec(spec: str) -> str | None:
    """The same by the target's `spec`; None, where nobody knows."""
    name = spec.partition(":")[0]
    if name == "command":
        return "executorch" if "{pte}" in spec else "onnx"
    return FORMS[name] + (INT8 if "precision=int8" in spec else "") if name in FORMS else None


def beyond_size(figures: Mapping[str, Any], form: str, size: int) -> str | None:
    """A line for the reader, where a file of this form is the one that a search's target runs, and larger than the
    search's limit of size; else None.

    Args:
        figures: of the search, with its `limits` and `target`.
        size: the file's, in bytes.
    """
    most = figures.get("limits", {}).get("size")
    if most is None or size <= most or figures.get("objective") == REWARD:  # a reward aims at its limit
        return None
    if form_of_spec(figures.get("target", {}).get("spec", "")) != form:
        return None
    return f"the file that ships has {size:,} bytes, {size / most - 1:.1%} beyond the limit {Limit('size', most)}"


def told_in_eight_bits(figures: Mapping[str, Any], out: Path, rows: str = "test") -> list[str]:
    """A note where the target runs other files than what is delivered.

    Args:
        figures: with their `target`.
        out: the model's folder, or the search's.
        rows: what the figures are of.
    """
    form = form_of_spec(figures.get("target", {}).get("spec", "")) or ""
    if not form.endswith(INT8):
        return []
    return [
        f"networks were measured in eight bits; model.onnx and the {rows} figures are of the network in float32, and"
        f" azora export {out} --format {form} writes the other file"
    ]
