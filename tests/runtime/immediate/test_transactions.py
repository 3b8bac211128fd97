# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Transactions, roles, concurrent writers and the life of an IMMEDIATE stream table."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row
from tests.runtime import plans
from tests.runtime.conftest import Connect
from tests.runtime.immediate.conftest import Immediate
from tests.runtime.immediate.queries import QUERIES
from tests.runtime.lifecycle.facts import call, catalog, hidden, scalar
from tests.runtime.waiting import PATIENCE, begun

from pgtrickle.engine import Engine

pytestmark = [pytest.mark.every_server, pytest.mark.one_in(2)]

Connection = psycopg.Connection[Any]
Current = Callable[..., None]


@pytest.fixture
def tables(immediate: Immediate, sources: None) -> None:
    for name, query in QUERIES.items():
        immediate(name, query)


def history(owner: Connection, name: str) -> int:
    return int(
        scalar(
            owner,
            "select count(*) from pgtrickle.pgt_refresh_history where pgt_id = (pgtrickle._find(%s)).pgt_id",
            name,
        )
    )


def test_writer_reads_his_own_writes_before_commit(
    tables: None, connect: Connect, current: Current, owner: Connection
) -> None:
    own = connect("owner", autocommit=False)
    own.execute("insert into src.orders values (500, 1, 500)")
    current(*QUERIES, on=own)
    own.execute("savepoint a")
    own.execute("delete from src.customers where id = 1")
    current(*QUERIES, on=own)
    own.execute("update src.orders set amount = 51")
    own.execute("rollback to a")
    current(*QUERIES, on=own)
    own.execute("truncate src.orders")
    current(*QUERIES, on=own)
    own.execute("insert into src.orders values (501, 2, 500)")
    own.commit()
    current(*QUERIES)
    own.execute("delete from src.orders")
    own.rollback()
    current(*QUERIES)


def test_error_caught_by_the_writer_leaves_counting_intact(
    tables: None, writer: Connection, current: Current
) -> None:
    writer.execute(
        "do $$ begin"
        " insert into src.orders values (600, 1, 1);"
        " begin insert into src.orders values (601, 1, 1), (1, 1, 1); exception when unique_violation then null; end;"
        " insert into src.orders values (602, 2, 99);"
        " end $$"
    )
    current(*QUERIES)


def test_copy(tables: None, writer: Connection, current: Current) -> None:
    with writer.cursor().copy("copy src.orders from stdin") as copy:
        for number in range(700, 750):
            copy.write_row((number, 1 + number % 20, number))
    current(*QUERIES)


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_stricter_isolation(
    tables: None, connect: Connect, current: Current, isolation: str
) -> None:
    own = connect("owner", autocommit=False)
    own.execute(f"set transaction isolation level {isolation}")
    own.execute("select 1 from src.orders")
    own.execute("insert into src.orders values (500, 1, 500)")
    current(*QUERIES, on=own)
    own.commit()
    own.execute(f"set transaction isolation level {isolation}")
    own.execute("select 1 from src.orders")
    connect("writer").execute("insert into src.orders values (501, 1, 500)")
    with pytest.raises(psycopg.errors.SerializationFailure):
        own.execute("insert into src.orders values (502, 1, 500)")
    own.rollback()
    current(*QUERIES)


def test_older_snapshot_than_the_table_cannot_be_written_past_it(
    immediate: Immediate, connect: Connect, current: Current
) -> None:
    immediate("marts.names", QUERIES["marts.names"])
    old = connect("writer", autocommit=False)
    old.execute("set transaction isolation level repeatable read")
    old.execute("select 1")
    immediate("marts.big", QUERIES["marts.big"])
    with pytest.raises(psycopg.errors.SerializationFailure):
        old.execute("insert into src.orders values (500, 1, 500)")


