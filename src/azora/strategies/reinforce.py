"""Search by reinforcement learning."""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Literal, final, get_args

from azora.errors import ConfigError
from azora.settings import closest
from azora.space import Architecture, Option, Space
from azora.strategies.fresh import stranger, walk
from azora.strategies.member import Rank, rank
from azora.strategies.strategy import Strategy
from azora.strategies.tokens import tokens_of
from azora.trial import Objective, Proposal, Report

if TYPE_CHECKING:
    from torch import Tensor

Policy = Literal["lstm", "independent"]
PASSES = 8  # of drawing, where rules forbid most of what the policy says
PPO_EPOCHS = 4
DECAY = 0.9  # of the baseline, a judgement


@final
class Reinforce(Strategy):
    """A controller decides one choice after another and is rewarded for what comes of it (Zoph & Le, 2017).

    Choices that do not exist, given the decisions before, are not decided; numbers are drawn from one of nine ranges.
    The gradient of a few judgements at a time is REINFORCE's (Williams, 1992): their log-probabilities, weighed by
    reward less a moving baseline, corrected for its start (as NATS-Bench does), and a bonus for entropy.

    The reward is the share of earlier judgements that were worse, so nothing depends on the metric's scale, the
    outliers among networks that learned nothing do not drown the rest, and a failure is the worst that can happen.
    What is known among the draws is passed over, and where all of them are, a mutation of one is judged.

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
        policy: Policy = "lstm",
        samples: int = 10,
        rate: float | None = None,
        entropy: float = 0.01,
        hidden: int = 64,
        clip: float | None = None,
    ) -> None:
        super().__init__(space, seed, objective)
        if policy not in get_args(Policy):
            raise ConfigError(f"policy={policy!r}: {closest(str(policy), get_args(Policy))}")
        if samples < 1 or hidden < 1:
            raise ConfigError(f"samples={samples} and hidden={hidden} must be at least 1")
        if entropy < 0 or (rate is not None and rate <= 0) or (clip is not None and clip <= 0):
            raise ConfigError(f"entropy={entropy} must be at least 0, rate={rate} and clip={clip} above 0")
        import torch

        from azora.strategies.controller import Independent, Recurrent

        self.policy, self.samples, self.rate, self.entropy = policy, samples, rate, entropy
        self.hidden, self.clip = hidden, clip
        self.tokens = {name: tokens_of(choice) for name, choice in space.choices.items()}
        counts = [tokens.count for tokens in self.tokens.values()]
        lstm = policy == "lstm"
        with torch.random.fork_rng(devices=()):  # modules draw from the caller's generator, whatever they hold later
            self.controller = Recurrent(counts, hidden, seed) if lstm else Independent(counts, seed)
        self.optimiser = torch.optim.Adam(self.controller.parameters(), lr=rate or (0.01 if lstm else 0.1))
        self.batch: list[tuple[Architecture, float, float]] = []  # with reward, and log-probability when asked for
        self.ranks: list[Rank] = []  # of all judgements, rising
        self.baseline = _Moving(DECAY)
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
        insort(self.ranks, reached)
        middle = (bisect_left(self.ranks, reached) + bisect_right(self.ranks, reached)) / 2
        self.batch.append((proposal.architecture, middle / len(self.ranks), self.chances.pop(key, 0.0)))
        if len(self.batch) >= self.samples:
            self._update()

    def draw(self, rng: random.Random, rows: int) -> list[tuple[Architecture, float]]:
        """Up to `rows` architectures from the policy, each with its `log_prob`; what breaks a rule of the space is left
        out."""
        import torch

        decided: list[dict[str, Option]] = [{} for _ in range(rows)]
        logs = [0.0] * rows
        with torch.inference_mode():
            state = self.controller.begin(rows)
            for place, (name, tokens) in enumerate(self.tokens.items()):
                exists = [self.space.exists(self.space.choices[name], kept) for kept in decided]
                if not any(exists):
                    continue
                logits, looked = self.controller.look(place, state)
                chances = logits.softmax(1).tolist()
                taken = [_pick(each, rng) for each in chances]
                following = self.controller.decided(place, looked, torch.tensor(taken))
                if not all(exists):
                    there = torch.tensor(exists)[:, None]
                    following = tuple(new.where(there, old) for new, old in zip(following, state, strict=True))
                state = following
                for row, token in enumerate(taken):
                    if exists[row]:
                        decided[row][name] = tokens.draw(token, rng)
                        logs[row] += math.log(chances[row][token]) + tokens.spread(token)
        made = ((self.space.valid(kept), log) for kept, log in zip(decided, logs, strict=True))
        return [(architecture, log) for architecture, log in made if architecture is not None]

    def log_prob(self, architecture: Architecture) -> float:
        """The logarithm of the chance of drawing `architecture` (its decisions as they stand); where real numbers are
        among them, of the density, over ranges from 0 to 1. Rules of the space are not looked at."""
        import torch

        with torch.inference_mode():
            return float(self.controller.log_prob(self._tensor([architecture]))[0]) + self._spread(architecture)

    def _update(self) -> None:
        import torch

        old = torch.tensor([chance - self._spread(made) for made, _, chance in self.batch], dtype=torch.float64)
        tokens = self._tensor([made for made, _, _ in self.batch])
        for _, reward, _ in self.batch:
            self.baseline.add(reward)
        gains = torch.tensor([reward - self.baseline.mean for _, reward, _ in self.batch], dtype=torch.float64)
        for _ in range(1 if self.clip is None else PPO_EPOCHS):
            chances, entropy = self.controller.log_prob(tokens)
            gained = gains * chances if self.clip is None else _clipped((chances - old).exp(), gains, self.clip)
            self.optimiser.zero_grad()
            (-gained.mean() - self.entropy * entropy.mean()).backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
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

    def _tensor(self, architectures: list[Architecture]) -> Tensor:
        import torch

        return torch.tensor(
            [
                [tokens.token(made[name]) if name in made else -1 for name, tokens in self.tokens.items()]
                for made in architectures
            ]
        )

    def _spread(self, architecture: Architecture) -> float:
        return sum(self.tokens[name].spread(self.tokens[name].token(value)) for name, value in architecture.items())


class _Moving:
    """An exponential moving mean that is not drawn to its start."""

    def __init__(self, decay: float) -> None:
        self.decay, self.total, self.weight = decay, 0.0, 0.0

    def add(self, value: float) -> None:
        self.total = self.decay * self.total + (1 - self.decay) * value
        self.weight = self.decay * self.weight + (1 - self.decay)

    @property
    def mean(self) -> float:
        return self.total / self.weight


def _pick(chances: list[float], rng: random.Random) -> int:
    left = rng.random() * math.fsum(chances)
    for token, chance in enumerate(chances):
        left -= chance
        if left < 0:
            return token
    return len(chances) - 1


def _clipped(ratio: Tensor, gains: Tensor, clip: float) -> Tensor:
    return (ratio * gains).minimum(ratio.clamp(1 - clip, 1 + clip) * gains)
