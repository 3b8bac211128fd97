"""Refreshes side by side, at one snapshot, all at once where none is needed; and who is told."""

from __future__ import annotations

import http.server
import socket
import threading
import time
import urllib.request
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.runtime.waiting import PATIENCE

from pgtrickle import cli
from pgtrickle.engine import Engine
from pgtrickle.worker import serving
from pgtrickle.worker.bell import Bell
from pgtrickle.worker.lanes import Lanes
from pgtrickle.worker.units import Unit

from .conftest import Held, Worker
from .test_worker import wait_until

StartWorker = Callable[..., Worker]

TRANSACTIONS = "select count(*), count(distinct own_xid) from pgtrickle.pgt_frontiers"


def test_what_does_not_read_each_other_goes_side_by_side(
    own_engine: Engine, held: Held, database: str, start_worker: StartWorker
) -> None:
    for name in ("t", "u"):
        own_engine.create_stream_table(name, "select id, slow(v) as v from src", schedule="1s")
    worker = start_worker("--dsn", database)
    worker.logged("event=serving")
    own_engine.connection.execute("insert into src values (1, 1)")
    held.wait_for(2)


def diamond(engine: Engine, schedule: str = "1h") -> None:
    engine.create_stream_table("left_", "select id, v from src where v > 0", schedule=schedule)
    engine.create_stream_table("right_", "select id, v from src where v > 1", schedule=schedule)
    engine.create_stream_table(
        "bottom",
        "select (select count(*) from left_) as l, (select count(*) from right_) as r",
        schedule="1s",
    )


