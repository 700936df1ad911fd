"""How much memory this process may still take."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

UNTOLD = 4 * 2**30  # bytes, where the system does not tell
ROOT = Path("/")

# Where control groups are; the second of TOPS where both versions are in use, and memory is usually left to the first.
TOPS, TOP_OF_V1 = ("sys/fs/cgroup", "sys/fs/cgroup/unified"), "sys/fs/cgroup/memory"
# Of a group: its limit, what it has taken, and what of that are pages of files that nobody has read lately.
# They are given up when memory is short, and so are free.
FILES = "memory.max", "memory.current", "inactive_file"
FILES_OF_V1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"


def free_memory(root: Path = ROOT) -> int:
    """Bytes that this process can still be given.

    The machine's, or less, where a container or a batch job limits it: its control group (cgroup, of either version)
    and each that this is part of have limits of their own, beyond which the system kills. 4 GiB where nobody tells.

    Args:
        root: where `proc` and `sys` are; another in tests.
    """
    return max(0, min([_of_machine(root), *_of_groups(root)]))


def _of_machine(root: Path) -> int:
    return _number(root / "proc/meminfo", "MemAvailable:", UNTOLD // 1024) * 1024


def _of_groups(root: Path) -> Iterator[int]:
    """What is left to each group that this process is in, of those that have a limit and tell of it."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        version, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if version == "0":
            for top in TOPS:
                yield from _left_in(_upwards(root / top, path), FILES)
        elif "memory" in controllers.split(","):
            yield from _left_in(_upwards(root / TOP_OF_V1, path), FILES_OF_V1)


def _upwards(top: Path, path: str) -> Iterator[Path]:
    """The folders of a group and of all that it is part of. In a container some of them are not there, and `top` is
    then the container's own."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
    for length in range(len(parts), -1, -1):
        yield top.joinpath(*parts[:length])


def _left_in(folders: Iterable[Path], files: tuple[str, str, str]) -> Iterator[int]:
    limit, taken, inactive = files
    for folder in folders:
        with contextlib.suppress(ValueError):  # no limit ("max"), or none that we may know of
            most, used = int(_text(folder / limit)), int(_text(folder / taken))
            yield most - used + _number(folder / "memory.stat", inactive, 0)


def _number(file: Path, name: str, otherwise: int) -> int:
    """The number after `name` at the beginning of a line."""
    for line in _text(file).splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == name and words[1].isdecimal():
            return int(words[1])
    return otherwise


def _text(file: Path) -> str:
    """What is in a file; nothing, where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
