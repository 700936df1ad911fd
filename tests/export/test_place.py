"""A folder put in another's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from azora.export import place


def folder(at: Path, said: str) -> Path:
    at.mkdir()
    (at / "said").write_text(said)
    return at


@pytest.mark.parametrize("able", [True, False])
def test_the_new_one_is_there_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool) -> None:
    if not able:
        monkeypatch.setattr(place, "exchange", lambda one, other: False)
    there = tmp_path / "there"
    for said in ("first", "second", "third"):
        place.put(folder(tmp_path / "part", said), there)
        assert (there / "said").read_text() == said
        assert [each.name for each in tmp_path.iterdir()] == ["there"]


def test_an_exchange_is_whole_or_not_at_all(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "one", "1"), folder(tmp_path / "other", "2")
    said = ("2", "1") if place.exchange(one, other) else ("1", "2")
    assert ((one / "said").read_text(), (other / "said").read_text()) == said
    assert not place.exchange(one, tmp_path / "none")
    assert (one / "said").read_text() == said[0]
