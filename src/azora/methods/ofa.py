"""Once-for-All: one training, and networks for many limits without another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from azora.errors import ConfigError
from azora.methods.method import Work
from azora.methods.one_shot import OneShot
from azora.methods.phases import evolution_by_weights, keep_rows, share_weights
from azora.networks.shared_weights import SharedWeights
from azora.space import Space
from azora.strategies import Strategy
from azora.tasks import SearchData, Signature
from azora.training import check_paths, make_paths

# Of one kind of block, so that all networks are slices of the largest; its numbers are what is elastic.
STAGES = {
    "blocks": ("inverted",),
    "widths": ((8, 12, 16, 24), (16, 24, 32, 48), (32, 48, 64, 96)),
    "depths": (1, 2, 3),
    "kernels": (3, 5),
    "expansions": (1, 2, 3, 4),
}


@final
class Ofa(OneShot):
    """Once-for-All (Cai et al., 2020): elastic depth, width, kernel and resolution in one set of weights, which is
    kept.

    Networks are trained by the sandwich rule (Yu et al., 2020): the largest, the smallest and two others a step, the
    first of which teaches the rest; or by progressive shrinking. Small kernels are learned from the centre of large
    ones. The search ends as that of every one-shot method, with a shortlist that is trained by itself; what is kept is
    for `azora specialise`, which takes networks for other limits out of the weights.

    Args:
        paths: "sandwich", "shrinking", or others of `azora.training.PATHS`.
        population: of the evolution.
        epochs: of the shared weights, where there is no clock.
        ema: decay of a moving average of the weights, which then judges; None for no average.
        share, judging, judged, size: as in `OneShot`.

    Raises:
        ConfigError: a setting out of its range.
    """

    name = "ofa"

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
    ) -> None:
        super().__init__(share, judging, judged, size)
        if population < 2 or epochs <= 0 or not 0 <= (ema or 0) < 1:
            raise ConfigError(
                f"population={population} must be at least 2, epochs={epochs} above 0, ema={ema} from 0 to below 1"
            )
        check_paths(paths)
        self.paths, self.population, self.epochs, self.ema = paths, population, float(epochs), ema

    def check(self, space: Space, data: SearchData) -> None:
        SharedWeights(space.root, kernel_transforms=True)

    def space(self, signature: Signature) -> tuple[str, Mapping[str, Any]] | None:
        return ("stages", STAGES) if signature.pictures else None

    def learn(self, work: Work, networks: Space) -> Mapping[str, float] | None:
        keep_rows(work)
        paths = make_paths(self.paths, networks)
        about = {
            "kind": "borrowed",
            "epochs": self.epochs,
            "distils": paths.distils,
            "kernel_transforms": True,
            "recipe": {},
            "ema": self.ema,
        }
        return share_weights(work, about, paths)

    def searcher(self, work: Work, networks: Space) -> Strategy:
        return evolution_by_weights(work, networks, self.population)

    def keeps(self) -> bool:
        return True
