# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Upstream change is normal life: stream tables follow what happens to what they read."""

from __future__ import annotations

import psycopg
import pytest

from pgtrickle.engine import Engine, RefreshFailed

pytestmark = pytest.mark.every_server

TOTALS = "select customer, sum(amount) as total from orders group by customer"
JOINED = "select o.id, o.amount, c.region from orders o join customers c on c.id = o.customer"


def run(engine: Engine, *statements: str) -> None:
    for statement in statements:
        engine.connection.execute(statement)


def current(engine: Engine, name: str, action: str | None = None) -> str | None:
    """Refresh; the table must equal its query. Returns the reason."""
    done = engine.refresh(name)
    assert engine.verify(name).equal, done
    if action is not None:
        assert done.action == action, done
    return done.reason


def differential_again(engine: Engine, name: str, change: str) -> None:
    """Within two refreshes, of which each is exact, changes are applied again."""
    current(engine, name)
    run(engine, change)
    current(engine, name, "DIFFERENTIAL")
    ((mode, reason),) = engine.session.rows(
        "select effective_mode, downgrade_reason from pgtrickle.explain_refresh_mode(%s)", (name,)
    )
    assert (mode, reason) == ("DIFFERENTIAL", None)


def captured(engine: Engine) -> list[str]:
    return [
        table
        for (table,) in engine.session.rows(
            "select distinct tgrelid::regclass::text from pg_trigger where tgname like 'pgtrickle_capture%%' order by 1"
        )
    ]


CHANGE = "insert into orders values (1000, 2, 7.5)"


def test_a_source_swapped_by_renaming_is_followed(engine: Engine) -> None:
    """As dbt rebuilds a table; the backup is dropped only after the commit."""
    engine.create_stream_table("joined", JOINED)
    run(
        engine,
        "create table orders__tmp as select id, customer, amount + 1 as amount from orders where id > 5",
        "begin; alter table orders rename to orders__backup; alter table orders__tmp rename to orders; commit",
        "insert into orders values (500, 1, 1)",
        "insert into orders__backup values (600, 1, 1)",
    )
    reason = current(engine, "joined")
    assert "public.orders was rebuilt" in str(reason)
    assert captured(engine) == []  # until it is compiled again
    differential_again(engine, "joined", CHANGE)
    assert captured(engine) == ["customers", "orders"]
    run(engine, "drop table orders__backup", "delete from orders where id = 1000")
    current(engine, "joined", "DIFFERENTIAL")


def test_a_source_swapped_for_one_just_like_it_stays_differential(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS)
    run(
        engine,
        "create table tmp (like orders including all); insert into tmp select * from orders where id < 9",
        "alter table orders rename to backup; alter table tmp rename to orders; drop table backup",
    )
    assert "rebuilt" in str(current(engine, "totals", "REINITIALIZE"))
    run(engine, CHANGE)
    current(engine, "totals", "DIFFERENTIAL")


def test_two_sources_that_exchange_their_names(engine: Engine) -> None:
    run(engine, "create table returns (like orders including all)")
    engine.create_stream_table(
        "net", "select o.amount, r.amount as back from orders o join returns r using (id)"
    )
    run(
        engine,
        "insert into returns values (1, 1, 5)",
        "alter table orders rename to x; alter table returns rename to orders; alter table x rename to returns",
    )
    current(engine, "net", "REINITIALIZE")
    run(engine, "insert into orders values (2, 1, 6)")
    current(engine, "net", "DIFFERENTIAL")


@pytest.mark.parametrize(
    "definition",
    [
        "select customer, amount from orders where amount > 10",
        "SELECT o.customer, o.amount FROM public.orders AS o WHERE (o.amount > 10)",
    ],
)
def test_a_view_replaced_by_its_like_is_nothing(engine: Engine, definition: str) -> None:
    run(engine, "create view big as select customer, amount from orders where amount > 10")
    engine.create_stream_table(
        "totals", "select customer, sum(amount) as total from big group by 1"
    )
    aliased = definition.replace("FROM public.orders AS o", "FROM orders o")
    run(
        engine,
        f"create or replace view big as {aliased.replace('o.', '').replace('orders o', 'orders')}",
    )
    current(engine, "totals", "NO_DATA")
    # As dbt replaces views.
    run(
        engine,
        f"create view big__tmp as {definition.replace('o.', '').replace('public.orders AS o', 'orders')}",
        "alter view big rename to big__backup; alter view big__tmp rename to big; drop view big__backup",
        CHANGE,
    )
    current(engine, "totals", "DIFFERENTIAL")


