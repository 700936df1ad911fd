"""Folders for what is needed only while this process works."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shutil import rmtree

PREFIX, LOCK, INSIDE = "azora-", ".azora-lock", "files"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder in the usual temporary directory that only this user can look into; it is gone in the end.

    A process that is killed leaves its folder, with the copy of the data that may be in it. A lock says who still
    lives, for the system releases that of a killed process: what others left is removed by the next process that makes
    such a folder.
    """
    _sweep_once(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = _lock(folder)
    try:
        (folder / INSIDE).mkdir()
        yield folder / INSIDE
    finally:
        _remove(folder)
        if lock is not None:
            os.close(lock)


def sweep(top: Path) -> None:
    """Remove what killed processes of this user left in `top`.

    Only what has a lock in it is theirs for certain. The little that a process is killed in before that stays.
    """
    with contextlib.suppress(OSError):
        for folder in top.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):  # in use, or another one is removing it
                _remove_if_left(folder)


@cache
def _sweep_once(top: str) -> None:
    sweep(Path(top))


def _remove_if_left(folder: Path) -> None:
    """Raises OSError: somebody holds its lock, or it has none."""
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        return
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    finally:
        os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder for the life of this process; None where the file system knows no locks: then nobody removes it."""
    part = folder / f"{LOCK}.part"
    lock = None
    try:
        lock = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.rename(folder / LOCK)  # held already when others can see it
    except OSError:
        pass
    return lock


def _remove(folder: Path) -> None:
    """The lock is the last to go: what a kill leaves of it now is found by the next."""
    rmtree(folder / INSIDE, ignore_errors=True)
    rmtree(folder, ignore_errors=True)
