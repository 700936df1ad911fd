"""Whole searches, without what takes longest and is not asked about."""

from __future__ import annotations

import pytest

from azora import executors


@pytest.fixture(autouse=True, scope="module")
def _here(request: pytest.FixtureRequest) -> None:
    """Where a module does not say `PROCESSES = True`, its searches judge in this process, those of its fixtures too."""
    if not getattr(request.module, "PROCESSES", False):
        request.getfixturevalue("in_process")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real workers, where a search is cut short by its clock or has several."""
    for name in ("ProcessExecutor", "spawn"):
        monkeypatch.setattr(f"azora.automl.run.{name}", getattr(executors, name))
    monkeypatch.setattr("azora.executors.processes.spawn", executors.spawn)


@pytest.fixture(autouse=True)
def _slow(request: pytest.FixtureRequest) -> None:
    """What takes minutes anyway is done as users do it."""
    if request.node.get_closest_marker("slow") is not None:
        request.getfixturevalue("processes")
