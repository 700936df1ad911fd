"""The weighed sum of normalised terms, of which nothing is kept but their features.

A normalisation after a matrix P needs the mean and variance of P·features: P·mean, and the diagonal of P·covariance·Pᵀ.
So P, the normalisation and the weight become one matrix and one shift, and the sum of all terms a sum of products. The
gradients need means and products of the same kind, of the sum's gradient with the features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

BatchNorm = nn.modules.batchnorm._BatchNorm
WIDE = 16


@final
@dataclass(frozen=True)
class Term:
    """What an option says.

    Args:
        features: (B, C, H, W).
        norm: what normalises over the batch, with a scale and shift that do not learn; None: nothing does.
        point: (O, C), the 1 × 1 convolution before a normalisation; None: there is none.
    """

    features: Tensor
    norm: BatchNorm | None = None
    point: Tensor | None = None


def weighed_sum(weights: Tensor, terms: Sequence[Term]) -> Tensor:
    """The sum of `weights` (K,) times the terms. (B, O, H, W), channels last."""
    tensors = [each for term in terms for each in (term.features, term.point)]
    made: Tensor = _WeighedSum.apply(weights, [term.norm for term in terms], *tensors)  # type: ignore[no-untyped-call]
    return made


class _WeighedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, norms: list[BatchNorm | None], *tensors: Any) -> Tensor:
        rows, points = [_rows(each) for each in tensors[::2]], tensors[1::2]
        ctx.groups = _groups(rows, norms, points)
        ctx.save_for_backward(weights, *tensors)
        made = _like(tensors[0], rows[0].shape[1] if points[0] is None else len(points[0]))
        sums, weights = _rows(made), weights.to(made.dtype)
        sums[:] = sum(group.shift(weights[places]) for places, group in ctx.groups)
        for places, group in ctx.groups:
            group.add(sums, weights[places], [rows[place] for place in places])
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, *tensors = ctx.saved_tensors
        of_sum, features, numbers = _rows(gradient), tensors[::2], weights.to(gradient.dtype)
        mean, of_weights = of_sum.mean(0), torch.empty_like(numbers)
        made = [_like(x, x.shape[1]) if ctx.needs_input_grad[2 * i + 2] else None for i, x in enumerate(features)]
        into = [None if each is None else _rows(each) for each in made]
        of_points: list[Tensor | None] = [None] * len(features)
        for places, group in ctx.groups:
            rows = [_rows(features[place]) for place in places]
            of_weights[places], found = group.back(of_sum, mean, numbers[places], rows, [into[each] for each in places])
            for place, of_point in zip(places, found, strict=False):
                of_points[place] = of_point
        of_tensors = [each for pair in zip(made, of_points, strict=True) for each in pair]
        return of_weights.to(weights.dtype), None, *of_tensors


class _Group(ABC):
    """Small numbers of K terms of one kind, (K, …); `rows` are their features, (N, C) each, `weights` (K,)."""

    @abstractmethod
    def shift(self, weights: Tensor) -> Tensor | float:
        """What the terms add to all pixels alike, (O,)."""

    @abstractmethod
    def add(self, sums: Tensor, weights: Tensor, rows: list[Tensor]) -> None:
        """Add the terms but their shift to `sums` (N, O)."""

    @abstractmethod
    def back(
        self, of_sum: Tensor, mean: Tensor, weights: Tensor, rows: list[Tensor], into: list[Tensor | None]
    ) -> tuple[Tensor, Iterable[Tensor]]:
        """The gradients of the weights (K,), and of each point; those of the features are written `into` their places.

        Args:
            of_sum: (N, O), the gradient of the sum.
            mean: (O,), of its rows.
        """


@final
class _AsTheyAre(_Group):
    def shift(self, weights: Tensor) -> float:
        return 0.0

    def add(self, sums: Tensor, weights: Tensor, rows: list[Tensor]) -> None:
        for weight, each in zip(weights.tolist(), rows, strict=True):
            sums.add_(each, alpha=weight)

    def back(
        self, of_sum: Tensor, mean: Tensor, weights: Tensor, rows: list[Tensor], into: list[Tensor | None]
    ) -> tuple[Tensor, Iterable[Tensor]]:
        for weight, place in zip(weights, into, strict=True):
            if place is not None:
                torch.mul(of_sum, weight, out=place)
        return torch.stack([torch.dot(of_sum.reshape(-1), each.reshape(-1)) for each in rows]), ()


@final
class _Normed(_Group):
    """Of (x - mean) / deviation, times scale, plus shift."""

    def __init__(self, rows: list[Tensor], norms: list[BatchNorm]) -> None:
        self.means = torch.stack([each.mean(0) for each in rows])
        squares = [(each - mean).square_().mean(0) for each, mean in zip(rows, self.means, strict=True)]
        self.scale, self.offset, epsilon = _affine(norms, self.means)
        self.inverse = (torch.stack(squares) + epsilon).rsqrt()
        self.factor = self.scale * self.inverse

    def shift(self, weights: Tensor) -> Tensor:
        return weights @ (self.offset - self.factor * self.means)

    def add(self, sums: Tensor, weights: Tensor, rows: list[Tensor]) -> None:
        for factor, each in zip(weights[:, None] * self.factor, rows, strict=True):
            sums.addcmul_(each, factor)

    def back(
        self, of_sum: Tensor, mean: Tensor, weights: Tensor, rows: list[Tensor], into: list[Tensor | None]
    ) -> tuple[Tensor, Iterable[Tensor]]:
        product = torch.stack([(of_sum * each).mean(0) for each in rows]) - mean * self.means
        along = self.inverse * product  # mean of the gradient times what is normalised
        back = weights[:, None] * self.factor
        turn = back * self.inverse * along
        for factor, less, shift, each, place in zip(
            back, -turn, turn * self.means - back * mean, rows, into, strict=True
        ):
            if place is not None:
                place[:] = shift
                place.addcmul_(of_sum, factor).addcmul_(each, less)
        return len(of_sum) * (self.scale * along + self.offset * mean).sum(1), ()


@final
class _Pointed(_Group):
    """The same of point · x, whose variance the covariance of x says."""

    def __init__(self, rows: list[Tensor], norms: list[BatchNorm], points: list[Tensor]) -> None:
        self.points = torch.stack(points)  # (K, O, C)
        self.means = torch.stack([each.mean(0) for each in rows])
        self.across = self.points @ _centred(rows, rows, self.means, self.means)
        variance = (self.across * self.points).sum(2).clamp_min_(0.0)
        self.scale, self.offset, epsilon = _affine(norms, variance)
        self.inverse = (variance + epsilon).rsqrt()
        self.matrices = (self.scale * self.inverse)[..., None] * self.points

    def shift(self, weights: Tensor) -> Tensor:
        return weights @ (self.offset - (self.matrices @ self.means[..., None])[..., 0])

    def add(self, sums: Tensor, weights: Tensor, rows: list[Tensor]) -> None:
        for matrix, each in zip(weights[:, None, None] * self.matrices, rows, strict=True):
            _add_product(sums, each, matrix.T)

    def back(
        self, of_sum: Tensor, mean: Tensor, weights: Tensor, rows: list[Tensor], into: list[Tensor | None]
    ) -> tuple[Tensor, Iterable[Tensor]]:
        product = _centred([of_sum] * len(rows), rows, mean.expand(len(rows), -1), self.means)  # (K, O, C)
        along = self.inverse * (product * self.points).sum(2)
        less = (self.inverse * along)[..., None]
        back = weights[:, None, None] * self.matrices
        turn = self.points.mT @ (less * back)  # (K, C, C), symmetric
        shift = (self.means[:, None] @ turn)[:, 0] - mean @ back
        for matrix, each_turn, row, each, place in zip(back, turn, shift, rows, into, strict=True):
            if place is not None:
                place[:] = row
                _add_product(place, of_sum, matrix)
                _add_product(place, each, -each_turn)
        factor = len(of_sum) * weights[:, None] * self.scale * self.inverse
        of_points = factor[..., None] * (product - less * self.across)
        return len(of_sum) * (self.scale * along + self.offset * mean).sum(1), of_points


def _groups(
    rows: list[Tensor], norms: list[BatchNorm | None], points: Sequence[Tensor | None]
) -> list[tuple[list[int], _Group]]:
    """Terms that can be computed together, by their places."""
    kinds: dict[object, list[int]] = {}
    for place, (norm, point) in enumerate(zip(norms, points, strict=True)):
        kinds.setdefault((norm is None, None if point is None else point.shape), []).append(place)
    return [(places, _group(places, rows, norms, points)) for places in kinds.values()]


def _group(places: list[int], rows: list[Tensor], norms: Sequence[Any], points: Sequence[Any]) -> _Group:
    own, first = [rows[place] for place in places], places[0]
    if norms[first] is None:
        return _AsTheyAre()
    own_norms = [norms[place] for place in places]
    return _Normed(own, own_norms) if points[first] is None else _Pointed(own, own_norms, [points[p] for p in places])


def _centred(left: list[Tensor], right: list[Tensor], left_means: Tensor, right_means: Tensor) -> Tensor:
    """(K, L, R): means over rows of the products of columns, less those of the means."""
    made = -left_means[:, :, None] * right_means[:, None]
    for place, one, other in zip(made, left, right, strict=True):
        count = _together(one, other)
        products = (_wide(one, count).T @ _wide(other, count)).view(count, one.shape[1], count, other.shape[1])
        place.add_(products.diagonal(dim1=0, dim2=2).sum(2), alpha=1 / len(one))
    return made


def _add_product(sums: Tensor, rows: Tensor, matrix: Tensor) -> None:
    """sums += rows · matrix."""
    count = _together(sums, rows)
    wide = torch.block_diag(*[matrix] * count) if count > 1 else matrix  # type: ignore[no-untyped-call]
    _wide(sums, count).addmm_(_wide(rows, count), wide)


def _together(one: Tensor, other: Tensor) -> int:
    """How many rows are taken for one: products of a few columns are slower than of `WIDE`."""
    count = max(1, WIDE // max(one.shape[1], other.shape[1]))
    return count if len(one) % count == 0 and one.is_contiguous() and other.is_contiguous() else 1


def _wide(rows: Tensor, count: int) -> Tensor:
    return rows.view(len(rows) // count, -1) if count > 1 else rows


def _affine(norms: list[BatchNorm], like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scales and shifts (K, O), which do not learn, and what is added to variances (K, 1)."""
    epsilon = torch.tensor([[norm.eps] for norm in norms], dtype=like.dtype)
    if not all(norm.affine for norm in norms):
        return torch.ones_like(like), torch.zeros_like(like), epsilon
    return torch.stack([norm.weight for norm in norms]), torch.stack([norm.bias for norm in norms]), epsilon


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B·H·W, C), the same memory when channels are last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _like(x: Tensor, channels: int) -> Tensor:
    batch, _, height, width = x.shape
    return torch.empty((batch, channels, height, width), dtype=x.dtype, memory_format=torch.channels_last)
