"""Gradients through a step of the weights, against exact ones, and the curvature along logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from azora.training.bilevel import RADIUS, WeightStep, dominant_eigenvalue, first_order, second_order
from azora.training.optimiser import MOMENTUM, Optimiser
from azora.training.recipe import RecipeSettings

RATE, DECAYS = 0.1, (0.03, 0.0)


def squared(errors: Tensor) -> Tensor:
    return errors.square().mean()


class Problem:
    """Two layers whose hidden units are weighed by a softmax of logits; other rows to learn from than to judge by."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.weights = [drawn(4, 6).requires_grad_(), drawn(6, 2).requires_grad_()]
        self.logits = drawn(6).requires_grad_()
        self.rows = drawn(16, 4), drawn(16, 2)
        self.others = drawn(16, 4), drawn(16, 2)
        self.step = WeightStep(RATE, MOMENTUM, [drawn(4, 6), None], DECAYS)

    def loss(self, rows: tuple[Tensor, Tensor], weights: Sequence[Tensor]) -> Tensor:
        hidden = torch.tanh(rows[0] @ weights[0]) * 6 * torch.softmax(self.logits, 0)
        return squared(hidden @ weights[1] - rows[1])

    def training(self) -> Tensor:
        return self.loss(self.rows, self.weights)

    def validation(self) -> Tensor:
        return self.loss(self.others, self.weights)

    def exact(self) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The validation loss after a step of Nesterov's momentum and decay, its gradient through that step, and the
        weights."""
        gradients = torch.autograd.grad(self.training(), self.weights, create_graph=True)
        stepped = []
        for weight, gradient, buffer, decay in zip(
            self.weights, gradients, self.step.buffers, self.step.decays, strict=True
        ):
            direction = gradient + decay * weight
            moved = direction if buffer is None else MOMENTUM * buffer + direction
            stepped.append(weight - RATE * (direction + MOMENTUM * moved))
        value = self.loss(self.others, stepped)
        (gradient,) = torch.autograd.grad(value, [self.logits])
        return value.detach(), gradient, [each.detach() for each in stepped]

    def copied_slip(self) -> Tensor:
        """As ports of the authors' code have it: what is to be divided by 2 e is halved and multiplied by e."""
        kept = [weight.detach().clone() for weight in self.weights]

        def put(values: Sequence[Tensor]) -> None:
            for weight, value in zip(self.weights, values, strict=True):
                weight.data.copy_(value)

        put(self.exact()[2])
        direct, *along = torch.autograd.grad(self.validation(), [self.logits, *self.weights])
        eps = RADIUS / torch.cat([each.flatten() for each in along]).norm()
        sides = []
        for sign in (1, -1):
            put([weight + sign * eps * each for weight, each in zip(kept, along, strict=True)])
            sides.append(torch.autograd.grad(self.training(), [self.logits])[0])
        put(kept)
        slipped: Tensor = direct - RATE * (1 + MOMENTUM) * (sides[0] - sides[1]) / 2.0 * eps
        return slipped


