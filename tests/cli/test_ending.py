"""What ends a command: signals, and what they leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azora.cli.ending import ended_by_signals
from azora.cli.main import main
from azora.cli.searching import interruptible

TESTS = str(Path(__file__).parents[1])


@pytest.fixture(autouse=True)
def _as_python_starts() -> Iterator[None]:
    """A test run may ignore what a shell does not."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_as_an_interrupt_does_and_the_code_says_which(number: int, code: int) -> None:
    with pytest.raises(KeyboardInterrupt), ended_by_signals() as ending:
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert ending.code(130) == code
    assert signal.getsignal(number) is signal.SIG_DFL


def test_another_one_does_not_cut_short_what_the_first_began() -> None:
    with ended_by_signals() as ending:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(5)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        ending.latest -= 60  # but nobody has to wait for ever
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
    assert ending.code(0) == 129


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    with ended_by_signals() as ending:
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(0.01)
    assert ending.code(0) == 0
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_command_of_another_thread_leaves_signals_alone() -> None:
    failed: list[BaseException] = []

    def enter() -> None:
        try:
            with ended_by_signals(), interruptible() as stop:
                assert not stop.is_set()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert not failed


def _is_ended() -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    return 0


def _is_ended_and_makes_the_best_of_it() -> int:
    try:
        return _is_ended()
    except KeyboardInterrupt:
        return 130


def _is_ended_and_cannot_say_so() -> int:
    try:
        return _is_ended()
    except KeyboardInterrupt:
        raise OSError("the terminal is gone") from None


@pytest.mark.parametrize("command", [_is_ended, _is_ended_and_makes_the_best_of_it, _is_ended_and_cannot_say_so])
def test_the_command_lines_exit_code_names_the_signal(
    command: Callable[[], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # By its module, which has the name of its function too.
    monkeypatch.setattr(sys.modules[main.__module__], "app", lambda words, standalone_mode: command())
    assert main(["search"]) == 143
    assert "fault in azora" not in capsys.readouterr().err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """A search whose temporary directory is `tmp` and whose workers do nothing."""
    words = [sys.executable, "-m", "azora", "search", "digits", "--out", str(tmp_path / "out"), "--quiet"]
    words += ["--budget", "100s", "--workers", "1", "--evaluator", "evaluators:sleeps", "--no-memory"]
    path = os.pathsep.join(filter(None, [TESTS, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path / "tmp")}
    started: list[subprocess.Popen[str]] = []

    def start_one() -> subprocess.Popen[str]:
        started.append(subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment))
        return started[-1]

    (tmp_path / "tmp").mkdir()
    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def scratch(top: Path, process: subprocess.Popen[str], other_than: Path | None = None) -> Path:
    """The folder in which a search has put its data."""
    latest = time.monotonic() + 60
    while time.monotonic() < latest:
        assert process.poll() is None
        for found in (top / "tmp").glob("azora-*/files/data/data.json"):
            if found.parents[2] != other_than:
                return found.parents[2]
        time.sleep(0.05)
    raise AssertionError("no data was saved")


def test_a_search_that_is_ended_leaves_nothing_and_one_that_is_killed_not_for_long(
    start: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    killed = start()
    left = scratch(tmp_path, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.is_dir()
    shutil.rmtree(tmp_path / "out")
    ended = start()
    scratch(tmp_path, ended, other_than=left)
    assert not left.exists()
    ended.send_signal(signal.SIGTERM)
    _, said = ended.communicate(timeout=20)
    assert ended.returncode == 143, said
    assert "Traceback" not in said
    assert not list((tmp_path / "tmp").glob("azora-*"))
