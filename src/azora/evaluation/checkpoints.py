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


@final
class Checkpoints:
    """A folder of `KEY.safetensors`. One that is missing, damaged or half-written is none: training starts anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, key: str, state: dict[str, Tensor]) -> None:
        """Replace what is kept under `key`, at once or not at all. A full disk loses the checkpoint, not the trial."""
        part = self.folder / f"{key}.{os.getpid()}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(state, part)
            part.replace(self.folder / f"{key}.safetensors")
        except (OSError, SafetensorError):
            with contextlib.suppress(OSError):
                part.unlink()

    def load(self, key: str) -> dict[str, Tensor] | None:
        """What is kept under `key`, or None."""
        try:
            return load_file(self.folder / f"{key}.safetensors")
        except (OSError, SafetensorError):
            return None


def prune(folder: Path, keep: Collection[str], limit: int) -> None:
    """Remove all but those of `keep`, and of them the oldest until they take no more than `limit` bytes together."""
    kept: list[tuple[float, int, Path]] = []
    for file in folder.glob("*.safetensors"):
        with contextlib.suppress(OSError):  # a worker may be replacing it this very moment
            about = file.stat()
            if file.stem in keep:
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
