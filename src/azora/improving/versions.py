"""Every version of a deployed model, and what was decided about each."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from azora.errors import BundleError
from azora.export.bundle import ABOUT, WEIGHTS, WRITES, read_bundle
from azora.export.place import put

HISTORY, LOCK, LOOP, PROMOTING = "history.jsonl", "lock", "loop", "promoting"
MOVES = ("promoted", "rolled back")
MARK = 16  # characters
DAMAGED = "damaged-"


@final
class Versions:
    """`MODEL.versions` beside a model folder: numbered copies of it, and `history.jsonl`, a line for each decision.

    Raises:
        BundleError: there is no model in the folder, and no version of one beside it; or it is a link to a version.
    """

    def __init__(self, model: Path) -> None:
        # By its whole name: a folder is `.` to whoever stands in it. Links stay what they are.
        whole = Path(os.path.abspath(model))
        places = [each for each in (whole, whole / "model") if (each / ABOUT).is_file() or _beside(each).is_dir()]
        if not places:
            raise BundleError(f"{model} holds no model: there is no {ABOUT} in it; {WRITES}")
        self.model = places[0]
        self.folder = _beside(self.model)
        if self.model.resolve().is_relative_to(self.folder.resolve()):
            raise BundleError(
                f"{self.model} is a link into {self.folder.name}, where what is kept would be replaced; make it a copy"
            )

    @contextlib.contextmanager
    def locked(self, name: str = LOCK) -> Iterator[None]:
        """Nobody else decides about this model meanwhile (or, of `LOOP`, looks at it again and again); the system ends
        this with the process.

        Raises:
            BundleError: somebody does, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / name, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise BundleError(f"{self.folder} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            todo = "again and again by another process; end that first" if name == LOOP else "by another process; wait"
            raise BundleError(f"{self.model} is being improved {todo}") from error
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

    @property
    def mark(self) -> str | None:
        """What tells the deployed model from others, in its history too; None where it cannot be read."""
        return _mark(self.model)

    def check_still(self, about: Mapping[str, Any]) -> None:
        """Before anything is put in place of the model whose description `about` is.

        Raises:
            BundleError: it is not there any more; a search, say, has put its own model there.
        """
        if self.mark != mark_of(about):
            raise BundleError(f"{self.model} became another model during this look, and is left; look again")

    def keep(self) -> str:
        """Copy what is deployed; its number, which is an old one where it was kept before. What cannot be read is no
        version: it is moved beside them, and the name that it has there is told."""
        if self._damaged():
            return self._move_aside()
        mark = self.mark
        for number in self.numbers():
            if _mark(self.folder / number) == mark:
                return number
        number = f"{_next(each.name for each in self.folder.glob('[0-9]*')):04d}"
        part = self.folder / f".{number}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(self.model, part)
        part.rename(self.folder / number)
        return number

    def _damaged(self) -> bool:
        """Whether what is deployed cannot be read whole: its description, or its weights."""
        try:
            read_bundle(self.model)
        except BundleError:
            return True
        return False

    def _move_aside(self) -> str:
        there = self.folder.glob(f"{DAMAGED}[0-9]*")
        name = f"{DAMAGED}{_next(each.name.removeprefix(DAMAGED) for each in there):04d}"
        self.folder.mkdir(parents=True, exist_ok=True)
        if (place := self.model.resolve()).exists():
            shutil.move(place, self.folder / name)  # of a link it may be in another file system
        return name

    def standard(self) -> Path:
        """The folder of the version from which on all promotions were by a margin, or of what is deployed: what comes
        next must not be worse than that either, or many small losses would add up."""
        moves = {each.get("to"): each for each in self.history() if each.get("what") == "promoted"}
        mark = self.mark
        number = next((each for each in self.numbers() if _mark(self.folder / each) == mark), None)
        folder = self.model
        while (move := moves.pop(number, {})).get("margin") and (self.folder / move["from"] / ABOUT).is_file():
            number, folder = move["from"], self.folder / move["from"]
        return folder

    @contextlib.contextmanager
    def promoting(self) -> Iterator[str]:
        """Keep what is deployed, and remember until the end that its successor is not looked at yet; its number."""
        before = self.keep()
        part = self.folder / f".{PROMOTING}.part"
        part.write_text(before, encoding="utf-8")
        part.replace(self.folder / PROMOTING)
        yield before
        (self.folder / PROMOTING).unlink()

    @property
    def unsettled(self) -> bool:
        """Whether a promotion did not come to its end."""
        return (self.folder / PROMOTING).is_file()

    def _last(self) -> dict[str, Any]:
        """The last decision; that a look failed is none."""
        return next((each for each in reversed(self.history()) if each.get("what") != "failed"), {})

    def settle(self) -> str | None:
        """Put back what a promotion replaced that did not come to its end; its number, None where there is none, where
        a search has put its own model there since, or where what was replaced cannot be read any more.

        Raises:
            BundleError: neither that nor what is deployed can be read, as where a space of the user's own is not found;
                nothing is changed, and it is for the next one to settle.
        """
        file = self.folder / PROMOTING
        if not self.unsettled:
            return None
        before, last = file.read_text(encoding="utf-8"), self._last()
        noted = last.get("what") == "promoted" and last.get("from") == before
        mark = _mark(self.folder / before)
        if self.mark not in (None, mark) and not _improved(self.model):
            file.unlink()
            return None
        try:
            self._check(before)
        except BundleError as error:
            if self._damaged():
                raise
            if not noted:
                why = f"without a second look: {error}"
                self.note("promoted", {"from": before, "to": self.keep(), "model": mark, "why": why})
            file.unlink()
            return None
        after = self.keep()
        if before != after:
            if not noted:  # before it is put back: its test counts, whatever comes in between
                why = "and interrupted before the second look"
                self.note("promoted", {"from": before, "to": after, "model": mark, "why": why})
            self.deploy(before)
        if before != after or noted:  # or it was put back, and not yet said so
            put_back = after if before != after else last.get("to")
            self.note("rolled back", {"from": put_back, "to": before, "why": "the promotion was interrupted"})
        file.unlink()
        return None if before == after else before

    def numbers(self) -> list[str]:
        """The versions that are kept, the oldest first."""
        found = (each.name for each in self.folder.glob("[0-9]*") if (each / ABOUT).is_file())
        return sorted(filter(str.isdecimal, found), key=int)

    def deploy(self, number: str) -> None:
        """Put a version where the model is, or where a link in its place leads to, whole or not at all.

        Raises:
            BundleError: there is none of that number, or it is damaged.
        """
        self._check(number)
        place = self.model.resolve()
        part = place.with_name(f".{place.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(self.folder / number, part)
        put(part, place)

    def roll_back(self, to: str | None = None, why: str = "asked for") -> str:
        """Deploy the version that the present one was promoted over, or `to`; its number. In place of a model that
        cannot be read comes the newest version that can, which as a rule is the same one whole.

        Raises:
            BundleError: there is none; or a promotion was interrupted that cannot be settled, and `to` is not said.
        """
        try:
            settled = self.settle()
        except BundleError:
            if to is None:
                raise
            settled = None  # another version may be one that can be read
        if to is None and settled is not None:
            return settled
        if to is not None:
            self._check(to)
        damaged = self._damaged()
        if to is None and damaged:
            to = self._newest()
        present = self.keep()
        if to is None:
            # By promotions alone: of one that was put back, what it was put back from is no version to go on with.
            ways = [each for each in self.history() if each.get("what") == "promoted" and each.get("to") == present]
            earlier = [each["from"] for each in ways if "from" in each]
            if not earlier:
                raise BundleError(f"{self.model} has no version before the present one ({present})")
            to = str(earlier[-1])
        if self.unsettled:  # it could not be settled; its test counts all the same
            before, last = (self.folder / PROMOTING).read_text(encoding="utf-8"), self._last()
            if (last.get("what"), last.get("from")) != ("promoted", before):
                facts = {"from": before, "to": present, "model": _mark(self.folder / before)}
                self.note("promoted", {**facts, "why": "and interrupted before the second look"})
        self.deploy(to)
        self.note("rolled back", {"from": present, "to": to, "why": "it could not be read" if damaged else why})
        (self.folder / PROMOTING).unlink(missing_ok=True)
        return to

    def _newest(self) -> str:
        """The version that was deployed last and can be read."""
        moves = [str(each["to"]) for each in self.history() if each.get("what") in MOVES and "to" in each]
        for number in dict.fromkeys([*reversed(moves), *reversed(self.numbers())]):
            with contextlib.suppress(BundleError):
                self._check(number)
                return number
        raise BundleError(f"{self.model} cannot be read, and no version of it is kept that can")

    def _check(self, number: str) -> None:
        if number not in self.numbers():
            there = ", ".join(self.numbers()) or "none"
            raise BundleError(f"{self.model} has no version {number!r}; there is {there}")
        read_bundle(self.folder / number)


def _next(names: Iterable[str]) -> int:
    """The number after those that are among these names; others, such as of a copy of a version, count for nothing."""
    return 1 + max((int(each) for each in names if each.isdecimal()), default=0)


def _beside(model: Path) -> Path:
    return model.with_name(f"{model.name}.versions") if model.name else model / "versions"


def mark_of(about: Any) -> str | None:
    """The start of the SHA-256 of a model's weights, as its description says it; None where that says none."""
    try:
        found = about["sha256"][WEIGHTS]
    except (KeyError, TypeError):
        return None
    return found[:MARK] if isinstance(found, str) else None


def _mark(folder: Path) -> str | None:
    """The same of the model in a folder; None where its description cannot be read."""
    try:
        return mark_of(json.loads((folder / ABOUT).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _improved(folder: Path) -> bool:
    """Whether a model, which can be read, was written by a promotion."""
    return "improved" in json.loads((folder / ABOUT).read_text(encoding="utf-8"))
