"""An engine on a database that has two tables."""

from __future__ import annotations

from collections.abc import Iterator

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
            "create table sales (id integer primary key, region text, shop text, day date,"
            " amount numeric(10, 2), note text);"
            "create table shops (name text primary key, owner text)"
        )
        yield opened