def test_partitions(immediate: Immediate, owner: Connection, connect: Connect) -> None:
    owner.execute(
        "create table src.parts (id int not null, v int not null) partition by range (id)"
    )
    owner.execute("create table src.parts_a partition of src.parts for values from (0) to (100)")
    owner.execute("create table src.parts_b partition of src.parts for values from (100) to (200)")
    query = "select v, count(*) as n from src.parts group by v"
    immediate("marts.parts", query)
    writer = connect("writer")
    for statement in (
        "insert into src.parts select i, i % 7 from generate_series(1, 150) i",
        "update src.parts set id = 199 - id where id < 99",
        "insert into src.parts_b values (120, 5)",
        "update src.parts_a set v = 9",
        "delete from src.parts where v = 3",
        "truncate src.parts_a",
        "insert into src.parts_a values (5, 5)",
    ):
        writer.execute(statement)
        assert plans.difference(owner, "marts.parts", query) == [], statement
    owner.execute("create table src.parts_c partition of src.parts for values from (200) to (300)")
    call(owner, "refresh_stream_table", "marts.parts")
    writer.execute("insert into src.parts_c values (250, 1)")
    assert plans.difference(owner, "marts.parts", query) == []


def test_chain_and_diamond(immediate: Immediate, owner: Connection, writer: Connection) -> None:
    queries = {
        "marts.a": QUERIES["marts.totals"],
        "marts.b": QUERIES["marts.big"],
        "marts.c": "select a.customer, a.total, b.id from marts.a join marts.b on b.id % 20 = a.customer",
        "marts.d": "select c.total, c.id, o.amount from marts.c join src.orders o on o.id = c.id",
    }
    for name, query in queries.items():
        immediate(name, query)
    before = history(owner, "marts.d")
    for statement in (
        "insert into src.orders values (305, 5, 305)",
        "update src.orders set amount = amount + 1",
        "delete from src.customers where id in (3, 4)",
        "truncate src.orders",
        "insert into src.orders select i, i, 100 from generate_series(5, 20) i",
    ):
        writer.execute(statement)
        for name, query in queries.items():
            assert plans.difference(owner, name, query) == [], (statement, name)
    # Once a statement, after all it reads.
    assert history(owner, "marts.d") - before <= 5


def test_a_source_rebuilt_under_its_name_fails_no_writer_of_another(
    immediate: Immediate, owner: Connection, writer: Connection
) -> None:
    query = "select o.id, o.amount, c.region from src.orders o join src.customers c on c.id = o.customer"
    immediate("marts.joined", query)
    owner.execute(
        "create table src.orders_new (like src.orders including all);"
        " insert into src.orders_new select * from src.orders where id > 10;"
        " drop table src.orders; alter table src.orders_new rename to orders"
    )
    writer.execute("update src.customers set region = 'moved' where id < 5")
    assert plans.difference(owner, "marts.joined", query) == []
    writer.execute("insert into src.orders values (305, 5, 305)")
    assert plans.difference(owner, "marts.joined", query) == []


def test_one_that_was_dropped_fails_no_writer(
    immediate: Immediate, owner: Connection, writer: Connection
) -> None:
    immediate("marts.gone", "select id, amount from src.orders")
    immediate("marts.kept", "select count(*) as n from src.orders")
    owner.execute("drop table marts.gone")
    writer.execute("delete from src.orders where id <= 10")
    assert scalar(owner, "select n from marts.kept") == 90


def test_nor_does_one_that_is_dropped_within_the_statement(
    immediate: Immediate, owner: Connection, writer: Connection
) -> None:
    """As one that somebody drops between the statement's beginning and its end."""
    immediate("marts.gone", "select id, amount from src.orders")
    immediate("marts.kept", "select count(*) as n from src.orders")
    owner.execute(
        "create function src.drop_it() returns trigger language plpgsql security definer as"
        " $$ begin drop table marts.gone; return null; end $$;"
        "create trigger early before delete on src.orders for each statement"
        " execute function src.drop_it()"
    )
    writer.execute("delete from src.orders where id <= 10")
    assert scalar(owner, "select n from marts.kept") == 90


def test_refresh_of_another_stream_table_maintains_what_reads_it(
    immediate: Immediate, owner: Connection, writer: Connection
) -> None:
    plans.create(owner, "marts.lazy", "select id, amount from src.orders where amount > 10")
    query = "select count(*) as n, sum(amount) as total from marts.lazy"
    immediate("marts.summary", query)
    writer.execute("insert into src.orders values (305, 5, 305)")
    call(owner, "refresh_stream_table", "marts.lazy")
    assert scalar(owner, "select total from marts.summary") == sum(range(11, 101)) + 305


