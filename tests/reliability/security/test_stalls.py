"""Who may hold others up: nobody whom the schemas are closed to, and by draining only an owner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pgtrickle.engine import Engine
from pgtrickle.worker import work
from pgtrickle.worker.leadership import lead, leader

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
EngineAs = Callable[..., Engine]

pytestmark = [pytest.mark.every_server, pytest.mark.one_in(2)]
DENIED = psycopg.errors.InsufficientPrivilege

CLOSED = """
    revoke usage on schema pgtrickle, pgtrickle_state, pgtrickle_changes from public;
    grant usage on schema pgtrickle, pgtrickle_state, pgtrickle_changes to pgt_test_owner;
"""
"""What docs/reliability.md has the installer run, as given there."""

SOURCES = """
    create table src.item (id integer primary key, kind text);
    insert into src.item select n, 'k' || n % 3 from generate_series(1, 30) n;
    create table src.entry (id integer primary key, amount integer);
    insert into src.entry select n, n from generate_series(1, 30) n;
"""


@pytest.fixture
def tables(owner: Connection, engine_as: EngineAs) -> Engine:
    owner.execute(SOURCES)
    engine = engine_as("owner")
    engine.create_stream_table(
        "marts.kinds", "select kind, count(*) as n from src.item group by kind", schedule="1s"
    )
    engine.create_stream_table(
        "marts.total", "select sum(amount) as total from src.entry", refresh_mode="IMMEDIATE"
    )
    owner.execute("grant select on marts.kinds, marts.total to pgt_test_reader")
    return engine


@pytest.fixture
def closed(tables: Engine, connect: Connect) -> Engine:
    connect("installer").execute(CLOSED)
    return tables


@pytest.fixture
def stranger(runtime: str) -> Iterator[Connection]:
    """A role that may connect and read; its transaction stays open."""
    with closing(psycopg.connect(make_conninfo(runtime, user="pgt_test_reader"))) as session:
        yield session


HOLDS = {
    "the catalog": "lock table pgtrickle.pgt_stream_tables in access exclusive mode",
    "frontiers": "lock table pgtrickle.pgt_frontiers in access exclusive mode",
    "what all refresh together": "lock table pgtrickle.pgt_graph_turn in access exclusive mode",
    "gates": "lock table pgtrickle.pgt_source_gates in access exclusive mode",
    "writers": "select pgtrickle._lock_immediate(array[1, 2], '{}')",
    "refreshes": "select pgtrickle._await_refreshes('src.item'::regclass)",
    "a buffer": "select pgtrickle._purge('src.item'::regclass, 0)",
    "purging": "select pgtrickle._hold_capture('src.item'::regclass)",
    "capturing": "select pgtrickle._lock_capture('src.item'::regclass)",
    "a buffer by its name": "lock table pgtrickle_changes.{buffer} in access share mode",
}


@pytest.mark.parametrize("hold", HOLDS)
def test_whom_the_schemas_are_closed_to_holds_nobody_up(
    closed: Engine, connect: Connect, stranger: Connection, hold: str
) -> None:
    ((source,),) = connect().execute("select 'src.item'::regclass::oid").fetchall()
    with pytest.raises(DENIED):
        stranger.execute(HOLDS[hold].replace("{buffer}", f"changes_{source}_0"))  # type: ignore[arg-type]
    owner = connect("owner")
    owner.execute("set lock_timeout = '2s'")
    owner.execute("insert into src.item values (99, 'new')")
    owner.execute("insert into src.entry values (99, 1)")
    closed.connection.execute("set lock_timeout = '2s'")
    assert [one.error for one in closed.refresh_all()] == [None, None]
    work.tidy(closed)
    work.empty_buffers(closed)


def test_nor_is_anybody_kept_from_what_they_did(closed: Engine, connect: Connect) -> None:
    """Readers and writers need nothing of the engine's schemas, but writers of what an IMMEDIATE
    table reads, whose statements maintain it."""
    reader, writer = connect("reader"), connect("writer")
    writer.execute("update src.item set kind = 'same'")
    writer.execute("insert into src.item values (100, 'other')")
    assert closed.refresh("marts.kinds").error is None
    found = reader.execute("select kind, n from marts.kinds order by 1").fetchall()
    assert found == [("other", 1), ("same", 30)]
    with pytest.raises(DENIED, match="schema pgtrickle"):
        writer.execute("insert into src.entry values (100, 1)")
    connect("installer").execute(
        "grant usage on schema pgtrickle, pgtrickle_state to pgt_test_writer"
    )
    writer.execute("insert into src.entry values (100, 1)")
    assert reader.execute("select total from marts.total").fetchall() == [(466,)]
    closed.create_stream_table("marts.more", "select id from src.item where id > 5")
    closed.drop_stream_table("marts.more")


def test_an_upgrade_leaves_the_schemas_closed(
    closed: Engine, engine_as: EngineAs, stranger: Connection
) -> None:
    engine_as().install()
    with pytest.raises(DENIED):
        stranger.execute("select * from pgtrickle.stream_tables_info")


def test_who_owns_no_stream_table_drains_nothing(
    tables: Engine, connect: Connect, stranger: Connection
) -> None:
    with pytest.raises(DENIED, match="pgt_test_reader"):
        stranger.execute("select pgtrickle.drain()")
    stranger.rollback()
    stranger.execute("select pg_advisory_lock_shared(1885829237, 3)")
    stranger.commit()
    drained = "select pgtrickle.is_drained()"
    assert tables.session.rows(drained) == [(False,)]
    outcome = "select (pgtrickle._refresh_scheduled('marts.kinds')).status"
    assert tables.session.rows(outcome) == [("COMPLETED",)]
    owner = connect("owner")
    assert owner.execute("select pgtrickle.drain()").fetchall() == [(True,)]
    assert tables.session.rows(drained) == [(True,)]
    assert tables.session.rows(outcome) == [("SKIPPED",)]


TURN = "do $$ begin lock table pgtrickle.pgt_graph_turn in share update exclusive mode; end $$"


def held_up(engine: Engine) -> str:
    ((detail,),) = engine.session.rows(
        "select detail from pgtrickle.health_check() where check_name = 'held_up'"
    )
    return str(detail)


def test_who_keeps_a_worker_waiting_is_named(
    tables: Engine, connect: Connect, stranger: Connection
) -> None:
    assert held_up(tables) == "no session keeps a worker waiting"
    stranger.execute("lock table pgtrickle.pgt_graph_turn in access exclusive mode")
    named = f"session {stranger.info.backend_pid} of role pgt_test_reader keeps a worker waiting"
    worker = connect("owner")
    worker.execute("set application_name = 'pgtrickle worker'")
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(worker.execute, TURN)
        end = time.monotonic() + 60
        while named not in held_up(tables):
            assert time.monotonic() < end
            time.sleep(0.1)
        stranger.rollback()
        waiting.result()
    assert held_up(tables) == "no session keeps a worker waiting"


def test_who_takes_the_lead_and_may_refresh_nothing_is_named(
    tables: Engine, stranger: Connection
) -> None:
    stranger.execute("select pg_advisory_lock(1885829237, 1)")
    stranger.commit()
    pid = stranger.info.backend_pid
    assert held_up(tables).startswith(f"session {pid} of role pgt_test_reader leads the workers")
    assert not lead(tables.session)
    assert leader(tables.session) == {"leader": pid, "role": "pgt_test_reader"}
