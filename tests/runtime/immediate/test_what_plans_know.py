# ruff: noqa: E501 -- an SQL statement reads best on one line
"""What programs know of their sources since they were planned, and when that does not hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row
from tests.runtime.conftest import Connect
from tests.runtime.immediate.queries import QUERIES
from tests.runtime.waiting import PATIENCE, begun

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
Current = Callable[..., None]
TABLES = ("marts.totals", "marts.big", "marts.regions")
UNCAPTURED = (
    "alter table src.customers disable trigger user",
    "update src.customers set region = 'r' || (id + 1) % 3",
    "alter table src.customers enable trigger user",
)
WRITE = "update src.orders set amount = amount + 1 where id % 7 = 3"


@pytest.fixture
def engine(connect: Connect) -> Engine:
    connection = connect("owner")
    connection.row_factory = tuple_row
    return Engine(connection)


@pytest.fixture
def planned(engine: Engine, sources: None, writer: Connection) -> Connection:
    """A writer who has had all these maintained so often that everything is planned."""
    for name in TABLES:
        engine.create_stream_table(name, QUERIES[name], refresh_mode="IMMEDIATE")
    for _ in range(4):
        writer.execute(WRITE)
    return writer


@pytest.mark.parametrize("name", TABLES)
def test_with_what_plans_know_the_stamp_is_the_same(
    name: str, engine: Engine, planned: Connection
) -> None:
    assert engine.connection.execute(
        """select pgtrickle._catalog_stamp_with(s.pgt_id, d.relids, d.known || pgtrickle._unlocked_stamp(d.relids)) = pgtrickle._catalog_stamp(s.pgt_id),
            pgtrickle._catalog_stamp_with(s.pgt_id, d.relids, d.known || 'another'::text) is null
        from pgtrickle._find(%s) s,
        lateral (
            select array_agg(d.source_relid order by d.source_relid) as relids,
                array_agg(pgtrickle._source_stamp(d.source_relid, d.source_schema, d.source_name) order by d.source_relid) as known
            from pgtrickle.pgt_dependencies d where d.pgt_id = s.pgt_id) d""",
        (name,),
    ).fetchall() == [(True, True)]


def test_not_of_what_plans_do_not_follow(engine: Engine, owner: Connection) -> None:
    for definition in (
        "create table src.plain (id int primary key, v int)",
        "create type src.color as enum ('red', 'blue')",
        "create table src.colored (id int primary key, c src.color)",
        "create view src.seen as select * from src.plain",
        "create table src.parts (id int primary key, v int) partition by range (id)",
        "create table src.part partition of src.parts default",
        "create table src.parent (id int, v int)",
        "create table src.child () inherits (src.parent)",
        "create function src.twice(int) returns int immutable language sql as 'select 2 * $1'",
    ):
        owner.execute(definition)
    known = []
    for query in (
        "select id, v from src.plain",
        "select p.v, o.amount from src.plain p join src.orders o using (id)",
        "select id, c from src.colored",
        "select id, v from src.seen",
        "select id, v from src.parts",
        "select id, v from src.parent",
        "select id, src.twice(v) as v from src.plain",
    ):
        name = f"marts.t{len(known)}"
        engine.create_stream_table(name, query)
        known += engine.connection.execute(
            "select pgtrickle._source_stamps_sql((pgtrickle._find(%s)).pgt_id) is not null", (name,)
        ).fetchall()
    assert known == [(True,), (True,), *[(False,)] * 5]


def test_capture_lost_by_others(planned: Connection, owner: Connection, current: Current) -> None:
    for statement in UNCAPTURED:
        owner.execute(statement)
    planned.execute(WRITE)
    current(*TABLES)


def test_capture_lost_by_others_within_a_transaction(
    planned: Connection, owner: Connection, connect: Connect, current: Current
) -> None:
    """Which has locked the sources before, and so takes note of nothing when it locks them."""
    writing = connect("owner")
    for _ in range(4):
        writing.execute(WRITE)
    with writing.transaction():
        writing.execute(WRITE)
        current(*TABLES, on=writing)
        for statement in UNCAPTURED:
            owner.execute(statement)
        writing.execute(WRITE)
        current(*TABLES, on=writing)
    current(*TABLES)


def test_capture_lost_by_others_within_a_statement(
    planned: Connection, owner: Connection, connect: Connect, current: Current
) -> None:
    """After it has locked all it reads, and before it has read it."""
    owner.execute(
        "create function src.wait() returns trigger language plpgsql as"
        " 'begin perform pg_advisory_lock_shared(77), pg_advisory_unlock_shared(77); return new; end';"
        " create trigger wait before update on src.orders for each row execute function src.wait()"
    )
    writing, holding = connect("owner"), connect()
    for _ in range(4):
        writing.execute(WRITE)
    with writing.transaction():
        writing.execute(WRITE)
        holding.execute("select pg_advisory_lock(77)")
        waiting = begun(lambda: writing.execute("update src.orders set amount = 0"), writing, owner)
        for statement in UNCAPTURED:
            owner.execute(statement)
        holding.execute("select pg_advisory_unlock(77)")
        waiting.result(PATIENCE)
        current(*TABLES, on=writing)
    current(*TABLES)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_planned_under_an_older_snapshot(
    isolation: str, planned: Connection, owner: Connection, current: Current
) -> None:
    """What that sees is not known after it."""
    planned.execute(f"begin isolation level {isolation}")
    planned.execute("select count(*) from src.orders")
    for statement in UNCAPTURED:
        owner.execute(statement)
    planned.execute(WRITE)
    planned.execute("commit")
    for _ in range(2):
        planned.execute(WRITE)
        current(*TABLES)


def test_nothing_is_said_where_plans_know_nothing(engine: Engine, planned: Connection) -> None:
    assert engine.connection.execute(
        """select pgtrickle._catalog_stamp_with(s.pgt_id, array_agg(d.source_relid order by d.source_relid), null)
        from pgtrickle._find('marts.totals') s join pgtrickle.pgt_dependencies d on d.pgt_id = s.pgt_id group by s.pgt_id"""
    ).fetchall() == [(None,)]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "change",
    [
        "alter table src.customers add column note text default 'n'",
        "alter table src.customers rename name to alias",
        "create index on src.customers (region)",
        "create table src.more () inherits (src.customers)",
        "alter table src.customers enable row level security",
        "cluster src.orders using orders_pkey",
        "truncate src.orders",
    ],
    ids=lambda text: text[:40],
)
def test_definitions_change(
    change: str, planned: Connection, owner: Connection, current: Current
) -> None:
    """Undone first, and then not."""
    owner.execute("alter table src.customers add column name text")
    with owner.transaction(force_rollback=True):
        owner.execute(change)
    planned.execute(WRITE)
    owner.execute(change)
    for _ in range(2):
        planned.execute(WRITE)
        current(*TABLES)


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("change", "write"),
    [
        ("rename amount to cost", WRITE.replace("amount", "cost")),
        ("rename customer to buyer", WRITE),
        ("alter amount type bigint", WRITE),
        ("rename to purchases", WRITE.replace("orders", "purchases")),
    ],
)
def test_what_breaks_the_query_is_told(
    change: str, write: str, planned: Connection, owner: Connection
) -> None:
    owner.execute(f"alter table src.orders {change}")
    with pytest.raises(psycopg.Error, match=r"marts\.totals could not be maintained") as failed:
        planned.execute(write)
    assert "by the statements that write" in str(failed.value.diag.message_detail)
    assert "pause_stream_table" in str(failed.value.diag.message_hint)
