"""What to say when a disk is full, which is nobody's fault in azora."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT}
# NumPy, safetensors and SQLite tell of a full disk without its number.
TOLD = ("No space left on device", "Disk quota exceeded", " requested and ", "database or disk is full")
LITTLE = 2**20  # bytes; a disk with less is the full one


def full_disk(error: Exception) -> str | None:
    """One line on the disk that this error is about; None where it is about anything else."""
    if not (isinstance(error, OSError) and error.errno in FULL) and not any(each in str(error) for each in TOLD):
        return None
    where = _place(error)
    named = f"on the disk of {where}" if where else "on a disk that was written to"
    return f"no space was left {named}; free some, or choose other folders with --out and the variable TMPDIR"


def _place(error: Exception) -> Path | None:
    """The folder whose disk is full: that of the file which the error names, or of those that azora writes to."""
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return Path(error.filename).absolute().parent
    for folder in (tempfile.gettempdir(), os.getcwd()):
        with suppress(OSError):
            if shutil.disk_usage(folder).free < LITTLE:
                return Path(folder)
    return None
