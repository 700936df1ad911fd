"""Random draws that depend on a seed alone."""

from __future__ import annotations

import torch


def seed_draws(seed: int, device: str) -> None:
    """Set the global generators of the CPU and of `device`, as `torch.manual_seed` does.

    That function formats the stack for each kind of accelerator that there might be, and keeps it: a tenth to a third
    of a millisecond, the deeper the longer, where the training step of a small network takes two on a CPU.
    """
    if torch.device(device).type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
