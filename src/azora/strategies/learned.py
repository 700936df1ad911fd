"""What a search for strategies has found, in a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azora.errors import ConfigError

MOST_BYTES = 1_000_000


def read_learned(file: Path) -> Mapping[str, Any]:
    """The settings for `Composed` in a file of `azora meta-search`.

    Raises:
        ConfigError: there is no such file, or it is something else.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError("it is too large")
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not isinstance(found.get("settings"), dict):
            raise ValueError("it has no settings")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is no file of azora meta-search: {error}") from error
    settings: Mapping[str, Any] = found["settings"]
    return settings


def digest_of(settings: Mapping[str, Any]) -> str:
    """By which what a file says is known again."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
