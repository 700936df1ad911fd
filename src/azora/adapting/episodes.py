"""Tasks of a few classes and a few rows each, drawn from the classes of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from azora.errors import TaskError
from azora.tasks import Scaling
from azora.tasks.array import Array


@final
@dataclass(frozen=True)
class Episode:
    """One task: rows to adapt to, `x` (ways · shots, *shape) with classes `y`, and rows to be judged by.

    Support rows come shot by shot: the first `ways` rows are one of every class.
    """

    x: Tensor
    y: Tensor
    x_query: Tensor
    y_query: Tensor
    ways: int


@final
class Episodes:
    """Draws episodes: classes anew, which number each has, and which of its rows are support and query.

    Args:
        x: raw rows (N, *shape) as networks take them: pictures are (N, C, H, W).
        y: (N,) labels of any kind.
        ways: classes of an episode.
        shots: support rows of a class.
        queries: query rows of a class.
        scaling: of the raw values.
        seed: of all draws; an episode is a function of it and of the episode's number.
        turns: whether the quarter turns of a class are classes of their own (Santoro et al., 2016); square pictures
            only.

    Raises:
        TaskError: there are fewer classes than ways, a class has fewer rows than shots and queries together, or what is
            to be turned is not square.
    """

    def __init__(
        self, x: Array, y: Array, ways: int, shots: int, queries: int, scaling: Scaling, *, seed: int = 0,
        turns: bool = False,
    ) -> None:  # fmt: skip
        _check_counts(ways=(ways, 2), shots=(shots, 1), queries=(queries, 0))
        names, numbers, counts = np.unique(np.asarray(y), return_inverse=True, return_counts=True)
        self.classes = len(names) * (4 if turns else 1)
        if self.classes < ways:
            raise TaskError(
                f"tasks of {ways} classes were asked for, and the data have {self.classes}: ask for fewer ways"
            )
        if (least := int(counts.min())) < shots + queries:
            name = names[int(counts.argmin())]
            raise TaskError(
                f"{shots} shots and {queries} queries of a class were asked for, and class {str(name)!r} has {least}"
                " rows: ask for fewer, or leave the class out"
            )
        if turns and (np.ndim(x) != 4 or x.shape[-1] != x.shape[-2]):
            raise TaskError(f"only square pictures can be turned, and the rows have the shape {x.shape[1:]}")
        self.x, self.ways, self.shots, self.queries, self.seed, self.turns = x, ways, shots, queries, seed, turns
        self.scaling = scaling
        self.rows = np.split(np.argsort(numbers, kind="stable"), np.cumsum(counts)[:-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row."""
        return tuple(self.x.shape[1:])

    def draw(self, number: int) -> Episode:
        """The episode of this number."""
        rng = np.random.default_rng([self.seed, number])
        chosen = rng.choice(self.classes, self.ways, replace=False)
        each = [self._rows_of(int(one), rng) for one in chosen]
        rows = np.stack(each, axis=1)  # (shots + queries, ways, *shape)
        x = scaled(rows.reshape(-1, *self.shape), self.scaling)
        y = torch.arange(self.ways).repeat(len(rows))
        cut = self.ways * self.shots
        return Episode(x[:cut], y[:cut], x[cut:], y[cut:], self.ways)

    def _rows_of(self, one: int, rng: np.random.Generator) -> Array:
        own = self.rows[one % len(self.rows)]
        taken: Array = self.x[rng.choice(own, self.shots + self.queries, replace=False)]
        turned: Array = np.rot90(taken, one // len(self.rows), axes=(-2, -1)) if self.turns else taken
        return turned


def scaled(x: Array, scaling: Scaling) -> Tensor:
    """Raw rows (N, *shape) as a network sees them."""
    tail = (1,) * (x.ndim - 2)
    mean, spread = (torch.tensor(each).view(-1, *tail) for each in (scaling.mean, scaling.spread))
    return (torch.from_numpy(np.ascontiguousarray(x, np.float32)) - mean) / spread


def _check_counts(**given: tuple[int, int]) -> None:
    for name, (count, least) in given.items():
        if count < least:
            raise TaskError(f"{name}={count} must be at least {least}")
