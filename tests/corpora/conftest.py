"""Databases for corpora: the runtime installed, stale statistics never in the way."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest


@pytest.fixture
def installed(installed_database: str) -> Iterator[psycopg.Connection]:
    """A connection to an empty database with the runtime."""
    with psycopg.connect(installed_database, autocommit=True) as opened:
        yield opened
