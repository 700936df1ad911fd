"""What a model folder must not hold, found out before anything in it is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from azora.errors import BundleError

MOST_ABOUT = 64_000_000  # bytes of model.json: a description is a few thousand
MOST_HEADER = 100_000_000  # bytes of a safetensors header, as its own library has it
ZIP = b"PK\x03\x04"  # torch.save writes zip files, with a pickle in them
PICKLE = b"\x80"  # followed by the protocol's number
PROTOCOLS = range(2, 6)


def check_folder(folder: Path, known: Collection[str]) -> None:
    """Refuse files that are not what they are called, or could run code in the hands of somebody else.

    Args:
        known: names of the files that are read.

    Raises:
        BundleError: a known name is a link to elsewhere or no plain file, or any file is a pickle.
    """
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and path.name in known and not path.resolve().is_relative_to(folder.resolve()):
            raise BundleError(f"{path} is a link to {path.resolve()}, which is not in the model's folder")
        if path.is_file() and _is_pickle(path):
            raise BundleError(f"{path} is a pickle, which can run any code; no model of azora holds one: remove it")
        if path.name in known and not path.is_file():
            raise BundleError(f"{path} is no file")


def check_names(file: Path, hashes: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse a description of files that are none of a model's: one could lie anywhere.

    Raises:
        BundleError: with the first such name.
    """
    if other := sorted(name for name in hashes if name not in known):
        raise BundleError(f"{file} speaks of {other[0][:80]!r}, which is no file of a model")


def check_size(file: Path) -> None:
    """Refuse a description that is too large to be one.

    Raises:
        BundleError: with its size.
    """
    if (size := file.stat().st_size) > MOST_ABOUT:
        raise BundleError(f"{file} has {size:,} bytes, more than any description of a model")


def check_weights(file: Path) -> None:
    """Refuse a safetensors file whose header claims more than is there.

    Raises:
        BundleError: with what it claims.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        claimed = int.from_bytes(opened.read(8), "little")
    if claimed > min(MOST_HEADER, size - 8):
        raise BundleError(f"{file} claims a header of {claimed:,} bytes and has {size:,} in all; it is no whole file")


def _is_pickle(path: Path) -> bool:
    try:
        with path.open("rb") as opened:
            head = opened.read(9)
        size = path.stat().st_size
    except OSError:
        return False
    begins = len(head) > 1 and head[:1] == PICKLE and head[1] in PROTOCOLS
    return head[:4] == ZIP or (begins and not _are_weights(head, size))


def _are_weights(head: bytes, size: int) -> bool:
    """Whether a file begins as weights do: with the length of a header, which may begin as a pickle does, and a brace.
    The zeros in between are no code of a pickle, so it could not be read as one."""
    length = int.from_bytes(head[:8], "little")
    return head[3:] == bytes(5) + b"{" and length <= size - 8