def test_a_view_replaced_by_another_is_followed(engine: Engine) -> None:
    run(
        engine,
        "create view inner_view as select customer, amount from orders",
        "create view outer_view as select * from inner_view where amount > 10",
    )
    engine.create_stream_table(
        "totals", "select customer, sum(amount) as total from outer_view group by 1"
    )
    run(
        engine,
        "create or replace view inner_view as select customer, amount * 2 as amount from orders",
    )
    assert current(engine, "totals", "FULL") == "view public.inner_view was replaced"
    differential_again(engine, "totals", CHANGE)
    # Another source comes in under a view, and the former one goes.
    run(
        engine,
        "create table archive as select * from orders",
        "create or replace view inner_view as select customer, amount from archive",
    )
    current(engine, "totals", "FULL")
    differential_again(engine, "totals", "insert into archive values (1000, 2, 70)")
    assert captured(engine) == ["archive"]


def test_a_view_that_comes_to_read_the_table_itself_is_a_cycle(engine: Engine) -> None:
    run(engine, "create view v as select customer, amount from orders")
    engine.create_stream_table("totals", "select customer, sum(amount) as amount from v group by 1")
    run(engine, "create or replace view v as select customer, amount from totals")
    with pytest.raises(RefreshFailed, match="reads the table itself"):
        engine.refresh("totals")


def test_a_table_becomes_a_view_and_a_view_a_table(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS)
    run(engine, "alter table orders rename to raw; create view orders as select * from raw")
    assert "public.orders is a view now" in str(current(engine, "totals"))
    differential_again(engine, "totals", "insert into raw values (1000, 2, 7)")
    assert captured(engine) == ["raw"]
    run(engine, "drop view orders; create table orders as select * from raw where id < 10")
    current(engine, "totals")
    differential_again(engine, "totals", CHANGE)
    assert captured(engine) == ["orders"]


def test_a_column_that_nobody_reads_comes_and_goes(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS)
    run(engine, "alter table orders add note text", CHANGE)
    current(engine, "totals", "DIFFERENTIAL")
    run(engine, "alter table orders drop note", "delete from orders where id = 3")
    current(engine, "totals", "DIFFERENTIAL")


@pytest.mark.parametrize(
    ("damage", "repair"),
    [
        ("alter table orders drop amount", "alter table orders add amount numeric default 3"),
        ("alter table orders rename amount to sum", "alter table orders rename sum to amount"),
    ],
)
def test_a_missing_column_is_named_and_the_table_heals(
    engine: Engine, damage: str, repair: str
) -> None:
    engine.create_stream_table("totals", TOTALS)
    before = engine.session.rows("select * from totals order by 1")
    run(engine, damage)
    with pytest.raises(RefreshFailed, match="amount"):
        engine.refresh("totals")
    ((status, message),) = engine.session.rows(
        "select status, last_error_message from pgtrickle.pgt_stream_tables"
    )
    assert status == "ERROR"
    assert "amount" in message
    assert engine.session.rows("select * from totals order by 1") == before
    run(engine, repair)
    current(engine, "totals")
    assert engine.status()[0].status == "ACTIVE"
    differential_again(engine, "totals", CHANGE)


def test_a_column_dropped_and_added_again_between_refreshes(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS)
    run(engine, "alter table orders drop amount; alter table orders add amount numeric default 3")
    current(engine, "totals", "REINITIALIZE")
    run(engine, CHANGE)
    current(engine, "totals", "DIFFERENTIAL")


def test_columns_that_exchange_their_names(engine: Engine) -> None:
    run(engine, "alter table orders add fee numeric; update orders set fee = 1")
    engine.create_stream_table(
        "totals", "select customer, sum(amount) as total, sum(fee) as fee from orders group by 1"
    )
    run(
        engine,
        "alter table orders rename fee to x; alter table orders rename amount to fee; alter table orders rename x to amount",
    )
    current(engine, "totals", "REINITIALIZE")
    run(engine, "update orders set fee = fee + 1")
    current(engine, "totals", "DIFFERENTIAL")


