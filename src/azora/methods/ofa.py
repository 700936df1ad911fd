"""Once-for-All: one training, and networks for many limits without another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from azora.methods.borrowing import Borrowing
from azora.methods.method import Work
from azora.methods.phases import KEPT_ROWS, keep_rows
from azora.space import Space
from azora.tasks import Signature
from azora.training.fit_shared import RECALIBRATION_ROWS

# Of one kind of block, so that all networks are slices of the largest; its numbers are what is elastic.
STAGES = {
    "blocks": ("inverted",),
    "widths": ((8, 12, 16, 24), (16, 24, 32, 48), (32, 48, 64, 96)),
    "depths": (1, 2, 3),
    "kernels": (3, 5),
    "expansions": (1, 2, 3, 4),
}


@final
class Ofa(Borrowing):
    """Once-for-All (Cai et al., 2020): elastic depth, width, kernel and resolution in one set of weights, which is
    kept.

    Networks are trained by the sandwich rule (Yu et al., 2020): the largest, the smallest and two others a step, the
    first of which teaches the rest; or by progressive shrinking. Small kernels are learned from the centre of large
    ones. The search ends as that of every one-shot method, with a shortlist that is trained by itself; what is kept is
    for `azora specialise`, which takes networks for other limits out of the weights.

    Args: those of `Borrowing`; `paths` is "sandwich", "shrinking", or others.

    Raises:
        ConfigError: a setting out of its range.
    """

    name = "ofa"
    kernel_transforms = True

    def __init__(
        self,
        paths: str = "sandwich",
        population: int = 50,
        epochs: float = 20.0,
        ema: float | None = None,
        share: float = 0.5,
        judging: float = 0.15,
        judged: int = 1000,
        size: int = 12,
        calibration: int = 1,
        quantity: str | None = None,
        bins: int | None = None,
        order: Sequence[str] | None = None,
        random_networks: int | None = None,
    ) -> None:
        beside = (quantity, bins, order, random_networks)
        super().__init__(paths, population, epochs, ema, share, judging, judged, size, calibration, *beside)

    def space(self, signature: Signature) -> tuple[str, Mapping[str, Any]] | None:
        return ("stages", STAGES) if signature.pictures else None

    def learn(self, work: Work, networks: Space) -> Mapping[str, float] | None:
        keep_rows(work, max(KEPT_ROWS, self.calibration * RECALIBRATION_ROWS))
        return super().learn(work, networks)

    def keeps(self) -> bool:
        return True
