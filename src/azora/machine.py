"""What is known of this machine for having been measured here before, in the user's cache folder."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any


def recall(name: str) -> dict[str, Any]:
    """The figures kept as `name`; none, where there is no such file or it cannot be read."""
    try:
        known = json.loads((_folder() / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def keep(name: str, known: Mapping[str, Any]) -> None:
    """Keep figures as `name`. What cannot be written is measured again next time, and costs nothing else."""
    file = _folder() / f"{name}.json"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(known, indent=1), encoding="utf-8")
        part.replace(file)
    except OSError:
        return


def processor() -> str:
    """A short name for the kind of processor: the same for two with the same model and instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    wanted = ("model name", "flags")
    told = [line.partition(":")[2] for line in lines if line.startswith(wanted)][:2]
    return sha256(repr(told).encode()).hexdigest()[:12]


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "azora"
