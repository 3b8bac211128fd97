# ruff: noqa: E501 -- an SQL statement reads best on one line
"""A few rows were written, and nothing else has happened: maintained without a refresh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row
from tests.runtime.conftest import Connect
from tests.runtime.immediate.queries import QUERIES

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
Current = Callable[..., None]
OF_ORDERS = ("marts.totals", "marts.big", "marts.regions")


@pytest.fixture(autouse=True)
def tables(sources: None, connect: Connect) -> None:
    """Maintained often enough that all they need is there."""
    connection = connect("owner")
    connection.row_factory = tuple_row
    engine = Engine(connection)
    for name in OF_ORDERS:
        engine.create_stream_table(name, QUERIES[name], refresh_mode="IMMEDIATE")
    both = (
        "with c as (update src.customers set region = region || 'x' where id = 7 returning id)"
        " update src.orders set amount = amount + 1 where id = 7"
    )
    for statement in (both, "update src.orders set amount = amount + 1 where id = 7") * 2:
        connect("writer").execute(statement)
    connect("writer").execute("update src.customers set region = 'r1' where id = 7")


@pytest.fixture
def no_refresh(connect: Connect) -> None:
    """Whatever needs a refresh fails."""
    admin = connect()
    (text,) = admin.execute(
        "select pg_get_functiondef('pgtrickle._refresh(bigint, text, text, boolean)'::regprocedure)"
    ).fetchone() or ("",)
    head, _, _ = text.partition("AS $function$")
    admin.execute(f"{head} as 'begin raise ''a refresh was needed''; end'")


def history(connection: Connection, name: str) -> list[Any]:
    return connection.execute(
        "select action, rows_inserted, rows_deleted, delta_row_count"
        " from pgtrickle.pgt_refresh_history where pgt_id = (pgtrickle._find(%s)).pgt_id"
        " order by refresh_id desc limit 1",
        [name],
    ).fetchall()


def test_no_refresh_is_needed(
    no_refresh: None, owner: Connection, writer: Connection, current: Current
) -> None:
    for statement in (
        "insert into src.orders values (200, 3, 70), (201, 4, 7)",
        "update src.orders set amount = amount + 10, customer = 1 + customer % 20 where id < 30",
        "delete from src.orders where id in (3, 200)",
        "delete from src.orders where false",
        "delete from src.orders where customer = 5",
        "insert into src.orders values (300, 5, 1)",
        "update src.orders set amount = null where false",
        "update src.customers set region = 'r2' where id < 5",
        "with c as (update src.customers set region = 'r1' where id = 3 returning id) update src.orders set amount = amount + 1 where customer in (select id from c)",
        "with c as (update src.customers set region = 'r0' where id = 3 returning id) update src.orders set amount = amount where false",
    ):
        writer.execute(statement)
        current(*OF_ORDERS)
    assert history(owner, "marts.totals") == [("DIFFERENTIAL", 1, 1, 10)]


def test_statements_of_one_transaction(
    no_refresh: None, connect: Connect, current: Current
) -> None:
    writer = connect("owner", autocommit=False)
    for i in range(40):
        writer.execute("update src.orders set amount = amount + 1 where id = 7")
        if i % 7 == 0:
            writer.execute("savepoint s")
            writer.execute("delete from src.orders where id = 9")
            writer.execute("rollback to s")
        current(*OF_ORDERS, on=writer)
    writer.rollback()
    current(*OF_ORDERS)


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "happening",
    [
        "alter table marts.totals rename to sums; create table marts.totals as table marts.sums",
        "alter table src.orders rename column amount to price; alter table src.orders rename column price to amount",
        "truncate src.orders cascade",
        "with gone as (delete from src.orders returning *) insert into src.orders select * from gone",
        "update src.orders set amount = amount + 1; update src.orders set amount = amount - 1 where id > 3",
        "create index on src.orders (amount)",
        "insert into src.orders select i, 1 + i % 20, i from generate_series(1000, 9000) i",
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_what_happens_before_is_noticed(
    owner: Connection, writer: Connection, current: Current, happening: str
) -> None:
    for part in happening.split("; "):
        owner.execute(part)
    moved = "rename to sums" in happening
    for _ in range(3):
        writer.execute(
            "insert into src.orders select coalesce(max(id), 0) + 1, 1, 60 from src.orders"
        )
        writer.execute("update src.orders set amount = amount + 1 where id > 95")
        current("marts.big", "marts.regions")
        query = QUERIES["marts.totals"]
        found = owner.execute(
            f"({query} except all table {'marts.sums' if moved else 'marts.totals'})"
        ).fetchall()
        assert found == []
    if moved:
        assert owner.execute("select count(*) from marts.totals").fetchone() == (20,)


def test_a_table_given_away_is_not_maintained_as_its_former_owner(
    connect: Connect, writer: Connection
) -> None:
    """Whose it is now may have put triggers on it, which would run as the former owner."""
    connect().execute(
        "alter table marts.totals owner to pgt_test_writer;"
        " grant all on marts.totals to pgt_test_owner"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="was given by role"):
        writer.execute("update src.orders set amount = amount + 1 where id = 7")