def test_a_retyped_column_is_compiled_again(engine: Engine) -> None:
    engine.create_stream_table("totals", TOTALS)
    run(engine, "alter table orders alter amount type integer using amount::integer")
    assert "public.orders.amount" in str(current(engine, "totals"))
    differential_again(engine, "totals", "insert into orders values (1000, 2, 7)")


@pytest.mark.parametrize("mode", ["DIFFERENTIAL", "FULL"])
@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        ("integer", "numeric", "7.5"),
        ("numeric(8,2)", "numeric", "7.125"),
        ("numeric(8,2)", "numeric(8,3)", "7.125"),
        ("timestamp(0)", "timestamp", "'2024-01-01 00:00:00.25'"),
        ("date", "timestamp", "'2024-01-01 12:00'"),
        ("real", "double precision", "0.1"),
        ("char(4)", "text", "'ab'"),
    ],
)
def test_a_column_that_would_round_values_is_refused_until_it_is_altered(
    mode: str, before: str, after: str, value: str, engine: Engine
) -> None:
    run(engine, f"create table facts (id integer primary key, x {before})")
    engine.create_stream_table("copy", "select id, x from facts", refresh_mode=mode)
    run(engine, f"alter table facts alter x type {after}", f"insert into facts values (1, {value})")
    for _ in range(2):
        with pytest.raises(RefreshFailed, match=r"column x of public\.copy is of type"):
            engine.refresh("copy")
    run(engine, f"alter table copy alter x type {after}")
    current(engine, "copy")
    if mode == "DIFFERENTIAL":
        differential_again(engine, "copy", f"insert into facts values (2, {value})")


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [("varchar(3)", "varchar(9)", "'longer'"), ("numeric(5,2)", "numeric(9,2)", "1234567.25")],
)
def test_a_wider_column_is_followed(before: str, after: str, value: str, engine: Engine) -> None:
    """PostgreSQL rewrites no row of it, and what was kept of its values is too narrow."""
    run(engine, f"create table facts (id integer primary key, x {before})")
    engine.create_stream_table("counts", "select count(*) as n from facts group by x")
    engine.create_stream_table("copy", "select id, x from facts")
    run(engine, f"alter table facts alter x type {after}", f"insert into facts values (1, {value})")
    with pytest.raises(RefreshFailed, match=r"too long|overflow"):
        engine.refresh("copy")
    run(engine, f"alter table copy alter x type {after}")
    for name in ("counts", "copy"):
        assert "public.facts.x" in str(current(engine, name))
        differential_again(engine, name, "insert into facts select max(id) + 1, max(x) from facts")


def test_a_label_that_is_renamed_is_renamed_where_it_was_printed(engine: Engine) -> None:
    run(
        engine,
        "create type state as enum ('nwe', 'paid')",
        "create table facts (id integer primary key, x state)",
        "insert into facts values (1, 'nwe'), (2, 'nwe'), (3, 'paid')",
    )
    engine.create_stream_table("counts", "select x::text as x, count(*) as n from facts group by 1")
    run(engine, "alter type state add value 'sent'", "insert into facts values (4, 'sent')")
    current(engine, "counts", "DIFFERENTIAL")
    run(engine, "alter type state rename value 'nwe' to 'new'")
    assert "public.facts.x" in str(current(engine, "counts"))
    differential_again(engine, "counts", "insert into facts values (5, 'new')")


def test_a_numeric_without_scale_now_is_summed_with_the_digits_it_has(engine: Engine) -> None:
    run(engine, "create table facts (id integer primary key, x numeric(8,2))")
    engine.create_stream_table("total", "select coalesce(sum(x), 0) as s from facts")
    run(engine, "alter table facts alter x type numeric")
    run(engine, "insert into facts values (1, 1.25), (2, 1.12345)")
    current(engine, "total")
    differential_again(engine, "total", "delete from facts where id = 2")


