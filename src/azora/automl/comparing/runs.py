"""One system with one seed: an `azora search` in a process of its own, in a study folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, final

from azora.automl.comparing.systems import System
from azora.errors import StudyError
from azora.study.folder import JOURNAL, remove

MISTAKE = 2  # the exit code of what the user can mend
RESULT = "result.json"
AGAIN, PATIENCE = 0.3, 20.0  # seconds between interrupts, and until a search that hears none is killed
STARTING = 5.0  # seconds that a process may need until it knows what an interrupt is
DETAIL = 300  # letters of a reason that are kept


class RefusedError(StudyError):
    """A search refused its words and left no study."""


@final
@dataclass(frozen=True)
class Record:
    """What is known of a run beside its study, in a file beside its folder.

    Args:
        command: its words, after `azora`.
        sessions: of what its folder holds; one, and none where it was refused. Wall and processor seconds (None for one
            that was killed with the whole comparison, or not yet over), the machine's load (mean of a minute) before
            and after it, and its exit code.
        error: why it has no result.
    """

    system: str
    seed: int
    command: Sequence[str]
    sessions: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    error: str | None = None

    @classmethod
    def read(cls, file: Path) -> Record | None:
        """None where there is none, or a damaged one."""
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Whole or not at all."""
        part = file.with_name(f".{file.name}.part")
        part.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        part.replace(file)


@final
@dataclass(frozen=True)
class Run:
    """A run, finished or not.

    Args:
        words: of the command, without where it goes.
        folder: of its study.
    """

    system: System
    seed: int
    words: Sequence[str]
    folder: Path

    @property
    def file(self) -> Path:
        """Where its record is."""
        return self.folder.with_name(f"{self.folder.name}.json")

    def figures(self) -> dict[str, Any] | None:
        """Its result, once it is finished: one that was interrupted has had less time than the others."""
        record = Record.read(self.file)
        last = record.sessions[-1] if record is not None and record.sessions else None
        # One that outlived a comparison that was killed has gone to its own end.
        if last is None or (last["exit"] != 0 and last["wall"] is not None):
            return None
        try:
            found: dict[str, Any] = json.loads((self.folder / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found

    def command(self) -> list[str]:
        """The words after `azora`."""
        return ["search", *self.words, "--out", str(self.folder)]

    def go(self) -> str | None:
        """Do it, from its beginning; the reason where that failed. What an earlier call began and did not finish is
        removed: a search that goes on would start twice in its time, so it would not be equal to the others; and where
        every network had failed, it would fail again at once.

        Raises:
            RefusedError: the search refused it, for a reason that the user can mend, and left no study.
            StudyError: what is in its folder is no run's, or still going on.
            KeyboardInterrupt: once the search has ended too.
        """
        self._clear()
        command = self.command()
        load = _load()
        open_ = {"wall": None, "processor": None, "load": [load, None], "exit": None}
        record = Record(self.system.name, self.seed, command, [open_])
        record.write(self.file)
        begun, spent = time.monotonic(), _processor()
        code, said = None, ""
        try:
            code, said = run_command([sys.executable, "-m", "azora", *command])
        finally:
            session = {
                "wall": round(time.monotonic() - begun, 2),
                "processor": round(_processor() - spent, 2),
                "load": [load, _load()],
                "exit": code,
            }
            # What failed once it had begun is the run's own failure, and none of the user's words.
            refused = code == MISTAKE and not (self.folder / JOURNAL).is_file()
            error = _reason(code, said)
            replace(record, sessions=[] if refused else [session], error=error).write(self.file)
        if refused:
            why = said.removeprefix("azora: ").rstrip(".")
            raise RefusedError(f"{self.system.name} with seed {self.seed}: {why}; or leave it out by --systems")
        return error

    def _clear(self) -> None:
        """Make room for it. Raises StudyError where there is a study that no comparison has begun, or that goes on."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if Record.read(self.file) is not None:
            remove(self.folder)
        elif (self.folder / JOURNAL).is_file():
            raise StudyError(f"{self.folder} holds a study that no comparison has begun; choose another --out")


def run_command(command: Sequence[str]) -> tuple[int, str]:
    """The exit code, and the last line of what it complained of. Ctrl-C does not reach it: when it reaches us, it is
    told to stop at once, which keeps its journal and leaves no result."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True
    )
    begun = time.monotonic()
    try:
        said = process.communicate()[1]
    except BaseException:
        end(process, max(0.0, STARTING - (time.monotonic() - begun)))
        raise
    lines = [line for line in said.splitlines() if line.strip()]
    return process.returncode, lines[-1][:DETAIL] if lines else ""


def end(process: subprocess.Popen[str], starting: float = 0.0) -> None:
    """Interrupt a search until it ends; kill it, if it does not."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(starting)  # one that is just beginning has no ears yet
    # One interrupt is a wish for an early result, which nobody wants here; and two that come together are one.
    late = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < late:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(AGAIN)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _reason(code: int | None, said: str) -> str | None:
    """Why there is no result; None where there is one."""
    if code == 0:
        return None
    return said or ("interrupted" if code is None else f"exit code {code}")


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _processor() -> float:
    """Seconds that all ended children, and theirs, have had of a processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
