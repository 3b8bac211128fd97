"""Databases without the runtime, and roles that may or may not install it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Connection = psycopg.Connection[Any]
ROLES = ("pgt_install_a", "pgt_install_b")


@pytest.fixture
def connect(database: str) -> Iterator[Callable[..., Connection]]:
    """A function that opens connections: `connect("a")`, in autocommit unless told.

    Role a may create schemas in the database, b may not.
    """
    with psycopg.connect(database, autocommit=True) as superuser:
        for role in ROLES:
            with contextlib.suppress(
                psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation
            ):
                superuser.execute(f"create role {role} login")
        name = conninfo_to_dict(database)["dbname"]
        superuser.execute(f'grant create on database "{name}" to pgt_install_a')
        superuser.execute("grant create on schema public to pgt_install_a, pgt_install_b")
    with contextlib.ExitStack() as connections:

        def open_as(role: str | None = None, *, autocommit: bool = True) -> Connection:
            dsn = database if role is None else make_conninfo(database, user=f"pgt_install_{role}")
            return connections.enter_context(
                contextlib.closing(psycopg.connect(dsn, autocommit=autocommit))
            )

        yield open_as
