"""Databases for corpora: the runtime installed, stale statistics never in the way."""

from __future__ import annotations

import psycopg
import pytest

from pgtrickle.engine import Engine


@pytest.fixture
def installed(connection: psycopg.Connection) -> psycopg.Connection:
    """A connection to an empty database with the runtime."""
    Engine(connection).install()
    return connection
