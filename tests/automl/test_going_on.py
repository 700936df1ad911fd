"""Studies that go on: they know themselves again, and one in which nothing was judged is left as it was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import azora
from azora.automl.reading import read_events
from azora.errors import BudgetError, StudyError
from azora.tasks import Task

WORDS: dict[str, Any] = {"trials": 2, "workers": 1, "space_settings": {"widths": (4,), "depths": (1,), "stages": 2}}


def ends(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Every session ends so once its study is open."""

    def go(_: object) -> None:
        raise error

    monkeypatch.setattr("azora.automl.run._Run.go", go)


def test_settings_that_json_writes_otherwise_are_those_that_the_study_began_with(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"arms": ("evolution", "random"), "forgetting": 0.1}
    ends(monkeypatch, StudyError("the session is over"))
    for resume in (False, True):
        with pytest.raises(StudyError, match=r"^the session is over$"):
            azora.search(
                stripes, strategy="bandit", strategy_settings=settings, out=tmp_path / "out", resume=resume, **WORDS
            )
    kinds = [event["kind"] for event in read_events(tmp_path / "out")]
    assert kinds == ["created", "opened", "opened"]


def test_a_resumed_study_in_which_nothing_was_judged_is_left_as_it_was_found(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    ends(monkeypatch, StudyError("killed"))  # which leaves the folder alone
    with pytest.raises(StudyError, match="killed"):
        azora.search(stripes, out=out, **WORDS)
    ends(monkeypatch, BudgetError("the budget was too short"))
    with pytest.raises(BudgetError):
        azora.search(stripes, out=out, resume=True, **WORDS)
    assert (out / "study.db").is_file()
    with pytest.raises(BudgetError):
        azora.search(stripes, out=tmp_path / "fresh", **WORDS)
    assert not (tmp_path / "fresh").exists()


def test_a_strategy_from_a_file_is_gone_on_with_as_the_file_was(
    stripes: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = tmp_path / "learned.json", tmp_path / "out"

    def session(text: str, **words: Any) -> None:
        file.write_text(text, encoding="utf-8")
        settings = {"file": str(file)}
        azora.search(stripes, strategy="composed", strategy_settings=settings, out=out, **words, **WORDS)

    ends(monkeypatch, StudyError("the session is over"))
    for text, resume in (('{"settings": {"start": 3}}', False), ('{"by": "me", "settings": {"start":  3}}', True)):
        with pytest.raises(StudyError, match=r"^the session is over$"):
            session(text, resume=resume)
    with pytest.raises(StudyError, match=r"a study with file 'SHA-256 \w{16}', not file 'SHA-256 \w{16}'; choose"):
        session('{"settings": {"start": 4}}', resume=True)