def test_a_key_that_goes_takes_the_plan_with_it(engine: Engine) -> None:
    engine.create_stream_table("copy", "select id, amount from orders")
    run(
        engine,
        "alter table orders drop constraint orders_pkey",
        "insert into orders values (1, 2, 7), (1, 2, 7)",
    )
    assert "without a key" in str(current(engine, "copy"))
    differential_again(engine, "copy", "delete from orders where id = 1 and customer = 2")
    ((identity,),) = engine.session.rows(
        "select plan #>> '{identity,kind}' from pgtrickle.pgt_plans"
    )
    assert identity == "row"


def test_a_column_that_may_be_null_now_is_compiled_again(engine: Engine) -> None:
    run(engine, "alter table orders alter customer set not null")
    engine.create_stream_table("totals", TOTALS)
    run(
        engine,
        "alter table orders alter customer drop not null",
        "insert into orders values (1000, null, 5), (1001, null, null)",
    )
    current(engine, "totals")
    differential_again(engine, "totals", "update orders set customer = null where id < 5")


def test_a_table_dropped_and_created_again(engine: Engine) -> None:
    engine.create_stream_table("joined", JOINED)
    before = engine.session.rows("select * from joined order by id")
    run(engine, "drop table orders")
    with pytest.raises(RefreshFailed, match=r"its source public\.orders does not exist"):
        engine.refresh("joined")
    assert engine.session.rows("select * from joined order by id") == before
    run(
        engine,
        "create table orders (id integer primary key, customer integer, amount numeric)",
        "insert into orders values (1, 1, 1)",
    )
    current(engine, "joined")
    differential_again(engine, "joined", CHANGE)


def test_a_table_that_others_come_to_inherit_from_is_recomputed(engine: Engine) -> None:
    engine.create_stream_table("copy", "select id, amount from orders")
    for _ in range(2):
        run(engine, "create table special () inherits (orders)")
        for id in (2000, 2001):
            run(engine, f"insert into special values ({id}, 1, 5)")
            assert "inheritance" in str(current(engine, "copy", "REINITIALIZE"))
        run(engine, "drop table special")
        current(engine, "copy")
        run(engine, "update orders set amount = amount + 1 where id = 3")
        current(engine, "copy", "DIFFERENTIAL")


def test_partitions_come_and_go(engine: Engine) -> None:
    run(
        engine,
        "create table parts (id integer, amount integer) partition by range (id)",
        "create table parts_1 partition of parts for values from (0) to (100)",
        "create table parts_2 (id integer, amount integer)",
        "insert into parts_2 select i, i from generate_series(100, 120) i",
        "insert into parts select i, i from generate_series(1, 50) i",
    )
    engine.create_stream_table(
        "sums", "select amount % 5 as k, sum(amount) as s from parts group by 1"
    )
    run(engine, "alter table parts attach partition parts_2 for values from (100) to (200)")
    assert "parts" in str(current(engine, "sums", "REINITIALIZE"))
    run(engine, "insert into parts values (150, 1)", "delete from parts_2 where id = 110")
    current(engine, "sums", "DIFFERENTIAL")
    run(engine, "alter table parts detach partition parts_1")
    current(engine, "sums", "REINITIALIZE")
    run(engine, "insert into parts_1 values (60, 1)")
    current(engine, "sums", "NO_DATA")
    run(engine, "update parts set amount = 9 where id < 105")
    current(engine, "sums", "DIFFERENTIAL")


def test_below_a_materialized_view_changes_are_few(engine: Engine) -> None:
    run(
        engine,
        "create materialized view summary as select customer, sum(amount) as total from orders group by 1",
    )
    engine.create_stream_table("copy", "select customer, total from summary")
    engine.create_stream_table("reader", "select count(*) as n, sum(total) as total from copy")
    assert {one.name: one.refresh_mode for one in engine.status()} == {
        "public.copy": "FULL",
        "public.reader": "DIFFERENTIAL",
    }
    run(
        engine,
        "update orders set amount = amount + 1 where id = 3",
        "refresh materialized view summary",
    )
    done = engine.refresh("copy")
    assert (done.action, done.rows_inserted, done.rows_deleted) == ("FULL", 1, 1)
    assert "materialized view" in str(done.reason)
    done = engine.refresh("reader")
    assert (done.action, done.changes) == ("DIFFERENTIAL", 2)
    assert engine.verify("reader").equal


