"""The other cores' share of a long training: the last one, or that of shared weights.

Threads inside an operation wait for each other hundreds of times a step: on small networks two threads are little
faster than one, and, when anybody else uses a core, fifty times slower. Processes that each take a part of every batch
wait for each other once a step. Gradients go through a file in memory, everything else through pipes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from azora.executors.child import die_with, readable, start_child
from azora.space import Space
from azora.tasks import SearchData
from azora.training.link import Linked, LinkLost

HEAD = "=dI"  # of a message: a number, and how many bytes of a note follow
STEP, LOAD, SUMMED, END = 0.0, -2.0, -3.0, -1.0  # what the leader sends: a rate, or one of these below zero
READY, LOADED, DONE = b"R", b"L", b"G"  # what the others send
STATE, SUMS = "state.safetensors", "gradients"  # files that are exchanged
FEWEST_ROWS = 8  # of a batch for each process: fewer make no mean for a normalisation
PATIENCE = 3.0  # seconds beyond which another process is not waited for
LACKING = OSError, SafetensorError  # a full disk, no process to be had: then there are no others, and one trains alone


@final
class Partners:
    """The leader's side: processes that prepare while the leader trains alone, and join when they are ready.

    The leader needs none of them: where the system lacks what they need, a process or room on the disk, none ever join.

    Args:
        setup: what `Partner` needs to make the same training (see `main`), as JSON.
        count: how many processes, this one included.
        folder: for what is exchanged; on a memory file system if there is one.
        data: what they train on, to be saved where the setup says that it is; None, if it is there.
    """

    rank = 0

    def __init__(self, setup: Mapping[str, Any], count: int, folder: Path, data: SearchData | None = None) -> None:
        self.count, self._folder = count, folder
        self._processes: list[tuple[subprocess.Popen[bytes], int]] = []
        self._shared: list[Tensor] = []
        try:
            if data is not None and count > 1:
                data.save(Path(setup["data"]))
            for rank in range(1, count):
                self._processes.append(_spawn({**setup, "rank": rank, "count": count}))
        except LACKING:
            self.close()
            if data is not None:
                shutil.rmtree(setup["data"], ignore_errors=True)  # the room that the half of it takes is wanted
        self._waiting = set(range(len(self._processes)))

    def join(self, training: Linked) -> Partners | None:
        """This, once all are ready and stand where `training` stands; None until then. Asked before every step."""
        if not self._processes:
            return None
        try:
            for place in list(self._waiting):
                process, answers = self._processes[place]
                if process.poll() is not None:
                    raise LinkLost("a partner ended before it was ready")
                if readable(answers, 0) and os.read(answers, 1) == READY:
                    self._waiting.discard(place)
            if self._waiting:
                return None
            self._open(training)
        except (LinkLost, *LACKING):
            self.close()
            self._clear()
            return None
        return self

    def tell(self, rate: float, note: str = "") -> None:
        with self._closed_when_lost():
            self._send(rate, note)

    def hear(self) -> tuple[float, str] | None:
        return None

    def add(self, parts: list[Tensor]) -> None:
        flat = torch.cat([part.reshape(-1) for part in parts])
        with self._closed_when_lost():
            for _, answers in self._processes:
                _expect(answers, DONE)
            for share in self._shared[1:]:
                flat += share[: len(flat)]
            self._shared[0][: len(flat)].copy_(flat)
            self._send(SUMMED)
        _scatter(flat, parts)

    @contextlib.contextmanager
    def _closed_when_lost(self) -> Iterator[None]:
        """Without one of them, the others are of no use; nor is a process that has missed a step."""
        try:
            yield
        except LinkLost:
            self.close()
            raise

    def close(self) -> None:
        """End the others."""
        for process, answers in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            os.close(answers)
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        self._processes = []

    def _open(self, training: Linked) -> None:
        self._clear()  # an earlier training's, of another size
        save_file(training.state_tensors(), self._folder / STATE)
        _reserve(self._folder / SUMS, training.numbers * self.count)
        self._shared = _shared(self._folder, training.numbers, self.count)
        self._send(LOAD)
        for _, answers in self._processes:
            _expect(answers, LOADED)

    def _clear(self) -> None:
        for name in (STATE, SUMS):
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()

    def _send(self, number: float, note: str = "") -> None:
        words = note.encode()
        message = struct.pack(HEAD, number, len(words)) + words
        for process, _ in self._processes:
            assert process.stdin is not None
            try:
                process.stdin.write(message)
                process.stdin.flush()
            except OSError as error:
                raise LinkLost("a partner is gone") from error


@final
class Partner:
    """The other side, in its own process."""

    def __init__(self, rank: int, count: int, folder: Path, answers: int) -> None:
        self.rank, self.count, self._folder, self._answers = rank, count, folder, answers
        self._shared: list[Tensor] = []

    def follow(self, training: Linked) -> None:
        """Say that all is ready, take up the leader's state, and step with it until it ends."""
        size = training.numbers  # counted before the leader waits
        os.write(self._answers, READY)
        if _receive() != (LOAD, ""):
            return
        training.load_state(load_file(self._folder / STATE))
        self._shared = _shared(self._folder, size, self.count)
        os.write(self._answers, LOADED)
        training.follow(self)

    def tell(self, rate: float, note: str = "") -> None:
        raise LinkLost("only the leader tells")

    def hear(self) -> tuple[float, str] | None:
        heard = _receive()
        return heard if heard is not None and heard[0] >= STEP else None

    def add(self, parts: list[Tensor]) -> None:
        flat = torch.cat([part.reshape(-1) for part in parts])
        self._shared[self.rank][: len(flat)].copy_(flat)
        os.write(self._answers, DONE)
        if _receive() != (SUMMED, ""):
            raise LinkLost("the leader has gone on without this process")
        _scatter(self._shared[0][: len(flat)], parts)


