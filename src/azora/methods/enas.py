"""ENAS: a controller and shared weights, trained in turn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import final

from torch import Tensor

from azora.errors import ConfigError
from azora.evaluation.minibatches import MinibatchReward
from azora.evaluation.sharing import load_state
from azora.methods.method import Work
from azora.methods.one_shot import OneShot
from azora.methods.phases import SHARING, share_weights
from azora.networks.shared_weights import SharedWeights
from azora.settings import check_finite, check_whole, closest
from azora.space import Architecture, Space
from azora.strategies import Strategy
from azora.strategies.policy import Policy
from azora.strategies.policy_training import Learned, PolicyTraining, enas_policy
from azora.strategies.random_search import RandomSearch
from azora.strategies.sampled import Sampled
from azora.tasks import SearchData
from azora.training import SharedTraining, make_paths

CONTROLLERS = ("lstm", "random")
PREFIX = "policy."  # of the controller's tensors, which are put down with the weights
UPDATES = 10  # an epoch, where there is no clock
SHARE = 0.5  # of the time that an epoch of the weights takes: so long the controller learns after it


@final
class Enas(OneShot):
    """Efficient architecture search by sharing parameters (Pham et al., 2018): weights are trained for an epoch with
    networks that an LSTM controller draws; then the controller is moved towards those that do well by the weights on a
    few minibatches of search-validation; and so on. In the end networks are drawn from it, judged on all of search-
    validation, and the best and some others are trained from scratch.

    With `controller="random"` nothing is learned but the weights: what the controller is worth is what it brings above
    that (Li & Talwalkar, 2019).

    Args:
        controller: "lstm" or "random".
        samples: networks an update of the controller, each weighed by its reward less a moving mean.
        batches: minibatches of 64 rows whose mean is a reward; one is what the paper has, and tells little.
        rate, entropy: of the controller's steps, and the weight of its bonus for entropy.
        epochs: of the shared weights, where there is no clock.
        ema: decay of a moving average of the weights, which then judges; None for no average.
        share, judging, judged, size, calibration: as in `OneShot`.

    Raises:
        ConfigError: a setting out of its range.
    """

    name = "enas"

    def __init__(
        self,
        controller: str = "lstm",
        samples: int = 10,
        batches: int = 4,
        rate: float = 3.5e-3,
        entropy: float = 1e-4,
        epochs: float = 20.0,
        share: float = 0.5,
        judging: float = 0.1,
        judged: int = 300,
        size: int = 16,
        calibration: int = 1,
        ema: float | None = None,
    ) -> None:
        super().__init__(share, judging, judged, size, calibration)
        if controller not in CONTROLLERS:
            raise ConfigError(f"there is no controller {controller!r}; {closest(controller, CONTROLLERS)}")
        check_whole(2, samples=samples)
        check_whole(1, batches=batches)
        check_finite(rate=rate, entropy=entropy, epochs=epochs, ema=0.0 if ema is None else ema)
        if rate <= 0 or entropy < 0 or epochs <= 0 or not 0 <= (ema or 0) < 1:
            raise ConfigError(
                f"rate={rate} and epochs={epochs} must be above 0, entropy={entropy} at least 0, and ema={ema} from 0"
                " to below 1"
            )
        self.controller, self.samples, self.batches = controller, samples, batches
        self.rate, self.entropy, self.epochs, self.ema = rate, entropy, float(epochs), ema

    def check(self, space: Space, data: SearchData) -> None:
        SharedWeights(space.root)

    def learn(self, work: Work, networks: Space) -> Mapping[str, float] | None:
        about = {
            "kind": "borrowed",
            "epochs": self.epochs,
            "distils": False,
            "kernel_transforms": False,
            "recipe": {},
            "ema": self.ema,
            "calibration": self.calibration,
        }
        if self.controller == "random":
            return share_weights(work, about, make_paths("uniform", networks))
        policy = enas_policy(networks, work.seed, self.rate, self.entropy)
        turn = _Turn(self, work, policy)
        figures = share_weights(work, about, Learned(policy), turn)
        if figures and not turn.learning.updates and not work.stop.is_set():
            work.note(
                "the controller has learned nothing: its first turn comes after an epoch of the shared weights,"
                " for which there was no time; it draws at random"
            )
        return figures and {**figures, "updates": turn.learning.updates}

    def searcher(self, work: Work, networks: Space) -> Strategy:
        if self.controller == "random":
            return RandomSearch(networks, work.seed, work.objective)
        policy = enas_policy(networks, work.seed, self.rate, self.entropy)
        policy.load({name: value for name, value in _own(load_state(work.folder) or {}).items() if "." in name})
        return Sampled(networks, work.seed, work.objective, policy=policy)


@final
class _Turn:
    """The controller's turn after every epoch of the weights."""

    def __init__(self, method: Enas, work: Work, policy: Policy) -> None:
        self.method, self.work = method, work
        self.seconds = 0.0  # of the weights' training, when the last turn ended
        self.reward: MinibatchReward | None = None
        self.learning = PolicyTraining(policy, self._reward, samples=method.samples, seed=work.seed)

    def after_epoch(self, training: SharedTraining) -> None:
        if self.reward is None:
            self.reward = self._made(training)
        if not self.work.seconds:
            self.learning.advance(UPDATES)
            return
        begun = time.perf_counter()
        most = min(SHARE * (training.seconds - self.seconds), self.work.left(SHARING))
        self.seconds = training.seconds
        while time.perf_counter() - begun < most and not self.work.stop.is_set():
            self.learning.advance()

    def state_tensors(self) -> dict[str, Tensor]:
        return {f"{PREFIX}{name}": value for name, value in self.learning.state_tensors().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.learning.load_state(_own(state))

    def _made(self, training: SharedTraining) -> MinibatchReward:
        work = self.work
        assert isinstance(training.judged, SharedWeights)
        return MinibatchReward(
            training.judged,
            work.data,
            scaling=training.scaling,
            mode=training.mode,
            device=work.device,
            objective=work.objective,
            batches=self.method.batches,
            seed=work.seed,
        )

    def _reward(self, architecture: Architecture, update: int) -> float:
        assert self.reward is not None, "the controller's turn comes after an epoch"
        return self.reward(architecture, update)


def _own(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is the controller's of all that was put down."""
    return {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
