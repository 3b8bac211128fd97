"""A network that swallows what is sent, and says nothing: neither end learns that it is alone.

The worker's times are shortened: see docs/operations.md for what they are.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pgtrickle.engine import Engine
from pgtrickle.worker import connection, serving, watchdog
from pgtrickle.worker.bell import Bell

from .conftest import Held, Worker
from .proxy import Proxy, proxy
from .test_together import diamond
from .test_worker import COUNT, create, wait_until

StartWorker = Callable[..., Worker]
LEADERS = (
    "select count(*) from pg_locks where locktype = 'advisory' and granted"
    " and (classid, objid, objsubid) = (1885829237, 1, 2)"
    " and database = (select oid from pg_database where datname = current_database())"
)


@pytest.fixture(autouse=True)
def shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HELD", 3)
    monkeypatch.setattr(serving, "LED", 3)
    monkeypatch.setattr(watchdog, "LOOK", 0.5)
    monkeypatch.setattr(watchdog, "ANSWER", 2.0)


@pytest.fixture
def way(database: str) -> Iterator[Proxy]:
    with proxy(database) as opened:
        yield opened


@contextmanager
def serving_through(way: Proxy, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A worker of this process, at the other end of the proxy."""
    caplog.set_level(logging.INFO, "pgtrickle.worker")
    bell = Bell()
    manner = serving.Manner(poll=0.2)
    thread = threading.Thread(
        target=serving.serve, args=(make_conninfo(way.dsn, connect_timeout=2), bell, manner)
    )
    thread.start()
    try:
        logged(caplog, "serving")
        yield
    finally:
        way.mend()
        bell.ring()
        thread.join(60)
        assert not thread.is_alive()


def logged(caplog: pytest.LogCaptureFixture, event: str, times: int = 1) -> None:
    end = time.monotonic() + 60
    while [record.getMessage() for record in caplog.records].count(event) < times:
        assert time.monotonic() < end, caplog.text
        time.sleep(0.05)


@pytest.mark.slow
def test_a_worker_that_is_cut_off_loses_the_lead_and_comes_back(
    own_engine: Engine,
    database: str,
    way: Proxy,
    start_worker: StartWorker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    create(own_engine)
    with serving_through(way, caplog):
        other = start_worker("--dsn", database, "--poll", "0.2")
        other.logged("event=standing_by")
        own_engine.connection.execute("insert into src values (1)")
        wait_until(own_engine, COUNT, 1)
        way.cut()
        own_engine.connection.execute("insert into src values (2)")
        other.logged("event=serving")
        wait_until(own_engine, COUNT, 2)
        assert own_engine.session.rows(LEADERS) == [(1,)]
        way.mend()
        logged(caplog, "answer_lost")
        logged(caplog, "connection_lost")
        logged(caplog, "standing_by")
        own_engine.connection.execute("insert into src values (3)")
        wait_until(own_engine, COUNT, 3)
        assert own_engine.session.rows(LEADERS) == [(1,)]
        assert other.stop() == 0
        logged(caplog, "serving", times=2)
        own_engine.connection.execute("insert into src values (4)")
        wait_until(own_engine, COUNT, 4)
    assert own_engine.verify("t").equal


def test_a_refresh_whose_end_was_not_heard_of_is_done_once_and_the_table_goes_on(
    own_engine: Engine, held: Held, way: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    own_engine.create_stream_table("t", "select id, slow(v) as v from src", schedule="1s")
    with serving_through(way, caplog):
        own_engine.connection.execute("insert into src values (1, 1)")
        held.wait_for()
        way.cut()
        held.let_go()
        wait_until(own_engine, COUNT, 1)  # the server finishes what it was told to do
        way.mend()
        own_engine.connection.execute("insert into src values (2, 2)")
        wait_until(own_engine, COUNT, 2)
    ((refreshed, rows),) = own_engine.session.rows(
        "select count(*), sum(rows_inserted) from pgtrickle.pgt_refresh_history"
        " where action = 'DIFFERENTIAL'"
    )
    assert (refreshed, rows) == (2, 2)
    assert own_engine.verify("t").equal


@pytest.mark.slow
def test_the_server_lets_go_of_what_a_lost_session_has_locked(
    own_engine: Engine, held: Held, database: str, way: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits for the word to commit; its tables wait for it."""
    diamond(own_engine)
    own_engine.session.rows(
        "select pgtrickle.alter_stream_table('left_', query => 'select id, slow(v) as v from src')"
    )
    with serving_through(way, caplog):
        own_engine.connection.execute("insert into src values (1, 1)")
        held.wait_for()
        way.cut()
        held.let_go()
        idle = (
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and application_name = 'pgtrickle worker' and state = 'idle in transaction'"
        )
        wait_until(own_engine, idle, 1)
        with psycopg.connect(database, autocommit=True) as by_hand:
            by_hand.execute("select pgtrickle.refresh_stream_table('left_')")  # waits
            assert by_hand.execute("select count(*) from left_").fetchone() == (1,)
        wait_until(own_engine, idle, 0)  # it lets go of its locks before it has ended
        way.mend()
        own_engine.connection.execute("insert into src values (2, 2)")
        wait_until(own_engine, "select (l, r)::text from bottom", "(2,1)")
    for name in ("left_", "right_", "bottom"):
        assert own_engine.verify(name).equal


def test_a_statement_that_takes_long_is_left_alone(
    own_engine: Engine, way: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    own_engine.connection.execute(
        "create function slow(integer) returns integer language sql immutable"
        " as 'select $1 from pg_sleep(4)'"
    )
    own_engine.create_stream_table("t", "select id, slow(v) as v from src", schedule="1s")
    with serving_through(way, caplog):
        own_engine.connection.execute("insert into src values (1, 1)")
        wait_until(own_engine, COUNT, 1)
    assert "answer_lost" not in caplog.text
    assert "connection_lost" not in caplog.text
