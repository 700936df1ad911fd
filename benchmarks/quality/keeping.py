"""What a benchmark measured is kept in files, and is not measured again; what measures time is alone on the machine."""

from __future__ import annotations

import fcntl
import gzip
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LOCK = Path(tempfile.gettempdir()) / "azora-benchmark.lock"
EVERY = 60.0  # seconds at least between two words of how much is left


def kept(file: Path, asked: Mapping[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """From the file, or measured and put there at one stroke. `asked` is all that it hangs on, beside the commit.

    Raises:
        SystemExit: what is there was measured with other settings.
    """
    wanted = as_json(asked)
    if file.is_file():
        there: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        refuse_others(file, there["asked"], wanted)
        return there
    found = {"asked": wanted, **measure()}
    write(file, found)
    return found


def refuse_others(where: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises SystemExit: what is there was made with other settings."""
    if other := sorted(name for name, value in wanted.items() if there.get(name) != value):
        raise SystemExit(f"{where} was made with other {', '.join(other)}; name another folder, or remove it")


def made_on(where: Path, runs: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The commits and the processor that runs are of.

    Raises:
        SystemExit: they are of several processors, or of one that is not told.
    """
    every = [run.get("on") or {} for run in runs]
    commits, processors = (sorted({str(on.get(name)) for on in every}) for name in ("commit", "processor"))
    if len(processors) > 1 or "None" in processors:
        raise SystemExit(f"{where} has runs of processors {', '.join(processors)}; move all but those of one aside")
    return {"commits": commits, "processors": processors}


def refuse_elsewhere(files: Iterable[Path], on: Mapping[str, Any]) -> None:
    """Raises SystemExit: a file that is there was made on another processor, or does not tell on which."""
    for file in files:
        if file.is_file():
            made = (json.loads(file.read_text(encoding="utf-8")).get("on") or {}).get("processor")
            if made != on["processor"]:
                told = "does not tell its processor" if made is None else f"was made on {made}"
                raise SystemExit(f"{file} {told}, and this is {on['processor']}; move it aside, and it is made anew")


def refuse_runs_elsewhere(where: Path, runs: Iterable[Mapping[str, Any]], on: Mapping[str, Any]) -> None:
    """Raises SystemExit: a run that is there was made on another processor, or does not tell on which."""
    made = {str((run.get("on") or {}).get("processor")) for run in runs}
    if others := sorted(made - {str(on["processor"])}):
        told = f"runs of processors {', '.join(others)}, and this is {on['processor']}"
        raise SystemExit(f"{where} has {told}; go on there, or move these aside, and they are made anew")


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The lines that were folded away (`fold`) and those of the file, in order; what a kill cut short is none."""
    folded = folded_of(file)
    texts = [gzip.decompress(folded.read_bytes()).decode()] if folded.is_file() else []
    texts += [file.read_text(encoding="utf-8")] if file.is_file() else []
    found = []
    for line in (line for text in texts for line in text.splitlines()):
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


@contextmanager
def appending(file: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """What writes a line at the end of the file, at once. The rest of a line that a kill cut short stays alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    torn = file.is_file() and not file.read_bytes().endswith(b"\n")
    with file.open("a", encoding="utf-8") as opened:
        opened.write("\n" if torn else "")

        def append(line: Mapping[str, Any]) -> None:
            opened.write(json.dumps(line) + "\n")
            opened.flush()

        yield append


def folded_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.gz")


def fold(file: Path) -> None:
    """Move the lines of a file into FILE.gz, which is small enough to be kept with the sources; `lines_of` reads both.
    A file that is kept there is so not changed by runs, which would tell of a changed checkout."""
    if not file.is_file():
        return
    text = "".join(json.dumps(line) + "\n" for line in lines_of(file))
    part = file.with_suffix(".part")
    part.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    part.replace(folded_of(file))
    file.unlink()


class Progress:
    """Says on stderr how many runs are there, and how long the others take if they go on like those of this start.

    Args:
        script: that runs.
        there: runs that were there before.
        left: what each of the others takes, in any unit.
        expected: seconds that all of them take, where that is known before.
    """

    def __init__(self, script: str, there: int, left: Sequence[float], expected: float | None = None) -> None:
        self.script, self.there, self.all = script, there, there + len(left)
        self.left, self.spent = math.fsum(left), 0.0
        self.begun = self.told = time.monotonic()  # after a minute there is something to go by
        self.say(expected)

    def __call__(self, amount: float) -> None:
        """One more is there, which was to take `amount`."""
        self.there, self.left, self.spent = self.there + 1, self.left - amount, self.spent + amount
        now = time.monotonic()
        if now - self.told >= EVERY or self.there == self.all:
            self.told = now
            self.say((now - self.begun) / self.spent * self.left)

    def say(self, seconds: float | None) -> None:
        left = "" if seconds is None else f", about {max(0.0, seconds) / 3600:.1f} hours left"
        print(f"{self.script}: {self.there} of {self.all} are there{left}", file=sys.stderr, flush=True)


def write(file: Path, found: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    part.replace(file)


def as_json(told: Mapping[str, Any]) -> dict[str, Any]:
    """As it is read back."""
    found: dict[str, Any] = json.loads(json.dumps(dict(told)))
    return found


@contextmanager
def alone(script: str) -> Iterator[None]:
    """While this lasts no other benchmark that asks for it goes on here; what goes on already is waited for."""
    with LOCK.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = file.read().strip() or "another benchmark"
            print(f"{script} must be alone on the machine: it waits for {other} to end", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(script)
        file.flush()
        yield
