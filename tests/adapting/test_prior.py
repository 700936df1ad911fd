"""The divergence from the meta-learned prior, against formulas by hand."""

from __future__ import annotations

import math

import pytest
import torch

from azora.adapting.prior import add_weights_gradient, options_divergence


def test_the_divergence_of_options_and_its_gradient_by_hand() -> None:
    logits = torch.tensor([0.5, -0.2, 1.0, 0.3, 0.0], dtype=torch.float64, requires_grad=True)
    prior = torch.tensor([0.1, 0.4, -0.3, 0.0, 2.0], dtype=torch.float64)
    spans = [slice(0, 3), slice(3, 5)]
    found = options_divergence(logits, prior, spans)
    (gradient,) = torch.autograd.grad(found, [logits])
    value, by_hand = 0.0, []
    for span in spans:
        own, before = ([math.exp(each) for each in part[span].tolist()] for part in (logits, prior))
        p, q = ([each / sum(part) for each in part] for part in (own, before))
        term = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        value += term
        by_hand += [a * (math.log(a / b) - term) for a, b in zip(p, q, strict=True)]  # dKL/dlogit
    assert found.item() == pytest.approx(value)
    torch.testing.assert_close(gradient, torch.tensor(by_hand, dtype=torch.float64))


def test_nothing_diverges_from_itself_even_with_an_option_taken_out() -> None:
    logits = torch.tensor([0.3, -1e9, 0.1], requires_grad=True)
    found = options_divergence(logits, logits.detach().clone(), [slice(0, 3)])
    (gradient,) = torch.autograd.grad(found, [logits])
    assert found.item() == 0.0
    assert gradient.tolist() == pytest.approx([0.0, 0.0, 0.0], abs=1e-7)


def test_the_gradient_of_the_weights_divergence_is_its_derivative() -> None:
    weights = [torch.randn(3, 2, requires_grad=True), torch.randn(4, requires_grad=True), torch.randn(2)]
    prior = [torch.randn(3, 2), torch.randn(4), torch.randn(2)]
    divergence = torch.stack([((w - p) ** 2).sum() for w, p in zip(weights, prior, strict=True)]).sum() / (2 * 0.2)
    expected = torch.autograd.grad(0.1 * divergence, weights[:2])
    for each in weights[:2]:
        each.grad = torch.ones_like(each)
    add_weights_gradient(weights, prior, variance=0.2, share=0.1)
    for each, gradient in zip(weights, expected, strict=False):
        assert each.grad is not None
        torch.testing.assert_close(each.grad, 1.0 + gradient)
    assert weights[2].grad is None
