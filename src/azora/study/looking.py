"""Reading a journal's file without writing into it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from azora.errors import StudyError
from azora.study.journal import SCHEMA, Event


def read_journal(file: Path) -> list[Event]:
    """The events in an SQLite file, which a search may be writing into. Nothing is written: it may lie where nobody
    may.

    Raises:
        StudyError: it is damaged, no journal, or of a newer azora.
    """
    try:
        with _opened(file) as connection:
            if not _is_begun(file, connection):
                return []
            rows = connection.execute("SELECT body FROM events ORDER BY id").fetchall()
            return [json.loads(body) for (body,) in rows]
    except (sqlite3.Error, ValueError) as error:
        raise StudyError(
            f"the journal {file} cannot be read ({error}); put a copy of it back or choose another --out"
        ) from error


def check_journal(file: Path) -> None:
    """Raises StudyError where `read_journal` would; what the events say is not read."""
    try:
        with _opened(file) as connection:
            _is_begun(file, connection)
    except sqlite3.Error as error:
        raise StudyError(f"the journal {file} cannot be opened: {error}") from error


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    # A file that nobody has open needs no lock, for which SQLite would write beside it.
    busy = file.with_name(f"{file.name}-wal").exists()
    where = f"file:{quote(str(file.absolute()))}?{'mode=ro' if busy else 'immutable=1'}"
    connection = sqlite3.connect(where, uri=True)
    try:
        yield connection
    finally:
        connection.close()


def _is_begun(file: Path, connection: sqlite3.Connection) -> bool:
    """Whether there is a journal in the database; it has nothing in it at all, where there is none."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables <= {"events", "about"}:
        raise StudyError(f"{file} is the database of something else, no journal; choose another folder")
    if "about" in tables:
        found = connection.execute("SELECT max(schema) FROM about").fetchone()[0]
        if found is not None and found > SCHEMA:
            raise StudyError(
                f"the journal {file} has schema {found}, this azora reads up to {SCHEMA}; use a newer azora"
            )
    return "events" in tables
