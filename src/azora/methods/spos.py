"""Single-path one-shot search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from azora.methods.borrowing import Borrowing


@final
class Spos(Borrowing):
    """Single-path one-shot search (Guo et al., 2020): weights are trained with another random network each step, then
    evolution judges by them as many as the phase has time for (a hundred or two in a search of minutes, a thousand at
    most by default), their batch normalisations measured anew each time.

    The evolution keeps the best for good and crosses half of its children. Limits are kept before anything is judged.

    Args: those of `Borrowing`.

    Raises:
        ConfigError: a setting out of its range.
    """

    name = "spos"

    def __init__(
        self,
        paths: str = "uniform",
        population: int = 50,
        epochs: float = 20.0,
        ema: float | None = None,
        share: float = 0.45,
        judging: float = 0.15,
        judged: int = 1000,
        size: int = 16,
        calibration: int = 1,
        quantity: str | None = None,
        bins: int | None = None,
        order: Sequence[str] | None = None,
        random_networks: int | None = None,
    ) -> None:
        beside = (quantity, bins, order, random_networks)
        super().__init__(paths, population, epochs, ema, share, judging, judged, size, calibration, *beside)
