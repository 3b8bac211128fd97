"""What triggers of statements do not see is noticed, and recomputed or refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import pgtrickle
from pgtrickle.engine import Engine, Refresh, RefreshFailed

pytestmark = pytest.mark.every_server

PARTITIONED = """
    create table event (id integer not null, kind text) partition by list (kind);
    create table event_a partition of event for values in ('a');
    create table event_b partition of event for values in ('b');
    insert into event values (1, 'a'), (2, 'b');
"""
COUNTS = "select kind, count(*) as n from event group by kind"


@pytest.fixture
def counts(engine: Engine) -> Engine:
    engine.connection.execute(PARTITIONED)
    engine.create_stream_table("counts", COUNTS, refresh_mode="DIFFERENTIAL")
    return engine


def refreshed(engine: Engine) -> Refresh:
    done = engine.refresh("counts")
    assert engine.verify("counts").equal
    return done


def is_incremental_again(engine: Engine) -> None:
    engine.connection.execute("insert into event values (100, 'b')")
    assert refreshed(engine).action == "DIFFERENTIAL"


def test_a_partition_written_while_it_was_detached(counts: Engine) -> None:
    counts.connection.execute("alter table event detach partition event_a")
    counts.connection.execute("insert into event_a values (3, 'a')")
    counts.connection.execute("alter table event attach partition event_a for values in ('a')")
    assert refreshed(counts).action == "REINITIALIZE"
    is_incremental_again(counts)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@pytest.mark.parametrize(
    "change",
    [
        "alter table event alter column id type bigint",
        """
        create table event_c (id integer not null, kind text);
        insert into event_c values (9, 'c');
        alter table event attach partition event_c for values in ('c')
        """,
        "truncate event",
    ],
    ids=["rewritten", "attached", "truncated"],
)
def test_an_older_snapshot_is_refused(
    counts: Engine, other_engine: Engine, level: str, change: str
) -> None:
    """To it the table would be empty, or lack what nobody captured."""
    with other_engine.connection.transaction():
        other_engine.connection.execute(f"set transaction isolation level {level}")  # type: ignore[arg-type]
        other_engine.connection.execute("select 1")
        counts.connection.execute(change)  # type: ignore[arg-type]
        with pytest.raises(RefreshFailed) as failed:
            other_engine.refresh("counts")
    assert failed.value.sqlstate == "40001"
    refreshed(counts)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_nothing_is_created_from_an_older_snapshot(
    counts: Engine, other_engine: Engine, level: str
) -> None:
    query = "select id, kind from event"
    plan = counts.compile(query).to_json()
    with other_engine.connection.transaction(force_rollback=True):
        other_engine.connection.execute(f"set transaction isolation level {level}")  # type: ignore[arg-type]
        other_engine.connection.execute("select pgtrickle.offer_plan(%s, %s)", [query, plan])
        counts.connection.execute("alter table event alter column id type bigint")
        with pytest.raises(psycopg.errors.SerializationFailure):
            other_engine.connection.execute(
                "select pgtrickle.create_stream_table('ids', %s)", [query]
            )


def test_triggers_switched_off_for_a_while(counts: Engine) -> None:
    counts.connection.execute("alter table event disable trigger user")
    counts.connection.execute("insert into event values (3, 'a')")
    counts.connection.execute("alter table event enable trigger user")
    assert refreshed(counts).action == "REINITIALIZE"
    is_incremental_again(counts)


@pytest.fixture
def subscribed(
    counts: Engine, fresh_database: Callable[..., AbstractContextManager[str]], server_version: str
) -> Iterator[psycopg.Connection]:
    """`event_a` is written by a subscription to a table of another database."""
    with fresh_database(server_version) as published:
        slot = f"slot_{conninfo_to_dict(published)['dbname']}"
        with psycopg.connect(published, autocommit=True) as publisher:
            if publisher.execute("show wal_level").fetchone() != ("logical",):
                pytest.skip("this server does not decode its log")
            publisher.execute("create table event_a (id integer not null, kind text)")
            publisher.execute("create publication everything for table event_a")
            publisher.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
            counts.connection.execute(
                f"create subscription incoming connection '{make_conninfo(published)}'"  # type: ignore[arg-type]
                f" publication everything with (create_slot = false, slot_name = '{slot}',"
                " copy_data = false)"
            )
            try:
                yield publisher
            finally:
                counts.connection.execute("alter subscription incoming disable")
                counts.connection.execute("alter subscription incoming set (slot_name = none)")
                counts.connection.execute("drop subscription incoming")


def test_what_a_subscription_writes(counts: Engine, subscribed: psycopg.Connection) -> None:
    subscribed.execute("insert into event_a values (7, 'a')")
    until = time.monotonic() + 60
    while counts.connection.execute("select from event_a where id = 7").fetchone() is None:
        assert time.monotonic() < until, "nothing was replicated"
        time.sleep(0.05)
    done = refreshed(counts)
    assert done.action == "REINITIALIZE"
    assert "written by logical replication" in str(done.reason)
    with pgtrickle.connect(counts.connection.info.dsn) as another:
        another.create_stream_table("ids", "select id from event")
        (mode,) = another.session.rows(
            "select effective_refresh_mode from pgtrickle.pgt_stream_tables where pgt_name = 'ids'"
        )
        assert mode == ("FULL",)