def test_trigger_of_a_user_that_writes_another_source(
    tables: None, owner: Connection, writer: Connection, current: Current
) -> None:
    owner.execute(
        "create function src.follow() returns trigger language plpgsql security definer as"
        " $$ begin insert into src.customers select max(id) + 1, 'r0' from src.customers; return null; end $$"
    )
    for name in ("a_early", "z_late"):
        owner.execute(
            f"create trigger {name} after insert on src.orders for each statement execute function src.follow()"
        )
    writer.execute("insert into src.orders values (305, 5, 305)")
    current(*QUERIES)


def test_failure_names_the_table_and_the_way_out(
    immediate: Immediate, owner: Connection, writer: Connection
) -> None:
    immediate("marts.inverse", "select id, 100 / amount as inverse from src.orders")
    with pytest.raises(psycopg.errors.DivisionByZero) as failure:
        writer.execute("insert into src.orders values (400, 1, 0)")
    assert "marts.inverse" in str(failure.value)
    assert "alter_stream_table('marts.inverse', refresh_mode => 'DIFFERENTIAL')" in str(
        failure.value.diag.message_hint
    )
    assert scalar(owner, "select count(*) from src.orders where id = 400") == 0
    call(owner, "pause_stream_table", "marts.inverse")
    writer.execute("insert into src.orders values (400, 1, 0)")


def test_pause_keeps_changes_and_resume_catches_up(
    tables: None, owner: Connection, writer: Connection, current: Current
) -> None:
    call(owner, "pause_stream_table", "marts.totals")
    writer.execute("insert into src.orders values (400, 1, 9)")
    assert plans.difference(owner, "marts.totals", QUERIES["marts.totals"]) != []
    current("marts.big", "marts.regions")
    call(owner, "resume_stream_table", "marts.totals")
    current(*QUERIES)
    writer.execute("insert into src.orders values (401, 1, 9)")
    current(*QUERIES)


def test_all_paused_and_resumed(
    tables: None, owner: Connection, writer: Connection, current: Current
) -> None:
    owner.execute("select pgtrickle.pause_all()")
    writer.execute("insert into src.orders values (400, 1, 99)")
    assert plans.difference(owner, "marts.totals", QUERIES["marts.totals"]) != []
    owner.execute("select pgtrickle.resume_all()")
    current(*QUERIES)


def test_resume_waits_for_the_writer_in_flight(
    tables: None, owner: Connection, connect: Connect, current: Current
) -> None:
    call(owner, "pause_stream_table", "marts.totals")
    late = connect("writer", autocommit=False)
    late.execute("insert into src.orders values (400, 1, 9)")
    resumer = connect("owner")
    resumed = begun(
        lambda: call(resumer, "resume_stream_table", "marts.totals"), resumer, connect()
    )
    late.commit()
    resumed.result(PATIENCE)
    current(*QUERIES)


def test_mode_changes_without_a_gap(
    tables: None, owner: Connection, connect: Connect, writer: Connection, current: Current
) -> None:
    call(owner, "alter_stream_table", "marts.totals", refresh_mode="DIFFERENTIAL")
    assert catalog(owner, "totals").refresh_mode == "DIFFERENTIAL"
    writer.execute("insert into src.orders values (400, 1, 9)")
    assert plans.difference(owner, "marts.totals", QUERIES["marts.totals"]) != []
    late = connect("writer", autocommit=False)
    late.execute("insert into src.orders values (401, 1, 9)")
    alterer = connect("owner")
    altered = begun(
        lambda: call(alterer, "alter_stream_table", "marts.totals", refresh_mode="IMMEDIATE"),
        alterer,
        connect(),
    )
    late.commit()
    altered.result(PATIENCE)
    assert catalog(owner, "totals").refresh_mode == "IMMEDIATE"
    current(*QUERIES)
    writer.execute("insert into src.orders values (402, 1, 9)")
    current(*QUERIES)


def test_changed_query_is_maintained_at_once(
    tables: None, owner: Connection, writer: Connection
) -> None:
    query = "select o.id, c.region from src.orders o join src.customers c on c.id = o.customer"
    call(owner, "alter_stream_table", "marts.big", query=query)
    writer.execute("update src.customers set region = 'new' where id < 4")
    assert plans.difference(owner, "marts.big", query) == []
    call(owner, "create_or_replace_stream_table", "marts.big", query, refresh_mode="IMMEDIATE")
    writer.execute("insert into src.orders values (402, 1, 9)")
    assert plans.difference(owner, "marts.big", query) == []
    call(owner, "create_or_replace_stream_table", "marts.big", query, refresh_mode="FULL")
    writer.execute("insert into src.orders values (403, 1, 9)")
    assert plans.difference(owner, "marts.big", query) != []


