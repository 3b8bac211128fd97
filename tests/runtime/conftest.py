"""Databases with the runtime installed by a plain role, and the roles of a stream table's life.

installer   owns the runtime's schemas and nothing else
owner       owns the stream tables, and may read and put triggers on the sources
writer      writes the sources and has no right on any stream table
reader      may read stream tables
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import namedtuple_row

from pgtrickle.database import PsycopgSession
from pgtrickle.install import install

ROLES = ("pgt_test_installer", "pgt_test_owner", "pgt_test_writer", "pgt_test_reader")

Connect = Callable[..., psycopg.Connection[Any]]


def _prepare(dsn: str) -> None:
    """Roles, which all databases of a server share, and what each may do in this database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for role in ROLES:
            with contextlib.suppress(
                psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation
            ):
                connection.execute(f"create role {role} login")
        name = conninfo_to_dict(dsn)["dbname"]
        connection.execute(f'grant create on database "{name}" to pgt_test_installer')
        connection.execute("create schema src authorization pgt_test_owner")
        connection.execute("create schema marts authorization pgt_test_owner")
        connection.execute("grant usage on schema src, marts to public")
        connection.execute(
            "alter default privileges for role pgt_test_owner in schema src"
            " grant select, insert, update, delete, truncate on tables to pgt_test_writer"
        )
    with psycopg.connect(make_conninfo(dsn, user="pgt_test_installer")) as connection:
        install(PsycopgSession(connection))


@pytest.fixture(scope="session")
def prepared(
    fresh_database: Callable[..., AbstractContextManager[str]],
) -> Iterator[Callable[[str], str]]:
    """A function from a server version to the name of a database to copy."""
    known: dict[str, str] = {}
    with contextlib.ExitStack() as databases:

        def name(version: str) -> str:
            if version not in known:
                dsn = databases.enter_context(fresh_database(version))
                _prepare(dsn)
                known[version] = str(conninfo_to_dict(dsn)["dbname"])
            return known[version]

        yield name


@pytest.fixture
def runtime(
    fresh_database: Callable[..., AbstractContextManager[str]],
    prepared: Callable[[str], str],
    server_version: str,
) -> Iterator[str]:
    """The DSN of a new database with the runtime, as a superuser."""
    with fresh_database(server_version, template=prepared(server_version)) as dsn:
        yield dsn


@pytest.fixture
def connect(runtime: str) -> Iterator[Connect]:
    """A function that opens connections: `connect("owner")`, in autocommit unless told."""
    with contextlib.ExitStack() as connections:

        def open_as(role: str | None = None, *, autocommit: bool = True) -> psycopg.Connection[Any]:
            dsn = runtime if role is None else make_conninfo(runtime, user=f"pgt_test_{role}")
            return connections.enter_context(
                contextlib.closing(
                    psycopg.connect(dsn, autocommit=autocommit, row_factory=namedtuple_row)
                )
            )

        yield open_as


@pytest.fixture
def owner(connect: Connect) -> psycopg.Connection[Any]:
    return connect("owner")


@pytest.fixture
def writer(connect: Connect) -> psycopg.Connection[Any]:
    return connect("writer")
