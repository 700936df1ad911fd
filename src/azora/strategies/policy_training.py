"""A policy over the networks of shared weights: how it learns, what it trains, and what is derived from it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, final

from azora.errors import ConfigError
from azora.space import Architecture, Space
from azora.strategies.policy import Moving, Policy

if TYPE_CHECKING:
    from torch import Tensor

Reward = Callable[[Architecture, int], float]
"""(architecture, number of the update) → what it is worth, higher is better; NaN where nothing can be said."""

PASSES = 20  # of drawing, where rules forbid most of what a policy says


def enas_policy(space: Space, seed: int = 0, rate: float = 3.5e-3, entropy: float = 1e-4) -> Policy:
    """The controller of Pham et al. (2018: ENAS), micro search: an LSTM of 64, logits within ±1.1, Adam with β₁ 0 and
    ε 1e-3.

    Left out are its temperature for operations and its favour for convolutions, which are about its own space; the
    entropy is a bonus with a gradient of its own, as in `Reinforce`, and not a part of the reward.
    """
    return Policy(space, seed, rate=rate, momentum=0.0, epsilon=1e-3, entropy=entropy, hidden=64, bound=1.1)


@final
class Learned:
    """Paths (`azora.training.paths.Paths`) of one network, drawn from a policy as it is now (Pham et al., 2018).

    Where 20 draws all break a rule of the space, the network is uniform over decisions.
    """

    distils = False

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def draw(self, rng: random.Random, share: float = 0.0) -> Sequence[Architecture]:
        """One network, a function of `rng` and of the policy."""
        for _ in range(PASSES):
            if drawn := self.policy.draw(rng, 1):
                return [drawn[0][0]]
        return [self.policy.space.sample(rng)]


@final
class PolicyTraining:
    """Moves a policy towards what is rewarded while shared weights are frozen; can be put down and taken up.

    An update draws `samples` networks, and weighs each one's log-probability by its reward less a moving mean of all
    rewards, corrected for its start. A reward that is no finite number counts as the worst of its update; an update
    without any finite reward changes nothing but the count. Draws are a function of the seed and of the update.

    Args:
        reward: is told the number of the update, so that one update's networks may be judged on the same rows.
        samples: networks an update (Pham et al., 2018: 10, 30 updates an epoch).
        decay: of the moving mean, a reward.

    Raises:
        ConfigError: a setting outside its bounds.
    """

    def __init__(
        self, policy: Policy, reward: Reward, *, samples: int = 10, decay: float = 0.99, seed: int = 0
    ) -> None:
        if samples < 1 or not 0 <= decay < 1:
            raise ConfigError(f"samples={samples} must be at least 1, and decay={decay} from 0 to below 1")
        self.policy, self.reward, self.samples, self.seed = policy, reward, samples, seed
        self.baseline = Moving(decay)
        self.updates = 0

    def advance(self, updates: int = 1) -> float:
        """Learn from so many further updates; gives the mean of their finite rewards, NaN where there was none."""
        rewards = list[float]()
        for _ in range(updates):
            rewards += self._update()
            self.updates += 1
        return math.fsum(rewards) / len(rewards) if rewards else math.nan

    def state_tensors(self) -> dict[str, Tensor]:
        """All that `load_state` needs to go on exactly here, by name: copies, which going on does not change."""
        import torch

        own = torch.tensor([self.baseline.total, self.baseline.weight], dtype=torch.float64)
        return {**self.policy.state(), "baseline": own, "updates": torch.tensor(self.updates)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken.

        Raises:
            KeyError, RuntimeError: it is of another space or policy.
        """
        self.policy.load({name: value for name, value in state.items() if "." in name})
        self.baseline.total, self.baseline.weight = state["baseline"].tolist()
        self.updates = int(state["updates"])

    def _update(self) -> list[float]:
        """One update; gives its finite rewards."""
        rng = random.Random(f"{self.seed}:policy:{self.updates}")
        drawn = [made for made, _ in self.policy.draw(rng, self.samples)]
        rewards = [self.reward(made, self.updates) for made in drawn]
        finite = [reward for reward in rewards if math.isfinite(reward)]
        if not finite:
            return []
        told = [reward if math.isfinite(reward) else min(finite) for reward in rewards]
        for reward in told:
            self.baseline.add(reward)
        self.policy.update(drawn, [reward - self.baseline.mean for reward in told])
        return finite
