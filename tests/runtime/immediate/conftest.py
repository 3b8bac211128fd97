"""Sources with every kind of neighbour, and stream tables maintained by their writers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row
from tests.runtime import plans
from tests.runtime.conftest import Connect
from tests.runtime.immediate.queries import QUERIES
from tests.runtime.lifecycle.facts import call

from pgtrickle.engine import Engine

Connection = psycopg.Connection[Any]
Immediate = Callable[..., None]


@pytest.fixture(autouse=True)
def sources(owner: Connection) -> None:
    owner.execute("create table src.customers (id int primary key, region text not null)")
    owner.execute(
        "create table src.orders (id int primary key, customer int not null"
        " references src.customers on delete cascade on update cascade, amount int not null)"
    )
    owner.execute("insert into src.customers select i, 'r' || i % 3 from generate_series(1, 20) i")
    owner.execute("insert into src.orders select i, 1 + i % 20, i from generate_series(1, 100) i")


@pytest.fixture(params=["compiled", "pending"])
def immediate(request: pytest.FixtureRequest, owner: Connection, connect: Connect) -> Immediate:
    """A function that creates an IMMEDIATE stream table, with its plan and, again, without."""
    if request.param == "pending":

        def create(name: str, query: str, **options: Any) -> None:
            call(
                owner,
                "create_stream_table",
                name,
                query,
                refresh_mode="IMMEDIATE",
                **options,
            )

        return create
    connection = connect("owner")
    connection.row_factory = tuple_row
    engine = Engine(connection)

    def compiled(name: str, query: str, **options: Any) -> None:
        engine.create_stream_table(name, query, refresh_mode="IMMEDIATE", **options)

    return compiled


@pytest.fixture
def current(owner: Connection) -> Callable[..., None]:
    """A function that checks stream tables against their queries, on any connection."""

    def check(*names: str, on: Connection = owner) -> None:
        for name in names:
            assert plans.difference(on, name, QUERIES[name]) == [], name

    return check
