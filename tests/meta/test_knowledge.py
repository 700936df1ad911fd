"""The memory of all searches."""

from __future__ import annotations

import json
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sql
from tests.meta.test_record import record

from azora.cli.main import main
from azora.errors import KnowledgeError
from azora.meta import Knowledge


def test_records_are_kept_replaced_and_forgotten(tmp_path: Path) -> None:
    where = tmp_path / "deep" / "memory.db"
    with Knowledge(where) as memory:
        for each in (record(), record(id="2", task="other"), record(metric="f1")):
            memory.remember(each)
    with Knowledge(where) as memory:
        assert memory.records() == [record(id="2", task="other"), record(metric="f1")]
        assert memory.forget(["other"]) == 1
        assert [each.id for each in memory.records()] == ["1"]
        with pytest.raises(KnowledgeError, match="has no search 'nosuch'; it has one"):
            memory.forget(["1", "nosuch"])
        assert memory.forget(["1"]) == 1 and memory.records() == []


def test_two_may_write_at_once(tmp_path: Path) -> None:
    with Knowledge(tmp_path / "m.db") as one, Knowledge(tmp_path / "m.db") as other:
        one.remember(record())
        other.remember(record(id="2"))
        assert [each.id for each in one.records()] == ["1", "2"]


def test_several_may_open_a_new_one_at_once(tmp_path: Path) -> None:
    def begin(number: int) -> None:
        with Knowledge(tmp_path / f"{number // 4}.db") as memory:
            memory.remember(record(id=str(number)))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(begin, range(24))) == [None] * 24
    for turn in range(6):
        with Knowledge(tmp_path / f"{turn}.db") as memory:
            assert len(memory.records()) == 4


def test_what_another_process_said_first_is_read(tmp_path: Path) -> None:
    """The other opens the new memory between our look at what it says of itself and our saying so."""
    said: list[str] = []

    def meanwhile(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO memory"):
            said.append(statement)
            if len(said) == 1:
                Knowledge(tmp_path / "m.db").close()

    sql.event.listen(sql.Engine, "before_cursor_execute", meanwhile)
    try:
        with Knowledge(tmp_path / "m.db") as memory:
            memory.remember(record())
            assert memory.records() == [record()]
    finally:
        sql.event.remove(sql.Engine, "before_cursor_execute", meanwhile)
    assert len(said) == 2


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    Knowledge(tmp_path / "m.db").close()
    with sqlite3.connect(tmp_path / "m.db") as connection:
        connection.execute("UPDATE memory SET schema = 7")
    with pytest.raises(KnowledgeError, match="has schema 7, this azora reads up to 1; use a newer azora"):
        Knowledge(tmp_path / "m.db")


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    file.write_bytes(b"this is no database " * 200)
    with pytest.raises(KnowledgeError, match=r"cannot be opened \(file is not a database\)"):
        Knowledge(file)
    with pytest.raises(KnowledgeError, match="cannot be opened"):
        Knowledge(file / "below")
    with pytest.raises(KnowledgeError, match="cannot be opened"):
        Knowledge("nosuch://host/name")


@pytest.mark.parametrize("body", ["{", "{}", json.dumps(record().to_json()).replace("0.95", "NaN"), "[" * 9_999])
def test_a_damaged_row_is_named_and_can_be_forgotten(body: str, tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    with Knowledge(file) as memory:
        for name in ("1", "broken", "3"):
            memory.remember(record(id=name))
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE studies SET body = ? WHERE id = 'broken'", [body])
        with pytest.raises(
            KnowledgeError, match=f"{file} cannot be read: the search broken in it is damaged"
        ) as caught:
            memory.records()
        assert str(caught.value).endswith(f"azora memory forget broken --knowledge {file} drops it")
        assert memory.forget(["broken"]) == 1
        assert [each.id for each in memory.records()] == ["1", "3"]


def test_all_can_be_forgotten_whatever_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    with Knowledge(file) as memory:
        memory.remember(record())
        memory.remember(record(id="2"))
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE studies SET body = '{'")
    assert main(["memory", "forget", "--all", "--knowledge", str(file)]) == 0
    with Knowledge(file) as memory:
        assert memory.records() == [] and memory.forget_all() == 0


def test_a_number_that_is_none_is_told(tmp_path: Path) -> None:
    with Knowledge(tmp_path / "m.db") as memory:
        with pytest.raises(KnowledgeError, match="cannot be written"):
            memory.remember(record(features={"linear": float("nan")}))
        assert memory.records() == []


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for driver in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, driver, None)
    for url in ("postgresql+psycopg://me:secret@host/name", "postgresql://me:secret@host/name"):
        with pytest.raises(
            KnowledgeError, match=r"psycopg2? is not installed: pip install azora\[postgres\]"
        ) as caught:
            Knowledge(url)
        assert "secret" not in str(caught.value) and "me:***@host" in str(caught.value)


def test_a_memory_that_another_process_holds_is_told(tmp_path: Path) -> None:
    with Knowledge(tmp_path / "m.db") as memory:
        holder = sqlite3.connect(tmp_path / "m.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(KnowledgeError, match=r"cannot be written \(database is locked\)"):
            memory.remember(record())
        holder.close()