def test_a_diamond_is_refreshed_at_one_snapshot(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    diamond(own_engine)  # its upper tables are due with the lowest, though not by themselves
    own_engine.connection.execute("insert into src values (1, 1), (2, 2)")
    start_worker("--dsn", database)
    wait_until(own_engine, "select (l, r)::text from bottom", "(2,1)")
    assert own_engine.session.rows(TRANSACTIONS) == [(3, 1)]


@pytest.mark.parametrize(
    ("isolation", "transactions"), [("repeatable_read", 1), ("read_committed", 2)]
)
def test_a_refresh_group_is_refreshed_together(
    own_engine: Engine, isolation: str, transactions: int, database: str
) -> None:
    own_engine.create_stream_table("t", "select id from src", schedule="1h")
    own_engine.create_stream_table("u", "select v from src", schedule="1d")
    own_engine.session.rows(
        "select pgtrickle.create_refresh_group('both', array['t', 'u'], %s)", (isolation,)
    )
    own_engine.connection.execute(
        "insert into src values (1, 1);"
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '2 h'"
    )
    assert cli.run(["worker", "--once", "--dsn", database]) == 0
    assert own_engine.session.rows(TRANSACTIONS) == [(2, transactions)]


def test_a_writer_that_does_not_end_holds_up_nobody_else(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    """Compiling a table waits for writers of its source; others are refreshed meanwhile."""
    own_engine.connection.execute("create table src2 (id integer)")
    own_engine.create_stream_table("u", "select id from src2", schedule="1s")
    with psycopg.connect(database) as writing:
        writing.execute("insert into src values (1)")
        own_engine.connection.execute(
            "select pgtrickle.create_stream_table('t', 'select id from src',"
            " schedule => '1s', initialize => false)"
        )
        start_worker("--dsn", database, "--poll", "0.2")
        for number in (1, 2):
            own_engine.connection.execute("insert into src2 values (%s)", (number,))
            wait_until(own_engine, "select count(*) from u", number)
        writing.commit()
    wait_until(own_engine, "select count(*) from t", 1)


def test_a_source_that_is_locked_holds_up_its_readers_only(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    """There are more of them than lanes."""
    own_engine.connection.execute("create table src2 (id integer)")
    own_engine.create_stream_table("u", "select id from src2", schedule="1s")
    for number in range(3):
        own_engine.create_stream_table(f"t{number}", "select id from src", schedule="1s")
    own_engine.connection.execute("insert into src values (1)")
    with psycopg.connect(database) as locking:
        locking.execute("lock table src")
        worker = start_worker("--dsn", database, "--jobs", "2", "--log-level", "debug")
        worker.logged("is locked by somebody else", times=3)
        own_engine.connection.execute("insert into src2 values (1)")
        wait_until(own_engine, "select count(*) from u", 1)
    wait_until(own_engine, "select count(*) from t2", 1)
    assert own_engine.session.rows(
        "select count(*) from pgtrickle.pgt_refresh_history where status = 'FAILED'"
    ) == [(0,)]


def test_a_failing_member_of_a_diamond_has_its_time_before_it_is_tried_again(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    own_engine.connection.execute(
        "update pgtrickle.settings set value = '3600' where name = 'error_backoff_seconds'"
    )
    diamond(own_engine, schedule="1s")
    own_engine.session.rows(
        "select pgtrickle.alter_stream_table('left_', query => 'select id, 1 / v as v from src')"
    )
    own_engine.create_stream_table("u", "select id from src", schedule="1s")
    own_engine.connection.execute("insert into src values (1, 0)")
    worker = start_worker("--dsn", database)
    worker.logged("event=refresh_failed")
    for number in (2, 3):
        own_engine.connection.execute("insert into src values (%s, 1)", (number,))
        wait_until(own_engine, "select count(*) from u", number)
    assert sum("event=refresh_failed" in line for line in worker.lines) == 1


def test_nothing_is_begun_again_before_it_is_known_how_it_ended(
    own_engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that is begun while a refresh goes on takes until that has ended."""
    diamond(own_engine, schedule="1s")
    own_engine.session.rows(
        "select pgtrickle.alter_stream_table('left_', query => 'select id, 1 / v as v from src')"
    )
    own_engine.connection.execute(
        "insert into src values (1, 0);"
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '1 h'"
    )
    begun: list[bool] = []

    def until_all_have_ended(self: serving.Serving, _now: float) -> None:
        while self.lanes.under_way:
            time.sleep(0.01)

    def begin(self: Lanes, unit: Unit) -> None:
        begun.append(any(unit.ids & ended.ids for ended, _ in self._finished))
        begins(self, unit)

    begins = Lanes.begin
    monkeypatch.setattr(Lanes, "begin", begin)
    monkeypatch.setattr(serving.Serving, "_bring_back_adrift", until_all_have_ended)
    bell = Bell()
    manner = serving.Manner(poll=0.05, on_change=True)
    thread = threading.Thread(target=serving.serve, args=(database, bell, manner))
    thread.start()
    for number in range(2, 8):
        own_engine.connection.execute("insert into src values (%s, 0)", (number,))
        time.sleep(0.5)
    end = time.monotonic() + PATIENCE
    while not begun and time.monotonic() < end:
        time.sleep(0.01)
    bell.ring()
    thread.join(PATIENCE)
    assert begun
    assert not any(begun)


IDLE = (
    "select array(select s.pgt_name from pgtrickle.pgt_stream_tables s where s.pgt_id ="
    " any (pgtrickle._idle(array(select pgt_id from pgtrickle.pgt_stream_tables)))"
    " order by 1)::text"
)


@pytest.mark.parametrize(
    ("happening", "idle"),
    [
        ("select", "{t,v}"),
        ("insert into src values (1, 1)", "{v}"),
        ("alter table src add column extra integer default random()", "{v}"),  # rewritten
        ("alter table src disable trigger user", "{v}"),
        ("alter table src rename to other", "{v}"),
        ("select pgtrickle.pause_stream_table('t')", "{v}"),
        ("select pgtrickle.gate_source('src2')", "{}"),
        ("update pgtrickle.pgt_stream_tables set needs_reinit = true", "{}"),
    ],
)
def test_idle_is_what_a_refresh_would_find_unchanged(
    own_engine: Engine, happening: str, idle: str
) -> None:
    own_engine.connection.execute("create table src2 (id integer); create view w as table src2")
    own_engine.create_stream_table("t", "select id from src")
    own_engine.create_stream_table("v", "select id from src2")
    own_engine.create_stream_table("full_", "select id from src2", refresh_mode="FULL")
    own_engine.create_stream_table("over a view", "select id from w")
    own_engine.create_stream_table("moving", "select id from src2 where now() > '2020-01-01'")
    own_engine.connection.execute(happening)
    assert own_engine.session.rows(IDLE) == [(idle,)]


def test_idle_tables_are_passed_all_at_once(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    own_engine.create_stream_table("t", "select id from src", schedule="1s")
    history = "select count(*) from pgtrickle.pgt_refresh_history"
    start_worker("--dsn", database)
    first = "select last_refresh_at > created_at + interval '1 s' from pgtrickle.pgt_stream_tables"
    wait_until(own_engine, first, True)
    ((before, refreshed),) = own_engine.session.rows(
        f"select ({history}), last_refresh_at from pgtrickle.pgt_stream_tables"
    )
    later = f"select last_refresh_at > '{refreshed}'::timestamptz + interval '2 s'"
    wait_until(own_engine, f"{later} from pgtrickle.pgt_stream_tables", True)
    assert own_engine.session.rows(history)[0][0] - before <= 1
    own_engine.connection.execute("insert into src values (1, 1)")
    wait_until(own_engine, "select count(*) from t", 1)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_prometheus_is_told_what_was_done(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    own_engine.create_stream_table("t", "select id from src", schedule="1s")
    port = free_port()
    worker = start_worker("--dsn", database, "--metrics", str(port))
    worker.logged("event=serving")
    own_engine.connection.execute("insert into src values (1, 1), (2, 2)")
    wait_until(own_engine, "select count(*) from t", 2)
    name = own_engine.connection.info.dbname
    expected = {
        f'pgtrickle_leading{{database="{name}"}} 1.0',
        f'pgtrickle_changes_total{{database="{name}",table="public.t"}} 2.0',
        f'pgtrickle_rows_total{{database="{name}",kind="inserted",table="public.t"}} 2.0',
        f'pgtrickle_stream_tables{{database="{name}",status="ACTIVE"}} 1.0',
    }
    end = time.monotonic() + PATIENCE
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = set(answer.read().decode().splitlines())
        if expected <= lines or time.monotonic() > end:
            break
        time.sleep(0.2)
    assert expected <= lines


def test_a_password_is_in_no_log_metric_or_history(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    secret = "hunter2-in-the-dsn"
    port = free_port()
    own_engine.create_stream_table("t", "select 1 / v as v from src", schedule="1s")
    worker = start_worker(
        *("--dsn", make_conninfo(database, password=secret)),
        *("--metrics", str(port), "--log-level", "debug"),
    )
    worker.logged("event=serving")
    own_engine.connection.execute("insert into src values (1, 0)")
    wait_until(own_engine, "select status = 'ERROR' from pgtrickle.pgt_stream_tables", True)
    own_engine.session.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'pgtrickle worker' and datname = current_database()"
    )
    worker.logged("event=serving", times=2)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        metrics = answer.read().decode()
    told = own_engine.session.rows(
        "select h::text from pgtrickle.pgt_refresh_history h"
        " union all select s::text from pgtrickle.pgt_stream_tables s"
        " union all select a::text from pg_stat_activity a where datname = current_database()"
    )
    assert "public.t" in metrics
    assert len(told) > 3
    assert secret not in "\n".join([*worker.lines, metrics, *(row for (row,) in told)])


def test_a_port_that_is_taken_is_an_error(database: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.run(["worker", "--dsn", database, "--metrics", str(port)]) == 2


def test_refreshes_are_traced(
    own_engine: Engine,
    database: str,
    start_worker: StartWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received = threading.Event()
    bodies: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            received.set()

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{collector.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        own_engine.create_stream_table("t", "select id from src", schedule="1s")
        own_engine.connection.execute("insert into src values (1, 1)")
        start_worker("--dsn", database, "--traces")
        assert received.wait(PATIENCE)
        collector.shutdown()
    assert b"pgtrickle refresh" in bodies[0]
    assert b"public.t" in bodies[0]
