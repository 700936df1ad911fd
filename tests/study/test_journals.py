"""The contract for every journal, and what an SQL one must survive."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from azora.errors import StudyError
from azora.study import Journal, MemoryJournal, SqlJournal
from azora.study.journal import _write_ahead
from azora.study.looking import read_journal
from azora.testing import JournalContract


class TestJournals(JournalContract):
    @pytest.fixture(params=["memory", "file", "url"])
    def open_journal(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Journal]:
        if request.param == "memory":
            kept = MemoryJournal()
            return lambda: kept
        where = tmp_path / "study.db"
        return lambda: SqlJournal(where if request.param == "file" else f"sqlite:///{where}")


def test_every_event_is_committed_and_flushed(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "study.db")
    journal.append({"kind": "asked"})
    with sqlite3.connect(tmp_path / "study.db") as other:
        assert other.execute("select count(*) from events").fetchone() == (1,)
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)
    other.close()
    assert journal._connection.exec_driver_sql("pragma synchronous").scalar() == 2
    journal.close()


def test_several_may_open_a_new_one_at_once(tmp_path: Path) -> None:
    def look(file: Path) -> list[object]:
        journal = SqlJournal(file)
        try:
            return list(journal.read())
        finally:
            journal.close()

    with ThreadPoolExecutor(4) as pool:
        for turn in range(10):
            assert list(pool.map(look, 4 * [tmp_path / f"{turn}.db"])) == 4 * [[]]


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StudyError, match=r"psycopg is not installed: pip install azora\[postgres\]") as caught:
        SqlJournal("postgresql+psycopg://me:secret@host/name")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["what?.db", "half?mode=memory", "m%41.db", "a#b&c d.db"])
def test_a_path_is_no_url(name: str, tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / name)
    journal.append({"kind": "asked"})
    journal.close()
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_an_answer_of_busy_to_the_change_of_mode_is_waited_out() -> None:
    """SQLite gives it at once, whatever the time-out, where two connections are just opening a new file."""

    class Cursor:
        def __init__(self, *answers: int) -> None:
            self.answers = list(answers)

        def execute(self, statement: str) -> None:
            assert statement == "PRAGMA journal_mode=WAL"
            if self.answers:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = self.answers.pop()
                raise error

    cursor = Cursor(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY)
    _write_ahead(cursor)
    assert not cursor.answers
    with pytest.raises(sqlite3.OperationalError):
        _write_ahead(Cursor(sqlite3.SQLITE_NOTADB))


@pytest.mark.parametrize("open_it", [SqlJournal, read_journal])
def test_a_newer_schema_is_refused_in_words(tmp_path: Path, open_it: Callable[[Path], object]) -> None:
    SqlJournal(tmp_path / "study.db").close()
    with sqlite3.connect(tmp_path / "study.db") as other:
        other.execute("update about set schema = 99")
    other.close()
    with pytest.raises(StudyError, match="has schema 99, this azora reads up to 1; use a newer azora"):
        open_it(tmp_path / "study.db")


def test_what_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StudyError, match="cannot be opened"):
        SqlJournal(tmp_path / "study.db")


def test_a_damaged_journal_is_refused_in_words(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "study.db")
    for number in range(300):
        journal.append({"number": number, "text": "x" * 400}, durable=number == 299)
    journal.close()
    content = bytearray((tmp_path / "study.db").read_bytes())
    content[40_000:60_000] = b"\xa5" * 20_000
    (tmp_path / "study.db").write_bytes(content)
    with pytest.raises(StudyError, match="cannot be read"):
        list(SqlJournal(tmp_path / "study.db").read())


def test_a_journal_that_cannot_be_written_says_so_and_stays_readable(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "study.db")
    journal.append({"kind": "asked"})
    journal._connection.exec_driver_sql("pragma max_page_count = 1")
    with pytest.raises(StudyError, match="cannot be written"):
        for _ in range(100):
            journal.append({"kind": "told", "text": "x" * 5000})
    assert next(iter(journal.read())) == {"kind": "asked"}
    journal.close()


def test_nothing_but_json_goes_in() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        MemoryJournal().append({"value": float("nan")})