def test_catalog_and_history(immediate: Immediate, owner: Connection, writer: Connection) -> None:
    immediate("marts.big", QUERIES["marts.big"], schedule="5m")
    row = catalog(owner, "big")
    assert (row.refresh_mode, row.effective_refresh_mode, row.schedule) == (
        "IMMEDIATE",
        "IMMEDIATE",
        None,
    )
    before = history(owner, "marts.big")
    refreshed = row.last_refresh_at
    writer.execute("insert into src.orders values (400, 1, 9)")
    writer.execute("delete from src.orders where false")
    assert history(owner, "marts.big") == before
    assert catalog(owner, "big").last_refresh_at == refreshed
    writer.execute("insert into src.orders values (401, 1, 99)")
    assert history(owner, "marts.big") == before + 1
    assert catalog(owner, "big").last_refresh_at > refreshed
    assert (
        scalar(
            owner,
            "select initiated_by from pgtrickle.pgt_refresh_history order by refresh_id desc limit 1",
        )
        is None
    )
    call(owner, "refresh_stream_table", "marts.big")
    assert history(owner, "marts.big") == before + 2


def test_reinitialisation_happens_in_the_statement(
    tables: None, owner: Connection, writer: Connection, current: Current
) -> None:
    owner.execute("update pgtrickle.pgt_stream_tables set needs_reinit = true")
    writer.execute("insert into src.orders values (400, 1, 9)")
    current("marts.totals", "marts.regions", "marts.big")
    assert not catalog(owner, "totals").needs_reinit


def test_repair_brings_lost_triggers_back(
    tables: None, owner: Connection, writer: Connection, current: Current
) -> None:
    owner.execute("drop trigger pgtrickle_maintain_insert on src.orders")
    owner.execute("drop trigger pgtrickle_lock_insert on src.orders")
    writer.execute("insert into src.orders values (400, 1, 99)")
    call(owner, "repair_stream_table", "marts.totals")
    current("marts.totals")
    writer.execute("insert into src.orders values (401, 1, 99)")
    current(*QUERIES)


def test_nothing_is_left_after_the_last_table_went(
    tables: None, owner: Connection, writer: Connection
) -> None:
    for name in QUERIES:
        call(owner, "drop_stream_table", name)
    assert hidden(owner) == []
    assert scalar(owner, "select count(*) from pg_trigger where tgname ~ '^pgtrickle'") == 0
    writer.execute("insert into src.orders values (400, 1, 9)")


def test_unpopulated_table_starts_with_its_first_refresh(
    immediate: Immediate, owner: Connection, writer: Connection, current: Current
) -> None:
    immediate("marts.big", QUERIES["marts.big"], initialize=False)
    writer.execute("insert into src.orders values (400, 1, 99)")
    assert scalar(owner, "select count(*) from marts.big") == 0
    call(owner, "refresh_stream_table", "marts.big")
    writer.execute("insert into src.orders values (401, 1, 99)")
    current("marts.big")


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("create unlogged table src.odd (a int)", "an unlogged table"),
        ("create materialized view src.odd as select 1 as a", "a materialized view"),
    ],
)
def test_source_whose_writers_cannot_be_followed_is_refused(
    owner: Connection, definition: str, reason: str
) -> None:
    owner.execute(definition)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=reason):
        plans.create(owner, "marts.odd", "select a from src.odd", mode="IMMEDIATE")


def test_query_that_cannot_be_maintained_is_refused_with_its_reason(connect: Connect) -> None:
    connection = connect("owner")
    connection.row_factory = tuple_row
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="so it cannot be IMMEDIATE"):
        Engine(connection).create_stream_table(
            "marts.odd", "select id, random() as r from src.orders", refresh_mode="IMMEDIATE"
        )


def test_wal_capture_is_refused(owner: Connection) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="wal"):
        call(
            owner,
            "create_stream_table",
            "marts.big",
            QUERIES["marts.big"],
            refresh_mode="IMMEDIATE",
            cdc_mode="wal",
        )


