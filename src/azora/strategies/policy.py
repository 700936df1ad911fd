"""A distribution over architectures that is moved towards what is rewarded."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, final

from azora.space import Architecture, Option, Space
from azora.strategies.tokens import tokens_of

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["lstm", "independent"]
PPO_EPOCHS = 4


@final
class Policy:
    """Decides one choice after another, by what was decided before, and learns by REINFORCE (Williams, 1992).

    Choices that do not exist, given the decisions before, are not decided; numbers are drawn from one of nine ranges.

    Args:
        kind: "lstm", or "independent" for one categorical distribution a choice.
        rate, momentum, epsilon: of Adam; momentum is its β₁.
        entropy: weight of a bonus for entropy.
        hidden: width of the LSTM.
        clip: None, or PPO's bound on the ratio of new to old probability (Schulman et al., 2017), with four steps an
            update.
        bound: of the LSTM's logits.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        kind: Kind = "lstm",
        *,
        rate: float = 0.01,
        momentum: float = 0.9,
        epsilon: float = 1e-8,
        entropy: float = 0.01,
        hidden: int = 64,
        clip: float | None = None,
        bound: float | None = None,
    ) -> None:
        import torch

        from azora.strategies.controller import Independent, Recurrent

        self.space, self.entropy, self.clip = space, entropy, clip
        self.tokens = {name: tokens_of(choice) for name, choice in space.choices.items()}
        counts = [tokens.count for tokens in self.tokens.values()]
        lstm = kind == "lstm"
        with torch.random.fork_rng(devices=()):  # modules draw from the caller's generator, whatever they hold later
            self.controller = Recurrent(counts, hidden, seed, bound) if lstm else Independent(counts, seed)
        self.optimiser = torch.optim.Adam(self.controller.parameters(), lr=rate, betas=(momentum, 0.999), eps=epsilon)

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

    def update(
        self, architectures: Sequence[Architecture], gains: Sequence[float], before: Sequence[float] = ()
    ) -> None:
        """One step towards `architectures` by how much more each gained than was to be expected.

        Args:
            before: their `log_prob` when they were drawn, for PPO.
        """
        import torch

        tokens, weights = self._tensor(architectures), torch.tensor(gains, dtype=torch.float64)
        spreads = map(self._spread, architectures)
        old = torch.tensor([log - spread for log, spread in zip(before, spreads, strict=False)], dtype=torch.float64)
        for _ in range(1 if self.clip is None else PPO_EPOCHS):
            chances, entropy = self.controller.log_prob(tokens)
            gained = weights * chances if self.clip is None else clipped((chances - old).exp(), weights, self.clip)
            self.optimiser.zero_grad()
            (-gained.mean() - self.entropy * entropy.mean()).backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()

    def state(self) -> dict[str, Tensor]:
        """All that its draws and updates depend on, by name: copies."""
        state = {f"controller.{name}": value for name, value in self.controller.state_dict().items()}
        for place, parameter in enumerate(self.controller.parameters()):
            moments = self.optimiser.state.get(parameter, {})
            state |= {f"adam.{place}.{name}": value for name, value in moments.items()}
        return {name: value.detach().clone() for name, value in state.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave.

        Raises:
            RuntimeError: it is of another space or policy.
        """
        start = "controller."
        own = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
        self.controller.load_state_dict(own)
        self.optimiser.state.clear()
        parameters = list(self.controller.parameters())
        for name, value in state.items():
            if name.startswith("adam."):
                _, place, moment = name.split(".")
                self.optimiser.state[parameters[int(place)]][moment] = value.clone()

    def _tensor(self, architectures: Sequence[Architecture]) -> Tensor:
        import torch

        return torch.tensor(
            [
                [tokens.token(made[name]) if name in made else -1 for name, tokens in self.tokens.items()]
                for made in architectures
            ]
        )

    def _spread(self, architecture: Architecture) -> float:
        return sum(self.tokens[name].spread(self.tokens[name].token(value)) for name, value in architecture.items())


@final
class Moving:
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


def clipped(ratio: Tensor, gains: Tensor, clip: float) -> Tensor:
    return (ratio * gains).minimum(ratio.clamp(1 - clip, 1 + clip) * gains)
