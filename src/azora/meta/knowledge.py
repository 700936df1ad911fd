"""What all searches of a user have found."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import final

import sqlalchemy as sql

from azora.errors import KnowledgeError
from azora.meta.record import Record
from azora.study.journal import first_line, open_engine, shown

SCHEMA = 1
_TABLES = sql.MetaData()
_STUDIES = sql.Table(
    "studies",
    _TABLES,
    sql.Column("id", sql.String(64), primary_key=True),
    sql.Column("place", sql.Integer, nullable=False),
    sql.Column("body", sql.Text, nullable=False),
)
_ABOUT = sql.Table("memory", _TABLES, sql.Column("schema", sql.Integer, primary_key=True))


@final
class Knowledge:
    """Records of searches in a database: a SQLite file, or any URL that SQLAlchemy takes.

    Every record is one row, so that a search that is forgotten is gone. Many processes may read and write.

    Raises:
        KnowledgeError: it cannot be opened, is locked, is no database, or was written by a newer azora.
    """

    def __init__(self, where: Path | str) -> None:
        self.where = shown(where)
        try:
            if isinstance(where, Path):
                where.parent.mkdir(parents=True, exist_ok=True)
            self._engine = open_engine(where)
            self._create()
            found = self._schema()
        except (sql.exc.SQLAlchemyError, OSError) as error:
            raise self._error("opened", error) from error
        if found > SCHEMA:
            raise KnowledgeError(
                f"the memory {self.where} has schema {found}, this azora reads up to {SCHEMA}; use a newer azora,"
                " another --knowledge, or --no-memory"
            )

    def remember(self, record: Record) -> None:
        """Keep a record; one of the same id is replaced.

        Raises:
            KnowledgeError: it cannot be written.
        """
        try:
            body = json.dumps(record.to_json(), allow_nan=False)
            with self._engine.begin() as connection:
                connection.execute(sql.delete(_STUDIES).where(_STUDIES.c.id == record.id))
                last = connection.execute(sql.select(sql.func.max(_STUDIES.c.place))).scalar() or 0
                connection.execute(sql.insert(_STUDIES), {"id": record.id, "place": last + 1, "body": body})
        except (sql.exc.SQLAlchemyError, ValueError) as error:
            raise self._error("written", error) from error

    def records(self) -> list[Record]:
        """All of them, the oldest first.

        Raises:
            KnowledgeError: it cannot be read, or a row is damaged, which can be forgotten by its id.
        """
        return [self._record(name, body) for name, body in self._rows()]

    def forget(self, names: Sequence[str]) -> int:
        """Drop the records of these ids or tasks, damaged ones by their id; how many that were.

        Raises:
            KnowledgeError: there is none of a name; then nothing is dropped.
        """
        tasks = {name: _task_of(body) for name, body in self._rows()}
        gone = set[str]()
        for name in names:
            found = {each for each, task in tasks.items() if name in (each, task)}
            if not found:
                known = ", ".join(sorted({task for task in tasks.values() if task is not None})) or "nothing"
                raise KnowledgeError(f"the memory has no search {name!r}; it has {known}")
            gone |= found
        return self._drop(_STUDIES.c.id.in_(sorted(gone)))

    def forget_all(self) -> int:
        """Drop all records, whatever is in them; how many that were.

        Raises:
            KnowledgeError: it cannot be written.
        """
        return self._drop(sql.true())

    def __enter__(self) -> Knowledge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release what is held."""
        self._engine.dispose()

    def _create(self) -> None:
        """The tables, each in a transaction of its own, so that what is said of the memory fails alone."""
        for table in _TABLES.sorted_tables:
            # Not every database waits for who is making the same table, even where it is made only if it is not there.
            with contextlib.suppress(sql.exc.IntegrityError), self._engine.begin() as connection:
                connection.execute(sql.schema.CreateTable(table, if_not_exists=True))

    def _schema(self) -> int:
        """The schema that the memory says it has; a new one is told this azora's."""
        with self._engine.connect() as connection:
            found = connection.execute(sql.select(_ABOUT.c.schema)).scalar()
        if found is not None:
            return int(found)
        # Another process may have said so in the meantime: then there is something to read.
        with contextlib.suppress(sql.exc.IntegrityError), self._engine.begin() as connection:
            connection.execute(sql.insert(_ABOUT), {"schema": SCHEMA})
        return self._schema()

    def _rows(self) -> list[tuple[str, str]]:
        """Ids and bodies, the oldest first."""
        try:
            with self._engine.connect() as connection:
                asked = sql.select(_STUDIES.c.id, _STUDIES.c.body).order_by(_STUDIES.c.place)
                return [(str(name), str(body)) for name, body in connection.execute(asked)]
        except sql.exc.SQLAlchemyError as error:
            raise self._error("read", error) from error

    def _record(self, name: str, body: str) -> Record:
        try:
            return Record.from_json(json.loads(body))
        except (KnowledgeError, ValueError, RecursionError) as error:
            raise KnowledgeError(
                f"the memory {self.where} cannot be read: the search {name} in it is damaged ({error}); azora memory"
                f" forget {name} --knowledge {self.where} drops it"
            ) from error

    def _drop(self, which: sql.ColumnElement[bool]) -> int:
        try:
            with self._engine.begin() as connection:
                return connection.execute(sql.delete(_STUDIES).where(which)).rowcount
        except sql.exc.SQLAlchemyError as error:
            raise self._error("written", error) from error

    def _error(self, what: str, error: Exception) -> KnowledgeError:
        return KnowledgeError(
            f"the memory {self.where} cannot be {what} ({first_line(error)}); choose another --knowledge or --no-memory"
        )


def _task_of(body: str) -> str | None:
    """The task that a record is of; None where it is damaged."""
    try:
        return str(json.loads(body)["task"]["name"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
