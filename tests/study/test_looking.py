"""Reading a journal without writing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from azora.errors import StudyError
from azora.study.folder import StudyFolder
from azora.study.journal import SqlJournal
from azora.study.looking import check_journal, read_journal

EVENT = {"kind": "created", "about": {"task": "x"}}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_is_read_is_not_written_into(tmp_path: Path) -> None:
    file = tmp_path / "study ?%41.db"
    journal = SqlJournal(file)
    journal.append(EVENT)
    assert read_journal(file) == [EVENT]  # while it is open
    journal.append(EVENT)
    journal.close()
    before = contents(tmp_path)
    assert read_journal(file) == [EVENT, EVENT]
    check_journal(file)
    assert contents(tmp_path) == before


def test_what_lies_where_nobody_may_write_is_read(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "study.db")
    journal.append(EVENT)
    journal.close()
    (tmp_path / "study.db").chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert read_journal(tmp_path / "study.db") == [EVENT]
    finally:
        tmp_path.chmod(0o755)


def test_a_journal_that_was_only_begun_has_no_events(tmp_path: Path) -> None:
    (tmp_path / "study.db").touch()
    assert read_journal(tmp_path / "study.db") == []


@pytest.mark.parametrize("resume", [False, True])
def test_a_database_of_something_else_is_refused_and_left_as_it_was(tmp_path: Path, resume: bool) -> None:
    other = sqlite3.connect(tmp_path / "study.db")
    other.execute("CREATE TABLE studies (id INTEGER)")
    other.commit()
    other.close()
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(StudyError, match=r"study\.db is the database of something else, no journal"):
        read_journal(tmp_path / "study.db")
    with pytest.raises(StudyError, match="the database of something else"):
        StudyFolder(tmp_path, resume=resume)
    assert (tmp_path / "study.db").read_bytes() == before


def test_damage_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StudyError, match="cannot be read"):
        read_journal(tmp_path / "broken.db")
    with pytest.raises(StudyError, match="cannot be opened"):
        check_journal(tmp_path / "broken.db")
