"""The little the engine needs of a database connection.

The compiler and the installer speak to PostgreSQL through `Session`, so they run on a psycopg
connection as well as on a connection that dbt holds, inside dbt's own transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pgtrickle.errors import NotUnicodeError, PgTrickleError


class Session(Protocol):
    """Runs one SQL command. ``%s`` placeholders are used only when `parameters` is not empty."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run `sql` and return its rows ([] where it returns none)."""
        ...


PINNED_PATH = "pg_catalog, pg_temp"


@contextmanager
def pinned_search_path(session: Session) -> Iterator[list[str]]:
    """Ask the catalogs within: no operator or function of another schema stands in for theirs.

    Yields the schemas that were searched before, in order.
    """
    swap = (
        "select pg_catalog.current_setting('search_path'),"
        " pg_catalog.current_schemas(true)::pg_catalog.text[],"
        " pg_catalog.set_config(%s, %s, false)"
    )
    back = "select pg_catalog.set_config('search_path', %s, false)"
    ((path, schemas, _),) = session.rows(swap, ("search_path", PINNED_PATH))
    try:
        yield schemas
    except BaseException:
        with suppress(Exception):  # a transaction that failed puts it back when it is undone
            session.rows(back, (path,))
        raise
    session.rows(back, (path,))


class ConnectionStringError(PgTrickleError):
    """A connection string that cannot be read; not shown, for it may hold a password."""

    sqlstate = "08001"
    hint = "Examples: postgresql://user@host/database, or: host=... dbname=... user=..."


def check_connection_string(dsn: str) -> None:
    """Raise ConnectionStringError where libpq would refuse the text, and quote it."""
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise ConnectionStringError("the connection string cannot be understood") from None


class PsycopgSession:
    """A `Session` over a psycopg 3 connection. Commits nothing by itself."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(sql, parameters or None)
            except UnicodeEncodeError as error:
                raise NotUnicodeError(error) from None
            return list(cursor.fetchall()) if cursor.description is not None else []
