"""Rows of a table as a network takes them, by tensor code that ONNX has words for."""

from __future__ import annotations

from statistics import NormalDist
from typing import final

import torch
from torch import Tensor, nn

from azora.tasks.preparation import KNOTS, RAREST, Preparation

ROWS_AT_ONCE = 2048
TINIEST = torch.finfo(torch.float32).tiny


@final
class Prepared(nn.Module):
    """(B, columns) as `Table.rows` has them → (B, table.width) without holes.

    First the numbers, then for each column that had holes whether this one was empty, then the words.
    """

    fill: Tensor
    mean: Tensor
    spread: Tensor
    knots: Tensor
    normal: Tensor
    mix: Tensor
    number: Tensor
    holed: Tensor
    column: Tensor
    word: Tensor
    shift: Tensor

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        columns, fits = preparation.table.columns, preparation.fits
        self.quantiles = preparation.scaling == "quantile"
        numbers = [place for place, each in enumerate(columns) if each.categories is None]
        fitted = [fits[place] for place in numbers]
        self._keep("number", numbers)
        self._keep("holed", [place for place, at in enumerate(numbers) if columns[at].holes])
        self._keep("fill", [fit[preparation.imputation] for fit in fitted])
        self._keep("mean", [fit["mean"] for fit in fitted])
        self._keep("spread", [fit["spread"] for fit in fitted])
        self.register_buffer("knots", torch.tensor([fit["knots"] for fit in fitted]).reshape(-1, KNOTS), False)
        shares = [min(max(place / (KNOTS - 1), RAREST), 1 - RAREST) for place in range(KNOTS)]
        self._keep("normal", [NormalDist().inv_cdf(share) for share in shares])
        self._words(preparation)

    def forward(self, x: Tensor) -> Tensor:
        given = x[:, self.number]
        holes = torch.isnan(given)
        values = torch.where(holes, self.fill, given)
        values = self._by_quantile(values) if self.quantiles else (values - self.mean) / self.spread
        words = (x[:, self.column] == self.word).float() @ self.mix + self.shift
        return torch.cat([values, holes[:, self.holed].float(), words], dim=1)

    def _by_quantile(self, values: Tensor) -> Tensor:
        """Linear between the knots: each stretch adds its share of what the normal value rises over it."""
        low, high = self.knots[:, :-1], self.knots[:, 1:]
        # Knots that are equal make a step. A larger floor would flatten columns in small units.
        passed = ((values[:, :, None] - low) / (high - low).clamp(min=TINIEST)).clamp(0.0, 1.0)
        return self.normal[0] + (passed * (self.normal[1:] - self.normal[:-1])).sum(dim=2)

    def _words(self, preparation: Preparation) -> None:
        """`mix` turns the marks of words (one number a word) into themselves, or into one number a column."""
        columns = preparation.table.columns
        wordy = [(place, each.categories) for place, each in enumerate(columns) if each.categories is not None]
        self._keep("column", [place for place, words in wordy for _ in words])
        self._keep("word", [float(at) for _, words in wordy for at in range(len(words))])
        slots = sum(len(words) for _, words in wordy)
        mix, shift, first = torch.eye(slots), torch.zeros(slots), 0
        for place, words in wordy if preparation.encoding == "frequency" else []:
            shares = torch.tensor(preparation.fits[place]["shares"])
            mean = (shares * shares).sum()
            spread = (shares * (shares - mean).square()).sum().sqrt()
            mix[first : first + len(words)] = 0.0
            mix[first : first + len(words), first] = shares / spread.clamp(min=1e-6)
            shift[first] = -mean / spread.clamp(min=1e-6)
            first += len(words)
        self.register_buffer("mix", mix, False)
        self.register_buffer("shift", shift, False)

    def _keep(self, name: str, values: list[int] | list[float]) -> None:
        kind = torch.int64 if name in ("number", "holed", "column") else torch.float32
        self.register_buffer(name, torch.tensor(values, dtype=kind), False)


def prepare(preparation: Preparation, x: Tensor) -> Tensor:
    """All rows of `x`, some at a time."""
    prepared = Prepared(preparation).to(x.device)
    parts = [prepared(x[start : start + ROWS_AT_ONCE].float()) for start in range(0, len(x), ROWS_AT_ONCE)]
    return torch.cat(parts)
