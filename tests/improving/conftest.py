"""Looks that are short, and take as long on a busy machine as on an idle one."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from shortcuts import refuse


@pytest.fixture
def exports() -> None:
    """For a test that asks after the ONNX file of what is deployed. Others have none: it takes longer than a look."""


@pytest.fixture(autouse=True)
def _brief(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of these sizes learn in half a second, so each challenger has that; seconds are this process's own."""
    clock = SimpleNamespace(monotonic=time.process_time, perf_counter=time.process_time)
    monkeypatch.setattr("azora.improving.cycle.LEAST_SECONDS", 0.5)
    monkeypatch.setattr("azora.improving.cycle.time", clock)
    monkeypatch.setattr("azora.training.fit.time", clock)
    if "exports" not in request.fixturenames:
        monkeypatch.setattr("azora.improving.promotion.export_onnx", refuse)
