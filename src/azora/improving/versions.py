"""Every version of a deployed model, and what was decided about each."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from azora.errors import BundleError
from azora.export.bundle import ABOUT, read_bundle
from azora.export.place import put

HISTORY, LOCK, PROMOTING = "history.jsonl", "lock", "promoting"


@final
class Versions:
    """`MODEL.versions` beside a model folder: numbered copies of it, and `history.jsonl`, a line for each decision.

    Raises:
        BundleError: there is no model in the folder.
    """

    def __init__(self, model: Path) -> None:
        self.model = model if (model / ABOUT).is_file() else model / "model"
        if not (self.model / ABOUT).is_file():
            raise BundleError(f"{model} holds no model: there is no {ABOUT} in it")
        self.folder = self.model.with_name(f"{self.model.name}.versions")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else decides about this model meanwhile; the system ends this with the process.

        Raises:
            BundleError: somebody does, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise BundleError(f"{self.folder} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise BundleError(f"{self.model} is being improved by another process; wait for it") from error
        try:
            yield
        finally:
            os.close(handle)

    def history(self) -> list[dict[str, Any]]:
        """What was decided, the oldest first; a line that was cut short by a crash is left out."""
        file = self.folder / HISTORY
        if not file.is_file():
            return []
        found = []
        for line in file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [each for each in found if isinstance(each, dict)]

    def note(self, what: str, facts: Mapping[str, Any]) -> None:
        """Add a line to the history."""
        self.folder.mkdir(parents=True, exist_ok=True)
        line = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "what": what, **facts}
        with (self.folder / HISTORY).open("a+b") as file:
            file.seek(max(0, file.tell() - 1))
            cut = file.read() not in (b"", b"\n")  # by a crash: the line after it must not be lost as well
            file.write((b"\n" if cut else b"") + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def keep(self) -> str:
        """Copy what is deployed; its number, which is an old one where it was kept before."""
        mark = _mark(self.model)
        for number in self.numbers():
            if _mark(self.folder / number) == mark:
                return number
        number = f"{1 + int(max(self.numbers(), default='0')):04d}"
        part = self.folder / f".{number}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(self.model, part)
        part.rename(self.folder / number)
        return number

    @contextlib.contextmanager
    def promoting(self) -> Iterator[str]:
        """Keep what is deployed, and remember until the end that its successor is not looked at yet; its number."""
        before = self.keep()
        part = self.folder / f".{PROMOTING}.part"
        part.write_text(before, encoding="utf-8")
        part.replace(self.folder / PROMOTING)
        yield before
        (self.folder / PROMOTING).unlink()

    def settle(self) -> str | None:
        """Put back what a promotion replaced that did not come to its end; its number, None where there is none.

        Raises:
            BundleError: that version is gone or damaged.
        """
        file = self.folder / PROMOTING
        if not file.is_file():
            return None
        before, after, last = file.read_text(encoding="utf-8"), self.keep(), next(iter(self.history()[-1:]), {})
        if before != after:
            self.deploy(before)
            self.note("promoted", {"from": before, "to": after, "why": "and interrupted before the second look"})
            self.note("rolled back", {"from": after, "to": before, "why": "the promotion was interrupted"})
        elif last.get("what") == "promoted" and last.get("from") == before:  # it was put back, and not yet said so
            self.note("rolled back", {"from": last.get("to"), "to": before, "why": "the promotion was interrupted"})
        file.unlink()
        return None if before == after else before

    def numbers(self) -> list[str]:
        """The versions that are kept, the oldest first."""
        return sorted(each.name for each in self.folder.glob("[0-9]*") if (each / ABOUT).is_file())

    def deploy(self, number: str) -> None:
        """Put a version where the model is, whole or not at all.

        Raises:
            BundleError: there is none of that number, or it is damaged.
        """
        source = self.folder / number
        if number not in self.numbers():
            there = ", ".join(self.numbers()) or "none"
            raise BundleError(f"{self.model} has no version {number!r}; there is {there}")
        read_bundle(source)
        part = self.model.with_name(f".{self.model.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part)
        put(part, self.model)

    def roll_back(self, to: str | None = None, why: str = "asked for") -> str:
        """Deploy the version that the present one was promoted over, or `to`; its number.

        Raises:
            BundleError: there is none.
        """
        settled = self.settle()
        if to is None and settled is not None:
            return settled
        present = self.keep()
        if to is None:
            # By promotions alone: of one that was put back, what it was put back from is no version to go on with.
            ways = [each for each in self.history() if each.get("what") == "promoted" and each.get("to") == present]
            earlier = [each["from"] for each in ways if "from" in each]
            if not earlier:
                raise BundleError(f"{self.model} has no version before the present one ({present})")
            to = str(earlier[-1])
        self.deploy(to)
        self.note("rolled back", {"from": present, "to": to, "why": why})
        return to


def _mark(folder: Path) -> str:
    return json.dumps(json.loads((folder / ABOUT).read_text(encoding="utf-8")).get("sha256"), sort_keys=True)
