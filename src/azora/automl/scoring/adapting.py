"""What it took to fit what was found to something new: another limit, new classes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from azora.automl.scoring.reading import Searched
from azora.export.bundle import ABOUT

SPECIALISED, VERSIONS, HISTORY = "specialised", "model.versions", "history.jsonl"


@final
@dataclass(frozen=True)
class Specialisation:
    """A network that `azora specialise` took out of a search's shared weights.

    Args:
        seconds: until it was there; fine-tuning is not in it.
        kept: its score on validation minus that of the network that the search shipped, signed.
        tuned: epochs of fine-tuning.
    """

    limits: Mapping[str, float]
    seconds: float
    score: float
    kept: float
    tuned: float


@final
@dataclass(frozen=True)
class Extension:
    """A promotion by `azora improve` to data with new classes; scores are mean losses on the new data's test rows, for
    classes the share of errors. The time is nowhere in a model's history."""

    classes: int
    fresh: int
    loss: float
    before: float


def specialisations(searched: Searched) -> list[Specialisation]:
    """In the search's own folder, where `azora specialise` writes unless told otherwise."""
    metric, sign = searched.objective.metric, 1 if searched.objective.maximise else -1
    shipped = searched.result.get(f"validation_{metric}")
    found = []
    for file in sorted(searched.folder.glob(f"{SPECIALISED}/*/{ABOUT}")):
        figures = _read(file).get("figures", {})
        score = figures.get(f"validation_{metric}")
        if score is not None and shipped is not None:
            kept = sign * (score - shipped)
            made = Specialisation(figures["limits"], figures["seconds"], score, kept, figures["tuned_epochs"])
            found.append(made)
    return found


def extensions(searched: Searched) -> list[Extension]:
    """Of the model in the search's folder; what was rolled back since is not among them."""
    folder = searched.folder / VERSIONS
    found: list[tuple[str, Extension]] = []
    for line in _lines(folder / HISTORY):
        if line.get("what") == "rolled back":
            found = [each for each in found if each[0] != line.get("from")]
        elif line.get("what") == "promoted":
            before, after = (_classes(folder / str(line[end])) for end in ("from", "to"))
            if after > before > 0 and "test_loss" in line:  # none is known of one that was interrupted
                made = Extension(after, after - before, line["test_loss"], line["deployed_test_loss"])
                found.append((str(line["to"]), made))
    return [each for _, each in found]


def _classes(folder: Path) -> int:
    return len(_read(folder / ABOUT).get("signature", {}).get("classes", ()))


def _lines(file: Path) -> list[dict[str, Any]]:
    found = []
    with contextlib.suppress(OSError):
        for line in file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # one that a crash cut short
                found.append(json.loads(line))
    return [each for each in found if isinstance(each, dict)]


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
