"""Draws that depend on a seed alone."""

from __future__ import annotations

import traceback

import pytest
import torch

from azora.training.seeding import seed_draws


def test_the_draws_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(7)
    usual = torch.rand(5)

    def formatted(*words: object) -> list[str]:
        raise AssertionError("the stack is formatted in every step")

    monkeypatch.setattr(traceback, "format_stack", formatted)
    seed_draws(7, "cpu")
    assert torch.equal(torch.rand(5), usual)
