"""An engine on a database that has the runtime and two small tables."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import pgtrickle
from pgtrickle.engine import Engine


@pytest.fixture
def database(installed_database: str) -> str:
    return installed_database


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    with pgtrickle.connect(database) as opened:
        opened.connection.execute(
            "create table customers (id integer primary key, region text);"
            "create table orders (id integer primary key, customer integer, amount numeric);"
            "insert into customers select i, 'r' || i % 3 from generate_series(1, 9) i;"
            "insert into orders select i, 1 + i % 9, i from generate_series(1, 50) i;"
        )
        yield opened


@pytest.fixture
def other(database: str) -> Iterator[psycopg.Connection]:
    """Another session, which writes."""
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened
