"""What many tests start from."""

from __future__ import annotations

import itertools
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from azora.tasks import Task, from_arrays

sys.path.insert(0, str(Path(__file__).parent))  # so that workers find `evaluators`, as they find a user's modules
_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Two test processes share two cores."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    yield


@pytest.fixture(autouse=True, scope="module")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a module's fixtures search for is not remembered in the user's home, nor in another module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZORA_HOME", str(tmp_path_factory.mktemp("module")))
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured in tests stays in tests, and what one of them found is not remembered in another."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_NUMBERS))  # `mktemp` reads all that was made before
    home.mkdir(parents=True)
    monkeypatch.setenv("AZORA_HOME", str(home))


@pytest.fixture(scope="module")
def in_process() -> Iterator[None]:
    """Searches judge in this process, and start no workers."""
    from shortcuts import Here  # it imports torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("azora.automl.run.ProcessExecutor", Here)
        for place in ("azora.automl.run.spawn", "azora.executors.processes.spawn"):
            patch.setattr(place, lambda *_: [])
        yield


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a search ships is trained for two epochs and has no ONNX file: both take longer than a small search."""
    from shortcuts import refuse

    monkeypatch.setattr("azora.automl.winner.FEWEST", 2.0)
    monkeypatch.setattr("azora.automl.delivery.export_onnx", refuse)


@pytest.fixture
def many_files() -> Iterator[None]:
    """So many are open that the next have numbers above 1024, beyond what `select.select` takes."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] != resource.RLIM_INFINITY and limits[1] < 4096:
        pytest.skip("this system lets nobody open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(4096, limits[0]), limits[1]))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def stripes() -> Task:
    """120 pictures of 8 × 8 pixels: stripes across or down, with noise. Learned in an epoch or two."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = rng.integers(0, 120, (120, 8, 8))
    x[y == 0, ::2, :] += 100
    x[y == 1, :, ::2] += 100
    return from_arrays(x.astype(np.uint8), y, name="stripes")


@pytest.fixture
def slopes() -> Task:
    """200 rows of 5 columns; what is to be predicted is a line of them, and a bend."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).astype(np.float32)
    y = 3 * x[:, 0] - 2 * x[:, 1] + np.abs(x[:, 2]) + 100
    return from_arrays(x, y.astype(np.float32), name="slopes")