def _spawn(setup: Mapping[str, Any]) -> tuple[subprocess.Popen[bytes], int]:
    process, answers = start_child("azora.executors.partners")
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # one that died at once is noticed when it is asked to join
        process.stdin.write(json.dumps(setup).encode() + b"\n")
        process.stdin.flush()
    return process, answers


def _reserve(file: Path, numbers: int) -> None:
    """Make a file that has its room on the disk. One that is only as long (sparse) is given it when it is written to,
    and where there is none the system then ends the process (SIGBUS)."""
    with open(file, "xb") as made:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(made.fileno(), 0, 4 * numbers)
        else:
            made.write(bytes(4 * numbers))


def _shared(folder: Path, size: int, count: int) -> list[Tensor]:
    """`count` vectors of `size` numbers that all processes see."""
    whole = torch.from_numpy(np.memmap(folder / SUMS, np.float32, "r+", shape=(count, size)))
    return list(whole)


def _scatter(flat: Tensor, parts: list[Tensor]) -> None:
    pieces = torch.split(flat, [part.numel() for part in parts])
    shaped = [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]
    torch._foreach_copy_(parts, shaped)


def _expect(answers: int, wanted: bytes) -> None:
    begun = time.monotonic()
    while not readable(answers, 0.2):
        if time.monotonic() - begun > PATIENCE:
            raise LinkLost(f"a partner has not answered for {PATIENCE:g} s")
    if os.read(answers, 1) != wanted:
        raise LinkLost("a partner is gone")


def _receive() -> tuple[float, str] | None:
    """The leader's next number and its note; None when it has gone."""
    if (head := _read(struct.calcsize(HEAD))) is None:
        return None
    number, length = struct.unpack(HEAD, head)
    note = _read(length)
    return None if note is None else (number, note.decode())


def _read(length: int) -> bytes | None:
    data = b""
    while len(data) < length:
        part = os.read(0, length - len(data))
        if not part:
            return None
        data += part
    return data


def main(arguments: list[str]) -> None:
    """`python -m azora.executors.partners FD PARENT`, with the setup as one JSON line on standard input: `{"space",
    "data", "seed", "precision", "folder", "rank", "count"}`, and `"architecture"` or, of shared weights, `"shared"`
    (see `azora.evaluation.sharing`)."""
    die_with(int(arguments[1]))
    from azora.executors.workplace import joint_space

    line = b""
    while not line.endswith(b"\n"):
        line += os.read(0, 1)
    setup = json.loads(line)
    torch.set_num_threads(1)
    data = SearchData.load(Path(setup["data"]))
    training = _training(setup, joint_space(setup["space"], data.signature), data)
    with contextlib.suppress(LinkLost):
        Partner(setup["rank"], setup["count"], Path(setup["folder"]), int(arguments[0])).follow(training)


def _training(setup: Mapping[str, Any], space: Space, data: SearchData) -> Linked:
    """The leader's training, made once more."""
    if setup.get("shared", {}).get("kind") == "mixed":
        from azora.evaluation.mixing import start_mixing

        return start_mixing(space, data, setup["shared"], setup["seed"], setup["precision"])
    if "shared" in setup:
        from azora.evaluation.sharing import start_sharing

        return start_sharing(space, data, setup["shared"], setup["seed"], setup["precision"])
    from azora.evaluation.trained import start_training

    architecture = space.parse(setup["architecture"])
    return start_training(space, architecture, data, setup["seed"], setup["precision"], "cpu")


if __name__ == "__main__":
    main(sys.argv[1:])
