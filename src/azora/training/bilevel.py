"""The gradient of a validation loss with respect to architecture logits, through a step of the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

RADIUS = 0.01  # of the finite difference, in units of the weights' gradient's norm

Loss = Callable[[], Tensor]


@final
@dataclass(frozen=True)
class WeightStep:
    """The step that the weights would make next, with Nesterov's momentum as `azora.training.optimiser` has it.

    The optimiser makes its buffer b' = momentum · b + g of g = gradient + decay · w (at the first step, b' = g) and
    steps along g + momentum · b': w' = w - rate ((1 + momentum) g + momentum² · b). That gradients are clipped is not
    looked at.

    Args:
        buffers: of the momentum, beside the weights; None where there is none yet.
        decays: of each weight.
    """

    rate: float
    momentum: float
    buffers: Sequence[Tensor | None]
    decays: Sequence[float]

    def of(self, weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[Tensor]:
        """Where the weights would be."""
        made = []
        for weight, gradient, buffer, decay in zip(weights, gradients, self.buffers, self.decays, strict=True):
            direction = (1 + self.momentum) * (gradient + decay * weight)
            if buffer is not None:
                direction = direction + self.momentum**2 * buffer
            made.append(weight - self.rate * direction)
        return made

    @property
    def reach(self) -> float:
        """How far a weight is moved by a unit of its gradient."""
        return self.rate * (1 + self.momentum)


def first_order(loss: Loss, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient with respect to the logits as if the weights did not depend on them (Liu et al., 2019,
    with ξ = 0): that of the weights is not computed."""
    value = loss()
    return value.detach(), _gradient(value, logits)


def second_order(
    training: Loss,
    validation: Loss,
    weights: Sequence[Tensor],
    logits: Tensor,
    step: WeightStep,
    radius: float = RADIUS,
) -> tuple[Tensor, Tensor]:
    """The validation loss after the weights' next step, and its gradient with respect to the logits.

    dL_val(w', a)/da = d_a L_val - rate (1 + momentum) · d²L_train/da dw · d_w' L_val; the product with the mixed
    derivative is the difference of d_a L_train at w ± e · d_w' L_val over 2 e, with e = `radius` / ‖d_w' L_val‖ (Liu et
    al., 2019, whose momentum is not Nesterov's).

    Both losses are functions of the weights and logits as they stand when they are called; what else they depend on
    (draws, statistics of normalisations) must be the same in every call. The weights are put back from a copy.
    """
    kept = [weight.detach().clone() for weight in weights]
    gradients = _gradients(training(), weights)
    try:
        _put(weights, step.of(kept, gradients))
        value = validation()
        gradient, *directions = torch.autograd.grad(value, [logits, *weights], allow_unused=True)
        gradient = torch.zeros_like(logits) if gradient is None else gradient
        directions = [torch.zeros_like(w) if d is None else d for d, w in zip(directions, weights, strict=True)]
        norm = torch.sqrt(
            sum((each.double().square().sum() for each in directions), torch.zeros((), dtype=torch.float64))
        )
        if float(norm) == 0.0:
            return value.detach(), gradient
        reach = radius / float(norm)
        _put(weights, [w + reach * d for w, d in zip(kept, directions, strict=True)])
        (above,) = _gradients(training(), [logits])  # of none, where what is drawn leads to no logits
        _put(weights, [w - reach * d for w, d in zip(kept, directions, strict=True)])
        (below,) = _gradients(training(), [logits])
    finally:
        _put(weights, kept)
    return value.detach(), gradient - step.reach * (above - below) / (2 * reach)


def dominant_eigenvalue(
    loss: Loss, logits: Tensor, generator: torch.Generator, rounds: int = 10, reach: float = 1e-2
) -> float:
    """The eigenvalue of the loss's Hessian with respect to the logits that is largest in absolute value.

    By power iteration; products with the Hessian are differences of gradients at the logits ± `reach` along a vector
    of length 1. The loss must be the same function in every call.
    """
    vector = torch.randn(logits.shape, generator=generator, dtype=logits.dtype)
    vector /= vector.norm()
    kept, value = logits.detach().clone(), 0.0
    try:
        for _ in range(rounds):
            _put([logits], [kept + reach * vector])
            above = _gradient(loss(), logits)
            _put([logits], [kept - reach * vector])
            below = _gradient(loss(), logits)
            product = (above - below) / (2 * reach)
            value = float(vector @ product)
            if float(norm := product.norm()) == 0.0:
                break
            vector = product / norm
    finally:
        _put([logits], [kept])
    return value


def _gradient(loss: Tensor, logits: Tensor) -> Tensor:
    """Zero where the loss does not hang on the logits: a draw may have been all `none`."""
    (found,) = torch.autograd.grad(loss, [logits], allow_unused=True)
    return torch.zeros_like(logits) if found is None else found


def _gradients(loss: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(loss, list(weights), allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for g, w in zip(found, weights, strict=True)]


@torch.no_grad()
def _put(places: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for place, value in zip(places, values, strict=True):
        place.copy_(value)
