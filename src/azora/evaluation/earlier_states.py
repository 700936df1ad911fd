"""The states of a training at the ends of its last epochs, for when it goes back."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import final

from torch import Tensor

from azora.evaluation.sharing import EARLIER, load_state, save_state


@final
class EarlierStates:
    """States beside the newest one in a training's folder, each in a file of its own; all of them outlast a kill.

    The newest state, which is put down after them, says by `epochs` which of the files belong to it. What a kill left
    beside these, before or after that, is not looked at, and removed by `tidy`.

    Args:
        most: that are kept; the oldest goes first.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most
        self.epochs: list[int] = []

    def __len__(self) -> int:
        return len(self.epochs)

    def add(self, epoch: int, state: dict[str, Tensor]) -> bool:
        """Put down the state after an epoch; whether there was room for it."""
        self.epochs = [*self.epochs, epoch][-self.most :]
        return save_state(state, self.folder, EARLIER.format(epoch))

    def oldest(self) -> dict[str, Tensor] | None:
        """The first that is kept; None where it cannot be read."""
        return load_state(self.folder, EARLIER.format(self.epochs[0]))

    def take_up(self, epochs: Sequence[int]) -> None:
        """Go on with these, as the newest state has them."""
        self.epochs = list(epochs)

    def clear(self) -> None:
        """Go on with none. The files stay until the newest state no longer speaks of them."""
        self.epochs = []

    def tidy(self) -> None:
        """Remove what is not kept; to be called when the newest state is put down."""
        kept = {EARLIER.format(epoch) for epoch in self.epochs}
        for path in self.folder.glob(EARLIER.format("*")):
            if path.name not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()