def error(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


def test_second_order_is_the_gradient_through_the_step() -> None:
    problem = Problem()
    value, exact, _ = problem.exact()
    told, found = second_order(problem.training, problem.validation, problem.weights, problem.logits, problem.step)
    assert error(found, exact) < 1e-5
    assert float(told) == pytest.approx(float(value), rel=1e-12)


def test_the_well_known_slip_is_no_gradient_through_the_step() -> None:
    problem = Problem()
    assert error(problem.copied_slip(), problem.exact()[1]) > 1e-3


def test_momentum_and_decay_are_in_the_step() -> None:
    problem = Problem()
    _, exact, stepped = problem.exact()
    gradients = torch.autograd.grad(problem.training(), problem.weights)
    for found, expected in zip(problem.step.of(problem.weights, gradients), stepped, strict=True):
        torch.testing.assert_close(found.detach(), expected)
    for other in (
        WeightStep(RATE, 0.0, problem.step.buffers, DECAYS),
        WeightStep(RATE, MOMENTUM, problem.step.buffers, (0.0, 0.0)),
    ):
        _, found = second_order(problem.training, problem.validation, problem.weights, problem.logits, other)
        assert error(found, exact) > 1e-3


def test_the_step_is_the_one_that_the_optimiser_makes() -> None:
    """At the first step, where there is no momentum yet, and at later ones."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    optimiser, weights = Optimiser(network, RecipeSettings("sgd", weight_decay=0.1)), list(network.parameters())
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        optimiser.zero_grad()
        squared(network(torch.randn(16, 4, generator=generator))).backward()
        held = optimiser.momenta()
        buffers = [held[id(each)].clone() if id(each) in held else None for each in weights]
        step = WeightStep(RATE, MOMENTUM, buffers, [0.1 if each.ndim > 1 else 0.0 for each in weights])
        expected = step.of([each.detach().clone() for each in weights], [each.grad for each in weights])  # type: ignore[misc]
        optimiser.step(RATE)
        for weight, told in zip(weights, expected, strict=True):
            torch.testing.assert_close(weight.detach(), told)


def test_the_weights_are_what_they_were_bit_for_bit() -> None:
    problem = Problem()
    kept = [each.detach().clone() for each in (*problem.weights, problem.logits)]
    second_order(problem.training, problem.validation, problem.weights, problem.logits, problem.step)
    assert all(map(torch.equal, kept, [*problem.weights, problem.logits]))

    def failing() -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        second_order(problem.training, failing, problem.weights, problem.logits, problem.step)
    assert all(map(torch.equal, kept, [*problem.weights, problem.logits]))
    assert all(each.grad is None for each in (*problem.weights, problem.logits))


def test_first_order_takes_the_weights_as_they_are() -> None:
    problem = Problem()
    value, found = first_order(problem.validation, problem.logits)
    torch.testing.assert_close(found, torch.autograd.grad(problem.validation(), [problem.logits])[0])
    assert float(value) == float(problem.validation().detach()) and not value.requires_grad
    assert error(found, problem.exact()[1]) > 1e-3
    still = WeightStep(0.0, MOMENTUM, problem.step.buffers, DECAYS)  # ξ = 0
    _, same = second_order(problem.training, problem.validation, problem.weights, problem.logits, still)
    torch.testing.assert_close(found, same)


def test_a_training_loss_without_logits_gives_the_gradient_after_the_step_alone() -> None:
    """As where the path was drawn, and what was drawn is a number."""
    problem = Problem()

    def drawn() -> Tensor:
        return squared(torch.tanh(problem.rows[0] @ problem.weights[0]) @ problem.weights[1] - problem.rows[1])

    gradients = torch.autograd.grad(drawn(), problem.weights)
    stepped = [each.detach() for each in problem.step.of(problem.weights, gradients)]
    (exact,) = torch.autograd.grad(problem.loss(problem.others, stepped), [problem.logits])
    _, found = second_order(drawn, problem.validation, problem.weights, problem.logits, problem.step)
    torch.testing.assert_close(found, exact)


# Curvature ----------------------------------------------------------------------------------------------------------


def curved(sign: float) -> tuple[Callable[[], Tensor], Tensor, Tensor]:
    """A loss of eight logits that is no parabola, the logits, and its Hessian where they are."""
    generator = torch.Generator().manual_seed(1)
    turned, _ = torch.linalg.qr(torch.randn(8, 8, generator=generator, dtype=torch.float64))
    values = torch.tensor([3.0, -1.5, 1.0, 0.5, 0.2, 0.1, -0.2, 0.0], dtype=torch.float64) * sign
    logits = torch.randn(8, generator=generator, dtype=torch.float64).requires_grad_()

    def of(x: Tensor) -> Tensor:
        value: Tensor = 0.5 * x @ (turned * values) @ turned.T @ x + 0.3 * torch.softmax(x, 0).square().sum()
        return value

    return (lambda: of(logits)), logits, torch.autograd.functional.hessian(of, logits.detach())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_dominant_eigenvalue_is_that_of_the_exact_hessian(sign: float) -> None:
    loss, logits, hessian = curved(sign)
    kept, exact = logits.detach().clone(), torch.linalg.eigvalsh(hessian)
    largest = float(exact[exact.abs().argmax()])
    assert largest * sign > 2  # the most negative, where that is largest
    for seed in range(5):
        found = dominant_eigenvalue(loss, logits, torch.Generator().manual_seed(seed))
        assert found == pytest.approx(largest, rel=1e-2)
    assert torch.equal(logits, kept)


def test_a_flat_loss_has_no_curvature() -> None:
    logits = torch.zeros(4, requires_grad=True)
    assert dominant_eigenvalue(lambda: 3 * logits.sum(), logits, torch.Generator().manual_seed(0)) == 0.0
