"""Methods whose networks borrow from one set of weights, and are found by evolution."""

from __future__ import annotations

from collections.abc import Mapping

from azora.errors import ConfigError
from azora.methods.method import Work
from azora.methods.one_shot import OneShot
from azora.methods.phases import evolution_by_weights, share_weights
from azora.networks.shared_weights import SharedWeights
from azora.space import Space
from azora.strategies import Strategy
from azora.tasks import SearchData
from azora.training import check_paths, make_paths


class Borrowing(OneShot):
    """Shared weights trained along paths, evolution that judges by them.

    Args:
        paths: which networks train a step (see `azora.training.PATHS`).
        population: of the evolution.
        epochs: of the shared weights, where there is no clock.
        ema: decay of a moving average of the weights, which then judges; None for no average.
        share, judging, judged, size: as in `OneShot`.

    Raises:
        ConfigError: a setting out of its range.
    """

    kernel_transforms = False

    def __init__(
        self,
        paths: str,
        population: int,
        epochs: float,
        ema: float | None,
        share: float,
        judging: float,
        judged: int,
        size: int,
    ) -> None:
        super().__init__(share, judging, judged, size)
        if population < 2 or epochs <= 0 or not 0 <= (ema or 0) < 1:
            raise ConfigError(
                f"population={population} must be at least 2, epochs={epochs} above 0, ema={ema} from 0 to below 1"
            )
        check_paths(paths)
        self.paths, self.population, self.epochs, self.ema = paths, population, float(epochs), ema

    def check(self, space: Space, data: SearchData) -> None:
        SharedWeights(space.root, kernel_transforms=self.kernel_transforms)

    def learn(self, work: Work, networks: Space) -> Mapping[str, float] | None:
        paths = make_paths(self.paths, networks)
        about = {
            "kind": "borrowed",
            "epochs": self.epochs,
            "distils": paths.distils,
            "kernel_transforms": self.kernel_transforms,
            "recipe": {},
            "ema": self.ema,
        }
        return share_weights(work, about, paths)

    def searcher(self, work: Work, networks: Space) -> Strategy:
        return evolution_by_weights(work, networks, self.population)
