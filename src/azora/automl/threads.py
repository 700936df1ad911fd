"""How many threads torch has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """So many torch threads in this process."""
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
