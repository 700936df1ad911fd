"""Seconds of a budget that are kept for what comes after the last training: the files."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import torch

from azora.machine import keep, processor, recall
from azora.tasks import Signature

FILE, KEPT = "writing", 3  # the last searches count: a first one after an installation compiles what it imports
UNKNOWN = 5.0  # seconds, before there was a search here
SHARE = 0.1  # of a budget, at most


def writing_takes(signature: Signature, made: str = "") -> float:
    """Seconds that writing takes: what it took here the last times, in the median; `made` says what is made beside the
    model folder.

    It is the ONNX file for the most part, whose exporter takes seconds to be imported however small the network.
    """
    seconds = _known(recall(FILE), _key(signature, made))
    return statistics.median(seconds) if seconds else UNKNOWN


def until_writing(budget: float | None, seconds: float) -> float | None:
    """Seconds from the beginning to the end of the last training, so that what is written after it, which takes
    `seconds`, is within `budget` as far as a tenth of it is enough."""
    return None if budget is None else budget - min(seconds, SHARE * budget)


def wrote(seconds: float, signature: Signature, made: str = "") -> None:
    """Remember what writing has taken."""
    known, key = recall(FILE), _key(signature, made)
    keep(FILE, {**known, key: [*_known(known, key), round(max(0.0, seconds), 2)][-KEPT:]})


def _known(known: Mapping[str, Any], key: str) -> list[float]:
    """The seconds that are kept; none, where the file was damaged."""
    found = known.get(key)
    good = isinstance(found, list) and all(isinstance(each, int | float) for each in found)
    return list(found) if found is not None and good else []


def _key(signature: Signature, made: str) -> str:
    return f"{processor()} torch {torch.__version__} {'pictures' if signature.pictures else 'rows'} {made}".rstrip()
