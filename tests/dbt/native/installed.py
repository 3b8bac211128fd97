"""A server with the extension pg_trickle itself: PGTRICKLE_TEST_NATIVE_DSN names it, if any.

What runs on a stand-in runs there too. The DSN is of a superuser: the extension asks for one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

SERVER = os.environ.get("PGTRICKLE_TEST_NATIVE_DSN")
# Stands for the version of the extension, beside those of stand-ins.
INSTALLED = ["installed"] if SERVER else []


@contextlib.contextmanager
def native_database(name: str) -> Iterator[str]:
    """The DSN of a new database with the extension, whose scheduler keeps still."""
    assert SERVER is not None
    database = sql.Identifier(name)
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(database))
        connection.execute(sql.SQL("create database {}").format(database))
        connection.execute(
            sql.SQL("alter database {} set pg_trickle.enabled = off").format(database)
        )
        dsn = make_conninfo(SERVER, dbname=name)
        try:
            with psycopg.connect(dsn, autocommit=True) as made:
                made.execute("create extension pg_trickle")
            yield dsn
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(database))
