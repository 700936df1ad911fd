"""Python processes that work for this one, and end with it."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys


def start_child(module: str, threads: int = 1) -> tuple[subprocess.Popen[bytes], int]:
    """Start `python -m module FD PARENT` with a pipe to its standard input; also the end to read what it writes to FD.

    It finds the user's modules where the user's program finds them, and is in a session of its own: Ctrl-C is for the
    search, which decides what becomes of the others.

    Raises:
        OSError: the system has no process to give.
    """
    ours, theirs = os.pipe()
    one = str(threads)
    environment = {**os.environ, "OMP_NUM_THREADS": one, "MKL_NUM_THREADS": one, "OPENBLAS_NUM_THREADS": one}
    environment["PYTHONPATH"] = os.pathsep.join([*(path or os.getcwd() for path in sys.path), os.getcwd()])
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs,),
            env=environment,
            start_new_session=True,
        )
    except OSError:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return process, ours


def readable(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read, or the end of it, before so many seconds have passed."""
    poll = select.poll()  # `select.select` knows no descriptors from 1024 on, which a program with many files may get
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


def die_with(parent: int) -> None:
    """Of a child: let the kernel end it with the thread that started it, and so with its parent (on Linux; elsewhere
    the end of input does)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:  # it died before we asked
        os._exit(0)