def test_below_a_foreign_table_changes_are_few(
    engine: Engine, database: str, other: psycopg.Connection
) -> None:
    available = engine.session.rows("select from pg_available_extensions where name = 'file_fdw'")
    if not available:
        pytest.skip("this server has no file_fdw")
    run(
        engine,
        "create extension file_fdw; create server files foreign data wrapper file_fdw",
        "create foreign table far (n integer) server files options (program 'seq 1 5', format 'text')",
    )
    engine.create_stream_table("copy", "select n from far")
    engine.create_stream_table("reader", "select sum(n) as n from copy")
    run(engine, "alter foreign table far options (set program 'seq 1 7')")
    done = engine.refresh("copy")
    assert (done.action, done.rows_inserted, done.rows_deleted) == ("FULL", 2, 0)
    done = engine.refresh("reader")
    assert (done.action, done.changes) == ("DIFFERENTIAL", 2)
    assert engine.session.rows("select n from reader") == [(28,)]


@pytest.mark.parametrize(
    "query",
    [
        "select id, twice(amount) as v from orders",
        "select id, v from doubled",
        "select id, amount |+| 1 as v from orders",
        "select customer, own_sum(amount) as v from orders group by 1",
    ],
)
def test_replacing_a_function_starts_anew(engine: Engine, query: str) -> None:
    run(
        engine,
        "create function twice(a numeric) returns numeric language sql immutable as 'select a * 2'",
        "create view doubled as select id, twice(amount) as v from orders",
        "create function add(a numeric, b integer) returns numeric language plpgsql immutable as 'begin return a + b; end'",
        "create operator |+| (leftarg = numeric, rightarg = integer, function = add)",
        "create function step(s numeric, a numeric) returns numeric language sql immutable as 'select s + a'",
        "create aggregate own_sum(numeric) (sfunc = step, stype = numeric, initcond = '0')",
    )
    engine.create_stream_table("t", query)
    current(engine, "t", "NO_DATA")
    run(
        engine,
        "create or replace function twice(a numeric) returns numeric language sql immutable as 'select a * 3'",
        "create or replace function add(a numeric, b integer) returns numeric language plpgsql immutable as 'begin return a - b; end'",
        "create or replace function step(s numeric, a numeric) returns numeric language sql immutable as 'select s - a'",
    )
    assert "was replaced" in str(current(engine, "t", "FULL"))
    differential_again(engine, "t", CHANGE)


def test_a_function_that_becomes_volatile_ends_differential_maintenance(engine: Engine) -> None:
    run(engine, "create function f(a numeric) returns numeric language sql immutable as 'select a'")
    engine.create_stream_table("t", "select id, f(amount) as v from orders")
    run(
        engine,
        "create or replace function f(a numeric) returns numeric language sql volatile as 'select a'",
    )
    current(engine, "t", "FULL")
    current(engine, "t", "FULL")
    assert "volatile" in str(engine.status()[0].problem)


def test_the_worker_compiles_what_became_pending(engine: Engine) -> None:
    run(engine, "create view v as select customer, amount from orders")
    engine.create_stream_table("totals", "select customer, sum(amount) as total from v group by 1")
    run(engine, "create or replace view v as select customer, amount + 1 as amount from orders")
    run(engine, "select pgtrickle.refresh_stream_table('totals')")
    assert "compiled again" in str(engine.status()[0].problem)
    assert engine.compile_pending() == ["public.totals"]
    assert engine.compile_pending() == []
    current(engine, "totals")
    run(engine, CHANGE)
    current(engine, "totals", "DIFFERENTIAL")


def test_a_query_that_does_not_work_now_does_not_stop_the_worker(engine: Engine) -> None:
    run(
        engine,
        "select pgtrickle.create_stream_table('broken', 'select id, amount from orders')",
        "select pgtrickle.create_stream_table('sound', 'select id from customers')",
        "alter table orders drop amount",
    )
    assert engine.compile_pending() == ["public.sound"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select id from mine", "temporary table"),
        ("select relname from pg_class", "system catalog"),
        ("select table_name from information_schema.tables", "system view"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_reason(
    engine: Engine, query: str, reason: str
) -> None:
    run(engine, "create temporary table mine (id integer)")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=reason):
        engine.create_stream_table("t", query)
    assert engine.status() == []
