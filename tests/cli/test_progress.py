"""What a terminal shows."""

from __future__ import annotations

import pytest

from azora.automl.watching import Sight
from azora.cli.progress import _Live


def test_what_looks_like_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    live = _Live()
    live.note("what ships could not be measured: [/usr/bin/run {model}] gave x[a]")
    live.see(Sight("searching [/bold]", 1, 0, "accuracy", 0.5, 0.1, 10.0))
    live.close()
    assert "[/usr/bin/run {model}] gave x[a]" in capsys.readouterr().err.replace("\n", " ")
