"""Single-path one-shot search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from azora.errors import ConfigError
from azora.methods.method import Work
from azora.methods.one_shot import OneShot
from azora.methods.phases import evolution_by_weights, share_weights
from azora.networks.shared_weights import SharedWeights
from azora.space import Space
from azora.strategies import Strategy
from azora.tasks import SearchData
from azora.training import check_paths, make_paths


@final
class Spos(OneShot):
    """Single-path one-shot search (Guo et al., 2020): weights are trained with another random network each step, then
    evolution judges thousands by them, their batch normalisations measured anew each time.

    The evolution keeps the best for good and crosses half of its children. Limits are kept before anything is judged.

    Args:
        paths: which networks train a step (see `azora.training.PATHS`).
        population: of the evolution.
        epochs: of the shared weights, where there is no clock.
        ema: decay of a moving average of the weights, which then judges; None for no average.
        share, judging, judged, size: as in `OneShot`.

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
    ) -> None:
        super().__init__(share, judging, judged, size)
        if population < 2 or epochs <= 0 or not 0 <= (ema or 0) < 1:
            raise ConfigError(
                f"population={population} must be at least 2, epochs={epochs} above 0, ema={ema} from 0 to below 1"
            )
        check_paths(paths)
        self.paths, self.population, self.epochs, self.ema = paths, population, float(epochs), ema

    def check(self, space: Space, data: SearchData) -> None:
        SharedWeights(space.root)

    def learn(self, work: Work, networks: Space) -> Mapping[str, float] | None:
        paths = make_paths(self.paths, networks)
        about = {
            "kind": "borrowed",
            "epochs": self.epochs,
            "distils": paths.distils,
            "kernel_transforms": False,
            "recipe": {},
            "ema": self.ema,
        }
        return share_weights(work, about, paths)

    def searcher(self, work: Work, networks: Space) -> Strategy:
        return evolution_by_weights(work, networks, self.population)
