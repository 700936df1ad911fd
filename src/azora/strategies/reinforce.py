"""Search by reinforcement learning."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from typing import final, get_args

from azora.errors import ConfigError
from azora.settings import check_finite, check_whole, closest, given
from azora.space import Architecture, Space
from azora.strategies.fresh import stranger, walk
from azora.strategies.member import Rank, rank
from azora.strategies.policy import Kind, Moving, Policy
from azora.strategies.strategy import Strategy
from azora.trial import Objective, Proposal, Report

PASSES = 8  # of drawing, where rules forbid most of what the policy says
DECAY = 0.9  # of the baseline, a judgement


@final
class Reinforce(Strategy):
    """A controller decides one choice after another and is rewarded for what comes of it (Zoph & Le, 2017).

    Choices that do not exist, given the decisions before, are not decided; numbers are drawn from one of nine ranges.
    The gradient of a few judgements at a time is REINFORCE's (Williams, 1992): their log-probabilities, weighed by
    reward less a moving baseline, corrected for its start (as NATS-Bench does), and a bonus for entropy.

    The reward is the share of earlier judgements with the same budget that were worse, so nothing depends on the
    metric's scale, the outliers among networks that learned nothing do not drown the rest, and a failure is the worst
    that can happen. What is known among the draws is passed over, and where all of them are, a mutation of one is
    judged.

    Args:
        policy: "lstm", or "independent" for one categorical distribution a choice.
        samples: judgements an update.
        rate: of Adam; None is 0.01 for the LSTM and 0.1 for independent distributions.
        entropy: weight of the bonus.
        hidden: width of the LSTM.
        clip: None is REINFORCE; a number, such as 0.2, is PPO's bound on the ratio of new to old probability
            (Schulman et al., 2017), with four steps an update.

    Raises:
        ConfigError: a setting outside its bounds.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objective: Objective | None = None,
        policy: Kind = "lstm",
        samples: int = 10,
        rate: float | None = None,
        entropy: float = 0.01,
        hidden: int = 64,
        clip: float | None = None,
    ) -> None:
        super().__init__(space, seed, objective)
        if policy not in get_args(Kind):
            raise ConfigError(f"policy={policy!r}: {closest(str(policy), get_args(Kind))}")
        check_whole(1, samples=samples, hidden=hidden)
        check_finite(entropy=entropy, **given(rate=rate, clip=clip))
        if entropy < 0 or (rate is not None and rate <= 0) or (clip is not None and clip <= 0):
            raise ConfigError(f"entropy={entropy} must be at least 0, rate={rate} and clip={clip} above 0")
        self.policy, self.samples, self.rate, self.entropy = policy, samples, rate, entropy
        self.hidden, self.clip = hidden, clip
        self.controlled = Policy(
            space,
            seed,
            policy,
            rate=rate or (0.01 if policy == "lstm" else 0.1),
            entropy=entropy,
            hidden=hidden,
            clip=clip,
        )
        self.batch: list[tuple[Architecture, float, float]] = []  # with reward, and log-probability when asked for
        self.ranks: dict[float | None, list[Rank]] = {}  # by budget, of all judgements with it, rising
        self.baseline = Moving(DECAY)
        self.chances: dict[str, float] = {}  # log-probability of what is pending, for PPO
        self.known: set[str] = set()
        self.seen: set[str] = set()
        self.updates = 0
        self._fill()

    def propose(self, rng: random.Random) -> Proposal | None:
        for architecture, _ in self.pool:
            if architecture.key not in self.seen:
                return Proposal(architecture, origin=f"{self.policy} controller")
        near = walk(self.space, rng.choice(self.pool)[0], self.seen, rng) if self.pool else None
        return near or stranger(self.space, self.seen, rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
        if self.clip is not None:
            self.chances[proposal.architecture.key] = self.log_prob(proposal.architecture)

    def learn(self, proposal: Proposal, report: Report) -> None:
        key, reached = proposal.architecture.key, rank(self.objective, proposal, report)
        if key in self.known:
            return
        self.known.add(key)
        # Its own budget's: above what was trained more briefly everything stands, and all would be rewarded alike.
        ranks = self.ranks.setdefault(proposal.budget, [])
        insort(ranks, reached)
        middle = (bisect_left(ranks, reached) + bisect_right(ranks, reached)) / 2
        self.batch.append((proposal.architecture, middle / len(ranks), self.chances.pop(key, 0.0)))
        if len(self.batch) >= self.samples:
            self._update()

    def draw(self, rng: random.Random, rows: int) -> list[tuple[Architecture, float]]:
        """Up to `rows` architectures from the policy, each with its `log_prob`; what breaks a rule of the space is left
        out."""
        return self.controlled.draw(rng, rows)

    def log_prob(self, architecture: Architecture) -> float:
        """The logarithm of the chance of drawing `architecture`, as `Policy.log_prob` has it."""
        return self.controlled.log_prob(architecture)

    def _update(self) -> None:
        for _, reward, _ in self.batch:
            self.baseline.add(reward)
        gains = [reward - self.baseline.mean for _, reward, _ in self.batch]
        self.controlled.update([made for made, _, _ in self.batch], gains, [chance for _, _, chance in self.batch])
        self.batch = []
        self.updates += 1
        self._fill()

    def _fill(self) -> None:
        """Draw what is handed out until the next update: twice as many, for what is known among them is passed over."""
        rng = random.Random(f"{self.seed}:pool:{self.updates}")
        self.pool: list[tuple[Architecture, float]] = []
        for _ in range(PASSES):
            self.pool += self.draw(rng, 2 * self.samples)
            if len(self.pool) >= self.samples:
                break
