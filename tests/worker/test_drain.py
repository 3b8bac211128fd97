"""drain(): scheduled refreshes held back for as long as a session wants."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from pgtrickle.engine import Engine

from .conftest import Held, Worker
from .test_worker import COUNT, create, wait_until


def scalar(session: psycopg.Connection, query: str) -> object:
    row = session.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_a_drained_scheduler_rests_until_it_is_let_go_on(
    own_engine: Engine, held: Held, database: str, start_worker: Callable[..., Worker]
) -> None:
    own_engine.create_stream_table("t", "select id, slow(v) as v from src", schedule="1s")
    start_worker("--dsn", database)
    own_engine.connection.execute("insert into src values (1, 1)")
    held.wait_for()
    with psycopg.connect(database, autocommit=True) as session:
        assert scalar(session, "select pgtrickle.drain(0)") is False
        held.let_go()
        assert scalar(session, "select pgtrickle.drain()") is True
        assert scalar(session, "select pgtrickle.is_drained()") is True
        assert own_engine.session.rows(COUNT) == [(1,)]
        own_engine.connection.execute("insert into src values (2, 1)")
        time.sleep(2.5)
        assert own_engine.session.rows(COUNT) == [(1,)]
        assert own_engine.refresh("t").action == "DIFFERENTIAL"
        own_engine.connection.execute("insert into src values (3, 1)")
        assert scalar(session, "select pgtrickle.end_drain()") is True
        wait_until(own_engine, COUNT, 3)
        assert scalar(session, "select pgtrickle.is_drained()") is False


def test_a_session_that_ends_drains_no_more(own_engine: Engine, database: str) -> None:
    create(own_engine)
    own_engine.connection.execute(
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '1 h'"
    )
    due = "select count(*) from pgtrickle._due()"
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("select pgtrickle.drain()")
        assert own_engine.session.rows(due) == [(0,)]
        ((outcome,),) = own_engine.session.rows("select (pgtrickle._refresh_scheduled('t')).reason")
        assert outcome == "somebody drains the scheduler"
    wait_until(own_engine, due, 1)