def hammer(connection: Connection, seed: int, failures: list[Exception], statements: int) -> None:
    chance = random.Random(seed)
    for _ in range(statements):
        one, other = chance.randint(1, 6), chance.randint(1, 6)
        statement = chance.choice(
            [
                f"update src.orders set amount = amount + {one} where id between {one} and {one + other}",
                f"insert into src.orders values ({one + 1000}, {other}, {one}) on conflict (id) do update set amount = src.orders.amount + 1",
                f"delete from src.orders where id = {one + 1000}",
                f"update src.customers set region = 'r{other}' where id in ({one}, {other})",
                f"with c as (update src.customers set region = 'q' where id = {one}) update src.orders set amount = {other} where id = {one}",
                f"with c as (update src.orders set amount = {one} where id = {one}) update src.customers set region = 'p' where id = {other}",
                f"insert into src.customers values ({other}, 'r1') on conflict (id) do update set region = 'again'",
                f"delete from src.customers where id = {10 + one}",
            ]
        )
        try:
            connection.execute(statement)
        except psycopg.errors.ForeignKeyViolation:
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.execute("rollback to s")
        except psycopg.Error as error:
            failures.append(error)
            return


def test_single_statements_of_concurrent_writers_never_deadlock(
    tables: None, connect: Connect, current: Current
) -> None:
    failures: list[Exception] = []
    threads = [
        threading.Thread(target=hammer, args=(connect("writer"), seed, failures, 40))
        for seed in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    current(*QUERIES)


def test_random_transactions_of_three_sessions(
    tables: None, connect: Connect, owner: Connection, current: Current
) -> None:
    chance = random.Random(7)
    retryable = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
    unexpected: list[Exception] = []

    def session(seed: int, connection: Connection) -> None:
        for number in range(12):
            failures: list[Exception] = []
            level = ["read committed", "repeatable read"][(seed + number) % 2]
            connection.execute(f"begin isolation level {level}")
            for step in range(3):
                connection.execute("savepoint s")
                hammer(connection, 1000 * seed + 10 * number + step, failures, 1)
                if failures:
                    break
                if (seed + number + step) % 4 == 0:
                    connection.execute("rollback to s")
            connection.execute("rollback" if failures else "commit")
            unexpected.extend(e for e in failures if not isinstance(e, retryable))

    threads = [
        threading.Thread(target=session, args=(chance.randint(1, 999), connect("writer")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        with owner.transaction():
            owner.execute("set transaction isolation level repeatable read")
            current(*QUERIES)
    for thread in threads:
        thread.join()
    assert unexpected == []
    current(*QUERIES)


def test_writers_as_replica_maintain_too(
    immediate: Immediate, connect: Connect, current: Current
) -> None:
    immediate("marts.regions", QUERIES["marts.regions"])
    loading = connect()
    loading.execute("set session_replication_role = replica")
    with loading.transaction():
        loading.execute("insert into src.orders values (1001, 1, 5)")
        loading.execute("update src.customers set region = 'r9' where id = 1")
        current("marts.regions", on=loading)
    current("marts.regions")


def test_what_another_session_makes_meanwhile_is_not_made_twice(connect: Connect) -> None:
    """Whoever has looked before does not see it at once when the lock is there."""
    one, other = connect(autocommit=False), connect(autocommit=False)

    def prepare_source(session: Connection, name: str) -> None:
        for function, columns in (("_prepare_maintenance", ""), ("_prepare_capture", ", '{id}'")):
            session.execute(
                f"select pgtrickle.{function}('{name}'::regclass{columns}, 'pgt_test_owner')"
            )

    prepare_source(other, "src.customers")  # its functions are planned then, and look nothing up
    other.commit()
    for kind, name in (("proc", "maintain"), ("class", "segment")):
        assert (
            scalar(
                other,
                f"select to_reg{kind}(format('pgtrickle_changes.{name}_%s', 'src.orders'::regclass::oid))",
            )
            is None
        )
    prepare_source(one, "src.orders")

    def prepare() -> None:
        prepare_source(other, "src.orders")
        other.commit()

    prepared = begun(prepare, other, connect())
    one.commit()
    prepared.result(PATIENCE)
