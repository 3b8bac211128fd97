"""A worker process on a real server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import psutil
import psycopg
import pytest
from tests.conftest import PROGRAMS
from tests.runtime.waiting import PATIENCE

import pgtrickle
from pgtrickle.embedded import server
from pgtrickle.engine import Engine
from pgtrickle.worker.bell import Bell
from pgtrickle.worker.connection import connect
from pgtrickle.worker.serving import Manner, Serving

from .conftest import SOURCE, Held, Worker

StartWorker = Callable[..., Worker]
COUNT = "select count(*) from t"


def create(engine: Engine, schedule: str = "1s") -> None:
    engine.create_stream_table("t", "select id, v from src", schedule=schedule)


def wait_until(engine: Engine, query: str, value: Any, seconds: float = PATIENCE) -> None:
    """Until the query gives the value."""
    end = time.monotonic() + seconds
    while (found := engine.session.rows(query)[0][0]) != value:
        assert time.monotonic() < end, f"{query}: {found}"
        time.sleep(0.01)


@pytest.mark.every_server
def test_changes_are_seen_by_a_schedule_of_one_second(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    create(own_engine)
    worker = start_worker("--dsn", database, "--log-level", "debug")
    worker.logged("event=serving")
    for change in range(1, 4):
        own_engine.connection.execute("insert into src values (%s)", (change,))
        wait_until(own_engine, COUNT, change)
    assert worker.stop() == 0
    assert "event=stopped" in worker.lines[-1]


def test_what_is_due_begins_then_and_not_before_whatever_poll_says(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    own_engine.create_stream_table(
        "t", "select count(*) as n from src", schedule="1s", refresh_mode="FULL"
    )
    start_worker("--dsn", database, "--poll", "3600").logged("event=serving")
    starts = (
        "select start_time from pgtrickle.pgt_refresh_history"
        " where initiated_by = 'SCHEDULER' order by refresh_id"
    )
    wait_until(own_engine, f"select count(*) > 3 from ({starts}) s", True)
    times = [start for (start,) in own_engine.session.rows(starts)]
    assert min(b - a for a, b in pairwise(times)) >= timedelta(seconds=1)


def moment(engine: Engine) -> datetime:
    return cast("datetime", engine.session.rows("select clock_timestamp()")[0][0])


def test_it_rests_until_the_next_table_is_due_and_no_longer(
    own_engine: Engine, database: str
) -> None:
    own_engine.create_stream_table("t", "select id from src", schedule="1h")
    with closing(connect(database)) as connection:
        serving = Serving(connection, partial(connect, database), Bell(), Manner(poll=86400))
        began = moment(own_engine)
        rest = timedelta(seconds=serving._round())
        ended = moment(own_engine)
    ((due,),) = own_engine.session.rows("select due_at from pgtrickle._due_times()")
    assert due - ended <= rest <= due - began


def test_what_sql_created_is_compiled_and_populated(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    worker = start_worker("--dsn", database, "--poll", "0.2")
    worker.logged("event=serving")
    own_engine.connection.execute(
        "insert into src values (1);"
        "select pgtrickle.create_stream_table('t', 'select id from src',"
        " schedule => '1s', initialize => false)"
    )
    wait_until(own_engine, COUNT, 1)
    mode = "select effective_refresh_mode from pgtrickle.pgt_stream_tables"
    wait_until(own_engine, mode, "DIFFERENTIAL")


def test_a_notification_wakes_it(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    worker = start_worker("--dsn", database, "--poll", "60")
    worker.logged("event=serving")
    time.sleep(0.5)
    own_engine.connection.execute(
        "insert into src values (1);"
        "select pgtrickle.create_stream_table('t', 'select id from src', initialize => false);"
        "notify pgtrickle_wake"
    )
    wait_until(own_engine, COUNT, 1)


def test_a_second_worker_stands_by_and_takes_over(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    create(own_engine)
    alive = "select scheduler_running from pgtrickle.quick_health"
    assert own_engine.session.rows(alive) == [(False,)]
    first = start_worker("--dsn", database, "--poll", "0.2")
    first.logged("event=serving")
    assert own_engine.session.rows(alive) == [(True,)]
    second = start_worker("--dsn", database, "--poll", "0.2")
    second.logged("event=standing_by")
    own_engine.connection.execute("insert into src select generate_series(1, 5)")
    first.process.send_signal(signal.SIGKILL)
    second.logged("event=serving")
    wait_until(own_engine, COUNT, 5)
    assert own_engine.verify("t").equal
    assert second.stop(signal.SIGINT) == 0
    wait_until(own_engine, alive, False)


def test_stopping_finishes_the_refresh_under_way(
    own_engine: Engine, held: Held, database: str, start_worker: StartWorker
) -> None:
    own_engine.create_stream_table("t", "select id, slow(v) as v from src", schedule="1s")
    worker = start_worker("--dsn", database)
    worker.logged("event=serving")
    own_engine.connection.execute("insert into src values (1, 1)")
    held.wait_for()
    worker.process.send_signal(signal.SIGTERM)
    held.let_go()
    assert worker.ended() == 0
    assert own_engine.session.rows(COUNT) == [(1,)]


def test_a_worker_serves_several_databases(
    own_engine: Engine,
    database: str,
    fresh_database: Callable[..., AbstractContextManager[str]],
    start_worker: StartWorker,
) -> None:
    with fresh_database() as second, pgtrickle.connect(second) as other:
        worker = start_worker("--dsn", database, "--dsn", second, "--poll", "0.2")
        worker.logged("event=not_installed")
        other.install()
        other.connection.execute(SOURCE)
        for engine in (own_engine, other):
            create(engine)
            engine.connection.execute("insert into src values (1)")
        for engine in (own_engine, other):
            wait_until(engine, COUNT, 1)
        assert worker.stop() == 0


def test_a_restarted_server_is_found_again(
    servers_directory: Path, start_worker: StartWorker
) -> None:
    with server(
        servers_directory / "restarted", postgres=PROGRAMS, settings={"fsync": "off"}
    ) as postgres:
        with pgtrickle.connect(postgres.dsn) as engine:
            engine.install()
            engine.connection.execute(SOURCE)
            create(engine)
        worker = start_worker("--dsn", postgres.dsn, "--log-format", "json")
        worker.logged('"event": "serving"')
        postgres.stop()
        worker.logged('"event": "connection_lost"')
        postgres.start()
        worker.logged('"event": "serving"', times=2)
        with pgtrickle.connect(postgres.dsn) as engine:
            engine.connection.execute("insert into src values (1)")
            wait_until(engine, COUNT, 1)
        assert worker.stop() == 0


def test_a_terminated_session_is_replaced(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    create(own_engine)
    worker = start_worker("--dsn", database)
    worker.logged("event=serving")
    own_engine.connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'pgtrickle worker' and datname = current_database()"
    )
    worker.logged("event=serving", times=2)
    own_engine.connection.execute("insert into src values (1)")
    wait_until(own_engine, COUNT, 1)


def test_a_table_locked_by_a_refresh_by_hand_holds_nobody_up(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    create(own_engine)
    own_engine.create_stream_table("u", "select id from src", schedule="1s")
    worker = start_worker("--dsn", database, "--log-level", "debug")
    worker.logged("event=serving")
    with psycopg.connect(database) as refreshing:
        refreshing.execute("select pgtrickle.refresh_stream_table('t')")
        own_engine.connection.execute("insert into src values (1)")
        wait_until(own_engine, "select count(*) from u", 1)
        worker.logged("action=SKIP")
        assert sum("action=SKIP" in line for line in worker.lines) < 60
    wait_until(own_engine, COUNT, 1)


def test_an_immediate_table_whose_source_was_rebuilt_is_brought_back(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    own_engine.create_stream_table("t", "select id, v from src", refresh_mode="IMMEDIATE")
    own_engine.connection.execute(
        "insert into src values (1, 1); insert into src values (2, 2);"
        "create table rebuilt (like src including all); insert into rebuilt values (3, 3);"
        "drop table src; alter table rebuilt rename to src"
    )
    start_worker("--dsn", database)
    wait_until(own_engine, "select min(id) from t", 3)
    with own_engine.connection.transaction():
        own_engine.connection.execute("insert into src values (4, 4)")
        assert own_engine.session.rows(COUNT) == [(2,)]


def test_failures_are_logged_and_end_in_suspension(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    own_engine.connection.execute(
        "update pgtrickle.settings set value = '0.2' where name = 'error_backoff_seconds'"
    )
    own_engine.create_stream_table("t", "select id, 1 / v as inverse from src", schedule="1s")
    own_engine.create_stream_table("u", "select id from src", schedule="1s")
    own_engine.connection.execute("insert into src values (1, 0)")
    worker = start_worker("--dsn", database)
    status = "select status from pgtrickle.pgt_stream_tables where pgt_name = 't'"
    wait_until(own_engine, status, "SUSPENDED")
    wait_until(own_engine, "select count(*) from u", 1)
    worker.logged("event=refresh_failed", times=3)
    failures = [line for line in worker.lines if "event=refresh_failed" in line]
    assert len(failures) == 3
    assert 'error="division by zero"' in failures[0]
    assert "suspended" in failures[2]


def test_a_signal_that_another_thread_is_given_ends_it(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    worker = start_worker("--dsn", database)
    worker.logged("serving")
    pid = worker.process.pid
    others = [each.id for each in psutil.Process(pid).threads() if each.id != pid]
    os.kill(others[0], signal.SIGTERM)
    assert worker.process.wait(60) == 0
