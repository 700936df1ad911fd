"""Policies over the decisions of a space. Imports torch: only what makes a policy imports this module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

State = tuple[Tensor, ...]  # what a policy remembers of the decisions before, a row for each architecture


class Controller(nn.Module, ABC):
    """The chance of each token at each choice, given the decisions before. `counts` are the tokens of each choice.

    Architectures are drawn choice by choice (`begin`, `look`, `decided`), and looked at all at once (`log_prob`). Both
    agree to 1e-6 and better: double precision.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        super().__init__()
        starts = list(accumulate(counts, initial=0))
        self.total = starts[-1]
        self.spans = [slice(start, start + count) for start, count in zip(starts, counts, strict=False)]
        self.starts = torch.tensor(starts[:-1])
        self.allowed = torch.zeros(len(counts), self.total, dtype=torch.bool)
        for allowed, span in zip(self.allowed, self.spans, strict=True):
            allowed[span] = True

    @abstractmethod
    def begin(self, rows: int) -> State:
        """What is known before the first decision of `rows` architectures."""

    @abstractmethod
    def look(self, place: int, state: State) -> tuple[Tensor, State]:
        """Logits (rows, tokens of the choice) of choice number `place`, and what is known after having looked."""

    @abstractmethod
    def decided(self, place: int, state: State, tokens: Tensor) -> State:
        """What is known after `tokens` (rows,) of choice number `place` were decided."""

    @abstractmethod
    def forward(self, numbers: Tensor) -> Tensor:
        """Logits (rows, decisions, all tokens) for decisions (rows, decisions), whose tokens are numbered through all
        choices; each row of logits sees the decisions before it alone."""

    def log_prob(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability, and entropy of the distributions met on the way, both (rows,).

        `tokens` (rows, choices) are counted from 0 at each choice; -1 is a choice that does not exist.
        """
        exists = tokens >= 0
        # The decisions that exist, moved together: a controller does not see the others.
        order = (~exists).int().argsort(dim=1, stable=True)[:, : int(exists.sum(1).max())]
        exists, numbers = exists.gather(1, order), (tokens.clamp_min(0) + self.starts).gather(1, order)
        allowed = self.allowed[order]
        logs = self(numbers).masked_fill(~allowed, -torch.inf).log_softmax(2)
        taken = logs.gather(2, numbers[:, :, None])[:, :, 0]
        entropy = -(logs.exp() * logs.masked_fill(~allowed, 0.0)).sum(2)
        return taken.where(exists, 0.0).sum(1), entropy.where(exists, 0.0).sum(1)


@final
class Recurrent(Controller):
    """An LSTM that reads the decisions before (Zoph & Le, 2017), one layer, with its own outputs for each choice.

    Weights begin uniform in ±0.1 (as Pham et al., 2018), so all tokens are about equally likely.

    Args:
        bound: logits are this times the hyperbolic tangent of what the network says, so that no choice is ever certain
            (Bello et al., 2017; Pham et al., 2018); None: they are what it says.
    """

    def __init__(self, counts: Sequence[int], hidden: int, seed: int, bound: float | None = None) -> None:
        super().__init__(counts)
        self.bound = bound
        self.read = nn.Embedding(self.total + 1, hidden, dtype=torch.float64)  # the last is read before all decisions
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True, dtype=torch.float64)
        self.outputs = nn.Linear(hidden, self.total, dtype=torch.float64)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1, generator=generator)

    def begin(self, rows: int) -> State:
        nothing = torch.zeros(rows, self.lstm.hidden_size, dtype=torch.float64)
        return self.read.weight[-1:].expand(rows, -1), nothing, nothing

    def look(self, place: int, state: State) -> tuple[Tensor, State]:
        read, hidden, memory = state
        hidden, memory = torch.lstm_cell(read, [hidden, memory], *self.lstm.all_weights[0])
        span = self.spans[place]
        return self._bounded(linear(hidden, self.outputs.weight[span], self.outputs.bias[span])), (read, hidden, memory)

    def decided(self, place: int, state: State, tokens: Tensor) -> State:
        return self.read.weight[tokens + self.spans[place].start], *state[1:]

    def forward(self, numbers: Tensor) -> Tensor:
        first = numbers.new_full((len(numbers), 1), self.total)
        hidden, _ = self.lstm(self.read(torch.cat([first, numbers[:, :-1]], dim=1)))
        return self._bounded(self.outputs(hidden))

    def _bounded(self, logits: Tensor) -> Tensor:
        return logits if self.bound is None else self.bound * torch.tanh(logits)


@final
class Independent(Controller):
    """A categorical distribution a choice, whatever else is decided; logits begin near zero (as Dong et al., 2021)."""

    def __init__(self, counts: Sequence[int], seed: int) -> None:
        super().__init__(counts)
        generator = torch.Generator().manual_seed(seed)
        self.logits = nn.Parameter(1e-3 * torch.randn(self.total, generator=generator, dtype=torch.float64))

    def begin(self, rows: int) -> State:
        return (torch.zeros(rows, 1, dtype=torch.float64),)

    def look(self, place: int, state: State) -> tuple[Tensor, State]:
        return self.logits[self.spans[place]].expand(len(state[0]), -1), state

    def decided(self, place: int, state: State, tokens: Tensor) -> State:
        return state

    def forward(self, numbers: Tensor) -> Tensor:
        return self.logits.expand(*numbers.shape, -1)
