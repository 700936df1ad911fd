"""What tests of few-shot adaptation share."""

from __future__ import annotations

import pytest


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided is decided after a few steps, and judged by a few tasks."""
    monkeypatch.setattr("azora.adapting.adapting.LEAST", 2)
    monkeypatch.setattr("azora.adapting.shortlist.JUDGED", 3)
