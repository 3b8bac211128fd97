"""An engine on a database of its own, and the roles of tests/runtime."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from psycopg.conninfo import make_conninfo
from tests.runtime.conftest import connect, owner, prepared, runtime, writer

import pgtrickle
from pgtrickle.engine import Engine

__all__ = ["connect", "owner", "prepared", "runtime", "writer"]


@pytest.fixture
def database(installed_database: str) -> str:
    return installed_database


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine with the runtime in an otherwise empty database, as a superuser."""
    with pgtrickle.connect(database) as opened:
        yield opened


@pytest.fixture
def other_engine(engine: Engine, database: str) -> Iterator[Engine]:
    """Another session of the same database."""
    with pgtrickle.connect(database) as opened:
        yield opened


@pytest.fixture
def engine_as(runtime: str) -> Iterator[Callable[..., Engine]]:
    """A function that opens an engine as one of the roles, or as a superuser."""
    with contextlib.ExitStack() as engines:

        def open_as(role: str | None = None) -> Engine:
            dsn = runtime if role is None else make_conninfo(runtime, user=f"pgt_test_{role}")
            return engines.enter_context(pgtrickle.connect(dsn))

        yield open_as
