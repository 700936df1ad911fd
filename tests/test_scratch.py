"""Folders for a while: who still works keeps his own, and what the killed left is removed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from azora.scratch import LOCK, scratch_folder, sweep

PROGRAM = """
import sys, time
from azora.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "data").write_text("of the user's")
    print(folder, flush=True)
    sys.stdin.read()
"""


def start(top: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process with a scratch folder, until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(top)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.communicate("")
    assert process.returncode == 0


def test_it_is_the_users_alone_and_gone_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder() as folder:
        (folder / "inner").mkdir()
        (made,) = tmp_path.iterdir()
        assert made.name.startswith("azora-") and stat.S_IMODE(made.stat().st_mode) == 0o700
        assert made in folder.parents
    with pytest.raises(RuntimeError), scratch_folder():
        raise RuntimeError("no such luck")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    living, its = start(tmp_path)
    killed, left = start(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert (left / "data").is_file()
    following, folder = start(tmp_path)
    assert not left.parent.exists()
    assert (its / "data").is_file() and (folder / "data").is_file()
    end(following)
    end(living)
    assert not list(tmp_path.iterdir())


def test_a_removal_that_was_cut_short_is_taken_up_again(tmp_path: Path) -> None:
    killed, left = start(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (left / "data").unlink()
    left.rmdir()  # the lock is the last to go
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_not_known_to_be_ours_stays(tmp_path: Path) -> None:
    """A folder of the user's own, one that another process is just making, a file, and a link to elsewhere."""
    for name in ("azora-worktree", "azora-8ab9f2c1", "mine"):
        (tmp_path / name).mkdir()
    (tmp_path / "azora-worktree" / "paper.tex").write_text("years of work")
    (tmp_path / "azora-8ab9f2c1" / f"{LOCK}.part").touch()
    (tmp_path / "azora-fault.log").touch()
    (tmp_path / "mine" / LOCK).touch()
    (tmp_path / "azora-link").symlink_to(tmp_path / "mine")
    before = sorted(tmp_path.rglob("*"))
    sweep(tmp_path)
    sweep(tmp_path / "nowhere")
    assert sorted(tmp_path.rglob("*")) == before


def test_many_at_once_do_not_take_each_others(tmp_path: Path) -> None:
    started = [start(tmp_path) for _ in range(4)]
    for place, (process, _) in enumerate(started):
        if place % 2:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    following = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        for _ in range(4)
    ]
    assert [process.wait() for process in following] == [0] * 4
    assert all((folder / "data").is_file() == (place % 2 == 0) for place, (_, folder) in enumerate(started))
    for process, _ in started[::2]:
        end(process)
    assert not list(tmp_path.iterdir())
