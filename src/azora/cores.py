"""How many cores and CUDA devices this process may use, and how many workers share them."""

from __future__ import annotations

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
