"""How many cores this process may use."""

from __future__ import annotations

import joblib


def usable_cores() -> int:
    """The cores that affinity (`taskset`, a batch system) and quotas (containers) leave to this process: 1 or more.

    `os.cpu_count` has those of the whole machine, on which more workers than cores would wait for each other. Counted
    by joblib, which `LOKY_MAX_CPU_COUNT` in the environment limits further.
    """
    return int(joblib.cpu_count())
