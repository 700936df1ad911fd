"""The scripts of `benchmarks/quality`, which are no package, as modules."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "quality"


@contextmanager
def _as_it_was() -> Iterator[pytest.MonkeyPatch]:
    """Scripts set how many threads there are, and look for their neighbours."""
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ):
        patch.syspath_prepend(str(FOLDER))
        yield patch


def script(name: str) -> ModuleType:
    with _as_it_was():
        return importlib.import_module(name)
