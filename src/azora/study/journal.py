"""An append-only journal of JSON events."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, final

import sqlalchemy as sql

from azora.errors import StudyError

SCHEMA = 1
Event = Mapping[str, Any]
_ENCODE = json.JSONEncoder(allow_nan=False).encode  # made once: `json.dumps` with settings makes one a call


class Journal(Protocol):
    """An ordered log of JSON events."""

    def append(self, event: Event, *, durable: bool = True) -> None:
        """Write one event. When this returns, it and all before it are durable; one that need not be `durable` may wait
        for the next that must. StudyError when that fails."""
        ...

    def read(self, since: int = 0) -> Iterator[Event]:
        """The events in their order, without the first `since`. StudyError when what is there cannot be read."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


@final
class MemoryJournal:
    """A journal that is gone with the process: for tests, benchmarks and throw-away searches."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def append(self, event: Event, *, durable: bool = True) -> None:
        self._lines.append(_ENCODE(event))

    def read(self, since: int = 0) -> Iterator[Event]:
        return (json.loads(line) for line in self._lines[since:])

    def close(self) -> None:
        self._lines = list(self._lines)


_TABLES = sql.MetaData()
_EVENTS = sql.Table(
    "events",
    _TABLES,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("body", sql.Text, nullable=False),
)
_ABOUT = sql.Table("about", _TABLES, sql.Column("schema", sql.Integer, primary_key=True))


@final
class SqlJournal:
    """One table of events through SQLAlchemy: an SQLite file (write-ahead log, synchronous commits) or any URL.

    One transaction a durable event.

    Raises:
        StudyError: the database cannot be opened, or was written by a newer azora.
    """

    def __init__(self, where: Path | str) -> None:
        self.where = shown(where)
        self._waiting: list[dict[str, str]] = []
        try:
            self._engine = open_engine(where)
            self._connection = self._engine.connect()
            for table in _TABLES.sorted_tables:  # another process may be making them: who looks at a search that begins
                self._connection.execute(sql.schema.CreateTable(table, if_not_exists=True))
            self._connection.commit()
            self._check_schema()
        except sql.exc.SQLAlchemyError as error:
            raise StudyError(f"the journal {self.where} cannot be opened: {first_line(error)}") from error

    def append(self, event: Event, *, durable: bool = True) -> None:
        self._waiting.append({"body": _ENCODE(event)})
        if durable:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        try:
            self._connection.execute(_INSERT, self._waiting)
            self._connection.commit()
            self._waiting.clear()
        except sql.exc.SQLAlchemyError as error:
            with contextlib.suppress(sql.exc.SQLAlchemyError):
                self._connection.rollback()
            raise StudyError(
                f"the journal {self.where} cannot be written ({first_line(error)});"
                " what is in it is safe: make room and go on with --resume"
            ) from error

    def read(self, since: int = 0) -> Iterator[Event]:
        try:
            rows = self._connection.execute(sql.select(_EVENTS.c.body).order_by(_EVENTS.c.id)).fetchall()
            self._connection.rollback()  # an open read would hold the log back
            bodies = [body for (body,) in rows] + [row["body"] for row in self._waiting]
            return iter([json.loads(body) for body in bodies[since:]])
        except (sql.exc.SQLAlchemyError, ValueError) as error:
            raise StudyError(
                f"the journal {self.where} cannot be read ({first_line(error)});"
                " put a copy of it back or choose another --out"
            ) from error

    def close(self) -> None:
        with contextlib.suppress(StudyError):  # what waited need not be durable
            self._flush()
        self._connection.close()
        self._engine.dispose()

    def _check_schema(self) -> None:
        found = self._connection.execute(sql.select(_ABOUT.c.schema)).scalar()
        if found is None:
            with contextlib.suppress(sql.exc.IntegrityError):  # another process has said the same
                self._connection.execute(sql.insert(_ABOUT), {"schema": SCHEMA})
        self._connection.commit()
        if found is not None and found > SCHEMA:
            raise StudyError(
                f"the journal {self.where} has schema {found}, this azora reads up to {SCHEMA}; use a newer azora"
            )


def open_engine(where: Path | str) -> sql.Engine:
    """An SQLite file (write-ahead log, synchronous commits), or any URL that SQLAlchemy takes.

    A path is taken as it is, a text as a URL. Raises what SQLAlchemy raises where there is no such kind of database, or
    its driver is not installed.
    """
    # Written into the text of a URL, a path that has `?` or `%41` in it would be read as another file's.
    url = sql.URL.create("sqlite", database=str(where)) if isinstance(where, Path) else sql.make_url(where)
    try:
        engine = sql.create_engine(url)
    except ImportError as error:
        raise sql.exc.ArgumentError(f"{error.name or error} is not installed{_driver(url)}") from error
    if engine.dialect.name == "sqlite":
        sql.event.listen(engine, "connect", _durable)
    return engine


def shown(where: Path | str) -> str:
    """Where a database is, for the reader: without a password."""
    try:
        return str(where) if isinstance(where, Path) else sql.make_url(where).render_as_string()
    except sql.exc.ArgumentError:
        return str(where)


def _driver(url: sql.URL) -> str:
    """What brings the driver of a database of that kind, where azora has it among its extras."""
    if url.get_backend_name() != "postgresql":
        return ""
    return ": pip install azora[postgres], and begin the URL with postgresql+psycopg://"


_INSERT = sql.insert(_EVENTS)
_LOCKED_FOR = 5.0
"""Seconds to wait for who holds the file; SQLite's own wait is the same."""


def _durable(connection: Any, record: object) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """SQLite waits for a locked file with every statement but this; several may be opening a new journal at once."""
    until = time.monotonic() + _LOCKED_FOR
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def first_line(error: Exception) -> str:
    """What a database says, on one line."""
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0]
