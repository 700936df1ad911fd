"""Trainings put down, as safetensors files by key."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from azora.space import Architecture
from azora.space.architecture import digest


@final
class Checkpoints:
    """A folder of `KEY-DECISIONS.safetensors`. One that is missing, damaged or half-written is none.

    The decisions are in the name because architectures of one key may be wired differently, and weights are not theirs
    in common.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, architecture: Architecture, state: dict[str, Tensor]) -> None:
        """Replace what is kept of it, at once or not at all. A full disk loses the checkpoint, not the trial."""
        file = self._file(architecture)
        part = file.with_suffix(f".{os.getpid()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(state, part)
            part.replace(file)
        except (OSError, SafetensorError):
            with contextlib.suppress(OSError):
                part.unlink()

    def load(self, architecture: Architecture) -> dict[str, Tensor] | None:
        """What is kept of it, or None."""
        try:
            return load_file(self._file(architecture))
        except (OSError, SafetensorError):
            return None

    def _file(self, architecture: Architecture) -> Path:
        return self.folder / f"{architecture.key}-{digest(dict(architecture), 8)}.safetensors"


def prune(folder: Path, keep: Collection[str], limit: int) -> None:
    """Remove all but those of the keys `keep`, and of them the oldest until all take at most `limit` bytes."""
    kept: list[tuple[float, int, Path]] = []
    for file in folder.glob("*.safetensors"):
        with contextlib.suppress(OSError):  # a worker may be replacing it this very moment
            about = file.stat()
            if file.stem.partition("-")[0] in keep:
                kept.append((about.st_mtime, about.st_size, file))
            else:
                file.unlink()
    total = sum(size for _, size, _ in kept)
    for _, size, file in sorted(kept):
        if total <= limit:
            break
        with contextlib.suppress(OSError):
            file.unlink()
            total -= size
