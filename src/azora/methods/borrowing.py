"""Methods whose networks borrow from one set of weights, and are found by evolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from azora.errors import ConfigError
from azora.methods.method import Work
from azora.methods.one_shot import OneShot
from azora.methods.phases import evolution_by_weights, share_weights
from azora.networks.shared_weights import SharedWeights
from azora.settings import check_finite, check_whole
from azora.space import Space
from azora.strategies import Strategy
from azora.tasks import SearchData
from azora.training import Paths, check_paths, make_paths
from azora.training.paths import StrictlyFair


class Borrowing(OneShot):
    """Shared weights trained along paths, evolution that judges by them.

    Args:
        paths: which networks train a step (see `azora.training.PATHS`).
        population: of the evolution.
        epochs: of the shared weights, where there is no clock.
        ema: decay of a moving average of the weights, which then judges; None for no average.
        share, judging, judged, size, calibration: as in `OneShot`.
        quantity, bins, order, random_networks: settings of the paths that have them (`binned`, `shrinking` and
            `sandwich`: see `azora.training.paths`); None is their default.

    Raises:
        ConfigError: a setting out of its range, or one that the paths do not have.
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
        calibration: int,
        quantity: str | None,
        bins: int | None,
        order: Sequence[str] | None,
        random_networks: int | None,
    ) -> None:
        super().__init__(share, judging, judged, size, calibration)
        check_whole(2, population=population)
        check_finite(epochs=epochs, ema=0.0 if ema is None else ema)
        if epochs <= 0 or not 0 <= (ema or 0) < 1:
            raise ConfigError(f"epochs={epochs} must be above 0 and ema={ema} from 0 to below 1")
        self.paths, self.population, self.epochs, self.ema = paths, population, float(epochs), ema
        self.quantity, self.bins, self.order, self.random_networks = quantity, bins, order, random_networks
        check_paths(paths, path_settings(self))

    def check(self, space: Space, data: SearchData) -> None:
        SharedWeights(space.root, kernel_transforms=self.kernel_transforms)
        make_paths(self.paths, space, **path_settings(self))

    def learn(self, work: Work, networks: Space) -> Mapping[str, float] | None:
        paths = make_paths(self.paths, networks, **path_settings(self))
        tell_left_out(work, paths)
        about = {
            "kind": "borrowed",
            "epochs": self.epochs,
            "distils": paths.distils,
            "kernel_transforms": self.kernel_transforms,
            "recipe": {},
            "ema": self.ema,
            "calibration": self.calibration,
        }
        return share_weights(work, about, paths)

    def searcher(self, work: Work, networks: Space) -> Strategy:
        return evolution_by_weights(work, networks, self.population)


def path_settings(method: object) -> dict[str, object]:
    """Those of the method's settings that are for its paths, as far as they were given."""
    names = ("quantity", "bins", "order", "random_networks")
    return {name: value for name in names if (value := getattr(method, name)) is not None}


def tell_left_out(work: Work, paths: Paths) -> None:
    """A note of the options that fair paths leave out."""
    if isinstance(paths, StrictlyFair) and paths.left_out:
        work.note(f"no network was found that may have {', '.join(paths.left_out)}: fair paths leave that out")
