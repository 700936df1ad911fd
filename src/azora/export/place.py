"""A folder put in another's place."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

HERE, EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


def put(part: Path, folder: Path) -> None:
    """Move `part` to `folder`; what was there goes only when its successor is in place.

    Where the system can exchange two names at one stroke (Linux, on most file systems), there is no moment without a
    folder, whoever reads or kills. Elsewhere there is one, between two renames.
    """
    if folder.exists() and exchange(part, folder):
        shutil.rmtree(part, ignore_errors=True)
        return
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old.part")
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def exchange(one: Path, other: Path) -> bool:
    """Give two paths each other's content, at one stroke; False, and nothing done, where the system cannot."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    done: int = rename(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE)
    return done == 0
