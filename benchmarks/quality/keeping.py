"""What a benchmark measured is kept in files, and is not measured again; what measures time is alone on the machine."""

from __future__ import annotations

import fcntl
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOCK = Path(tempfile.gettempdir()) / "azora-benchmark.lock"


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
