"""A study in a folder: its journal, and the lock that keeps a second search out."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any, final

from azora.errors import StudyError
from azora.space import Space
from azora.study.journal import SqlJournal
from azora.study.looking import check_journal, read_journal
from azora.study.study import Study

JOURNAL, LOCK = "study.db", "study.lock"
BASELINE = "baseline"  # the folder inside of the study that a search is compared with


@final
class StudyFolder:
    """`OUT`, locked for as long as this process works on it. The system releases the lock of a killed process.

    Raises:
        StudyError: it cannot be written, holds a study (without `resume`), holds none (with it), or is in use.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        try:
            self.made = [each for each in (path, *path.parents) if not each.exists()]
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path)
        except OSError as error:
            raise StudyError(f"{path} cannot be written: {error.strerror}") from error
        there = (path / JOURNAL).exists()
        if there:
            self._look(resume)
        if resume and not there:
            self.discard()
            raise StudyError(f"{path} holds no study to resume")

    def study(self, space: Space, about: Mapping[str, Any], started: float) -> Study:
        """The study here; begun with `about` when there is none yet.

        Raises:
            StudyError: the study here was begun with something else; what differs is named.
        """
        # Before its events are read: those of another space cannot be.
        begun = _about(self.path) if (self.path / JOURNAL).exists() else {}
        if begun and (different := [name for name in about if begun.get(name) != about[name]]):
            was = ", ".join(f"{name} {begun.get(name)!r}" for name in different)
            now = ", ".join(f"{name} {about[name]!r}" for name in different)
            raise StudyError(f"{self.path} holds a study with {was}, not {now}; choose another --out")
        study = Study(SqlJournal(self.path / JOURNAL), space, started)
        if study.created is None:
            study.create(about)
        study.open()
        return study

    def _look(self, resume: bool) -> None:
        """Raises StudyError where what is there cannot be gone on with, or is not to be."""
        try:
            if resume:
                check_journal(self.path / JOURNAL)
                return
            about = read_about(self.path)
            raise StudyError(f"{self.path} holds a study ({about}); go on with --resume or choose another --out")
        except StudyError:
            self.release()
            raise

    def judged_anything(self) -> bool:
        """Whether the study here has a judgement; a journal that cannot be read may have."""
        if not (self.path / JOURNAL).exists():
            return False
        with contextlib.suppress(StudyError):
            return any(event["kind"] == "told" for event in read_journal(self.path / JOURNAL))
        return True

    def release(self) -> None:
        """Let others in."""
        with contextlib.suppress(OSError):
            os.close(self._lock)

    def discard(self) -> None:
        """Leave nothing half-written: remove what this process made, where nothing was judged."""
        for name in (LOCK, JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm"):
            with contextlib.suppress(OSError):
                (self.path / name).unlink()
        with contextlib.suppress(OSError):
            for each in self.made:
                each.rmdir()
        self.release()


def remove(path: Path) -> None:
    """Remove the study in a folder, and the folder; where there is none, nothing is done.

    Raises:
        StudyError: a search is running in it, or it cannot be removed.
    """
    if not path.is_dir():
        return
    try:
        lock = _locked(path)
        try:
            rmtree(path)
        finally:
            os.close(lock)
    except OSError as error:
        raise StudyError(f"{path} cannot be removed: {error.strerror}") from error


def claim(path: Path) -> bool:
    """Take a folder for a search, by making its lock file: of several processes one can. False where it has a search
    or was taken.

    Raises:
        StudyError: it cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if (path / JOURNAL).exists():
            return False
        os.close(os.open(path / LOCK, os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        if not path.is_dir():
            raise StudyError(f"{path} cannot be written: it is no folder") from None
        return False
    except OSError as error:
        raise StudyError(f"{path} cannot be written: {error.strerror}") from error
    return True


def _locked(path: Path) -> int:
    """The lock of a folder, held for as long as it is open.

    Raises:
        StudyError: another search has it.
        OSError: it cannot be written.
    """
    lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StudyError(f"another search is running in {path}; wait for it or choose another folder") from error
    return lock


def read_about(path: Path) -> str:
    """What the study in a folder is of, in a few words."""
    about = _about(path)
    return f"task {about.get('task', '?')}, strategy {about.get('strategy', '?')}, seed {about.get('seed', '?')}"


def strategy_of(path: Path) -> str | None:
    """The strategy of the study in a folder; None where there is no study.

    Raises:
        StudyError: its journal cannot be read.
    """
    if not (path / JOURNAL).exists():
        return None
    found = _about(path).get("strategy")
    return None if found is None else str(found)


def _about(path: Path) -> Mapping[str, Any]:
    first = next(iter(read_journal(path / JOURNAL)), {})
    found: Mapping[str, Any] = first.get("about", {})
    return found
