"""SMASH: weights written by a hypernetwork judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from azora.errors import ConfigError
from azora.methods.borrowing import path_settings, tell_left_out
from azora.methods.method import Work
from azora.methods.one_shot import OneShot
from azora.methods.phases import share_weights
from azora.networks.hypernetwork import Hypernetwork
from azora.settings import check_finite, check_whole
from azora.space import Space
from azora.strategies import Smash as Search
from azora.strategies import Strategy
from azora.tasks import SearchData, Signature
from azora.training import check_paths, make_paths
from azora.training.fit_shared import HYPER_RATE

# Every base of the hypernetwork is as large as the whole network, so that is small here.
CELLS = {
    "nodes": 2,
    "operations": ("conv_3x3", "depthwise_conv_3x3", "max_pool_3x3", "skip_connect"),
    "widths": (8, 16, 24),
    "depths": (1,),
}


@final
class Smash(OneShot):
    """SMASH (Brock et al., 2018): a hypernetwork writes the weights of any network from its code, and is trained with
    another random network each step; networks are drawn, the best perturbed, and what is better climbed from, all by
    those weights.

    Args:
        bases, hidden: of the hypernetwork (see `azora.networks.hypernetwork.Hypernetwork`).
        paths: which networks train a step (see `azora.training.PATHS`).
        samples, perturbations: of the search, at most (see `azora.strategies.Smash`): where the phase has time for few
            judgements, half of them and a quarter; the rest is the climb's.
        epochs: of the hypernetwork, where there is no clock.
        share, judging, judged, size, calibration: as in `OneShot`.
        quantity, bins, order, random_networks: of the paths, as in `Borrowing`.

    Raises:
        ConfigError: a setting out of its range.
    """

    name = "smash"

    def __init__(
        self,
        bases: int = 8,
        hidden: int = 64,
        paths: str = "uniform",
        samples: int = 300,
        perturbations: int = 100,
        epochs: float = 30.0,
        share: float = 0.45,
        judging: float = 0.15,
        judged: int = 800,
        size: int = 16,
        calibration: int = 1,
        quantity: str | None = None,
        bins: int | None = None,
        order: Sequence[str] | None = None,
        random_networks: int | None = None,
    ) -> None:
        super().__init__(share, judging, judged, size, calibration)
        check_whole(1, bases=bases, hidden=hidden, samples=samples)
        check_whole(0, perturbations=perturbations)
        check_finite(epochs=epochs)
        if epochs <= 0:
            raise ConfigError(f"epochs={epochs} must be above 0")
        self.bases, self.hidden, self.paths, self.epochs = bases, hidden, paths, float(epochs)
        self.samples, self.perturbations = samples, perturbations
        self.quantity, self.bins, self.order, self.random_networks = quantity, bins, order, random_networks
        check_paths(paths, path_settings(self))

    def check(self, space: Space, data: SearchData) -> None:
        Hypernetwork(space.root, bases=self.bases, hidden=self.hidden)
        make_paths(self.paths, space, **path_settings(self))

    def space(self, signature: Signature) -> tuple[str, Mapping[str, Any]] | None:
        return ("cells", CELLS) if signature.pictures else None

    def learn(self, work: Work, networks: Space) -> Mapping[str, float] | None:
        paths = make_paths(self.paths, networks, **path_settings(self))
        tell_left_out(work, paths)
        about = {
            "kind": "written",
            "epochs": self.epochs,
            "distils": paths.distils,
            "bases": self.bases,
            "hidden": self.hidden,
            "calibration": self.calibration,
            "recipe": {"learning_rate": HYPER_RATE},
        }
        return share_weights(work, about, paths)

    def searcher(self, work: Work, networks: Space) -> Strategy:
        return Search(networks, work.seed, work.objective, self.samples, self.perturbations)
