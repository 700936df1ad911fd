"""Evaluators that behave in every way one can, by `proposal.architecture["width"]`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

from azora.trial import Proposal


def well(proposal: Proposal) -> dict[str, float]:
    """Finishes at once."""
    return {"accuracy": proposal.architecture["width"] / 100, "loss": 0.5}


def raises(proposal: Proposal) -> dict[str, float]:
    raise ValueError("no such luck\nand a second line")


def not_a_number(proposal: Proposal) -> dict[str, float]:
    return {"accuracy": float("nan")}


def says_nothing(proposal: Proposal) -> dict[str, float]:
    return {}


def exits(proposal: Proposal) -> dict[str, float]:
    raise SystemExit(4)


def exits_hard(proposal: Proposal) -> dict[str, float]:
    os._exit(3)


def is_killed(proposal: Proposal) -> dict[str, float]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def is_killed_without_a_name(proposal: Proposal) -> dict[str, float]:
    os.kill(os.getpid(), 40)
    return {}


def forks_and_is_killed(proposal: Proposal) -> dict[str, float]:
    """What it leaves behind holds all its pipes open."""
    if os.fork() == 0:
        time.sleep(3600)
        os._exit(0)
    return is_killed(proposal)


def writes_everywhere(proposal: Proposal) -> dict[str, float]:
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"what is this\n")
    return {"accuracy": 0.5}


def reads(proposal: Proposal) -> dict[str, float]:
    """By itself, and by a program that it starts."""
    found = subprocess.run(["cat"], stdout=subprocess.PIPE, timeout=20, check=True).stdout
    with contextlib.suppress(EOFError):
        found += input().encode()
    return {"accuracy": 0.5, "bytes": float(len(found))}


def sleeps(proposal: Proposal) -> dict[str, float]:
    time.sleep(3600)
    return {}


def hoards(proposal: Proposal) -> dict[str, float]:
    held = []
    while True:
        held.append(bytearray(b"x") * 50_000_000)


def chats(proposal: Proposal) -> dict[str, float]:
    print('{"report": "this is not one"}')
    os.write(1, b"nor is this\n")
    return {"accuracy": 0.5}


def changes(proposal: Proposal) -> dict[str, float]:
    """Good and bad by turns, so that a search meets both."""
    turn = proposal.architecture["width"] % 5
    if turn == 1:
        return raises(proposal)
    if turn == 2:
        return exits_hard(proposal)
    return well(proposal)
