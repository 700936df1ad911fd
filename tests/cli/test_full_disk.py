"""A full disk is told of in one line."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from azora.cli import full_disk
from azora.cli.main import main

full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")


def _writes_bytes() -> int:
    with open("/dev/full", "wb", buffering=0) as file:
        file.write(b"some")
    return 0


def _writes_an_array() -> int:
    with open("/dev/full", "wb") as file:
        np.zeros(100_000).tofile(file)
    return 0


@full
@pytest.mark.parametrize("command", [_writes_bytes, _writes_an_array])
def test_a_command_on_a_full_disk_ends_with_one_line(
    command: Callable[[], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules[main.__module__], "app", lambda words, standalone_mode: command())
    assert main(["search"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith("azora: no space was left on")
    assert "--out" in told and "TMPDIR" in told


def test_the_disk_of_the_named_file_is_told(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "rows.npy"))
    assert f"on the disk of {tmp_path};" in (full_disk.full_disk(error) or "")


def test_the_folder_without_space_is_told_where_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getcwd()
    monkeypatch.setattr(
        full_disk.shutil, "disk_usage", lambda folder: SimpleNamespace(free=0 if folder == here else 2**40)
    )
    assert f"on the disk of {here};" in (full_disk.full_disk(OSError(errno.EDQUOT, "Disk quota exceeded")) or "")


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), ValueError("of 3 requested 0 written")])
def test_other_errors_are_not_of_the_disk(error: Exception) -> None:
    assert full_disk.full_disk(error) is None
