"""How many cores and CUDA devices this process may use, how many workers share them, and torch's threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import joblib

DEVICE_SHARE = 2 * 2**30  # bytes of a CUDA device for each worker: what torch loads there takes a part of them


def usable_cores() -> int:
    """The cores that affinity (`taskset`, a batch system) and quotas (containers) leave to this process: 1 or more.

    `os.cpu_count` has those of the whole machine, on which more workers than cores would wait for each other. Counted
    by joblib, which `LOKY_MAX_CPU_COUNT` in the environment limits further.
    """
    return int(joblib.cpu_count())


def cuda_devices() -> int:
    """The CUDA devices that torch finds."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def usable_workers(device: str) -> int:
    """Workers that train side by side on `device`: one a core. Networks of a search are small, and keep a CUDA device
    busy together alone; there, no more than its memory holds at `DEVICE_SHARE` bytes each."""
    cores, place = usable_cores(), int(device.partition(":")[2] or 0)
    if device == "cpu" or place >= cuda_devices():  # what is not there is refused later
        return cores
    import torch

    return max(1, min(cores, torch.cuda.get_device_properties(place).total_memory // DEVICE_SHARE))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """So many torch threads in this process."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_thread() -> AbstractContextManager[None]:
    """One torch thread in this process, as in every worker: what is measured here must hold there, and threads that
    wait for each other inside an operation come to a standstill when workers have the cores."""
    return torch_threads(1)
