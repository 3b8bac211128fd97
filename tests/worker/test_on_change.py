"""A worker that does not wait for schedules where sources have changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import psycopg
import pytest
from tests.runtime.waiting import PATIENCE

from pgtrickle import cli
from pgtrickle.engine import Engine
from pgtrickle.worker.bell import Bell
from pgtrickle.worker.changes import Mark
from pgtrickle.worker.connection import connect
from pgtrickle.worker.serving import Manner, Serving

from .conftest import Held, Worker
from .test_together import TRANSACTIONS, diamond
from .test_worker import COUNT, wait_until

StartWorker = Callable[..., Worker]


def set_floor(engine: Engine, seconds: float) -> None:
    engine.connection.execute(
        "update pgtrickle.settings set value = %s where name = 'on_change_floor_seconds'",
        (str(seconds),),
    )


def serve(start_worker: StartWorker, database: str, *arguments: str) -> Worker:
    worker = start_worker("--dsn", database, "--on-change", "--poll", "3600", *arguments)
    worker.logged("event=serving")
    return worker


@pytest.mark.every_server
def test_changes_are_seen_long_before_the_schedule(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    set_floor(own_engine, 0)
    own_engine.create_stream_table("t", "select id, v from src", schedule="1h")
    worker = serve(start_worker, database)
    for change in range(1, 10):
        own_engine.connection.execute("insert into src values (%s)", (change,))
        wait_until(own_engine, COUNT, change)
    assert worker.stop() == 0


def test_it_looks_for_changes_ten_times_a_second(own_engine: Engine, database: str) -> None:
    slept: list[float] = []

    class Stopwatch(Bell):
        def sleep(self, seconds: float, connection: object = None) -> bool:
            slept.append(seconds)
            return len(slept) == 5

    with closing(connect(database)) as connection:
        manner = Manner(poll=3600, on_change=True)
        Serving(connection, partial(connect, database), Stopwatch(), manner)._rest(3600)
    assert slept == [0.1] * 5


def test_without_the_option_changes_wait_for_the_schedule(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    set_floor(own_engine, 0)
    own_engine.create_stream_table("t", "select id, v from src", schedule="1h")
    start_worker("--dsn", database).logged("event=serving")
    own_engine.connection.execute("insert into src values (1)")
    time.sleep(1.5)
    assert own_engine.session.rows(COUNT) == [(0,)]


def test_a_change_goes_through_a_chain_calculated_tables_included(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    own_engine.create_stream_table("a", "select id, v from src", schedule="calculated")
    own_engine.create_stream_table("b", "select id, v from a", schedule="calculated")
    own_engine.create_stream_table("c", "select count(*) as n from b", schedule="1h")
    serve(start_worker, database)
    own_engine.connection.execute("insert into src values (1, 1)")
    wait_until(own_engine, "select n from c", 1)


def test_a_diamond_is_refreshed_at_one_snapshot_when_one_of_it_has_changed(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    diamond(own_engine)
    own_engine.session.rows("select pgtrickle.alter_stream_table('bottom', schedule => '1h')")
    serve(start_worker, database)
    own_engine.connection.execute("insert into src values (1, 1), (2, 2)")
    wait_until(own_engine, "select (l, r)::text from bottom", "(2,1)")
    assert own_engine.session.rows(TRANSACTIONS) == [(3, 1)]


def test_a_change_that_is_committed_late_is_seen_though_others_are_still_under_way(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    own_engine.create_stream_table("t", "select id, v from src", schedule="1h")
    own_engine.connection.execute("create table elsewhere (id integer)")
    serve(start_worker, database)
    with psycopg.connect(database) as older, psycopg.connect(database) as writing:
        older.execute("insert into elsewhere values (1)")
        writing.execute("insert into src values (1)")
        for number in range(12):  # others come and go
            own_engine.connection.execute("insert into elsewhere values (%s)", (number,))
            time.sleep(0.1)
        assert own_engine.session.rows(COUNT) == [(0,)]
        writing.commit()
        wait_until(own_engine, COUNT, 1)
    with psycopg.connect(database) as alone:
        alone.execute("insert into src values (2)")
        time.sleep(1)
        alone.commit()
        wait_until(own_engine, COUNT, 2)


def test_a_change_during_a_refresh_is_seen_by_the_next(
    own_engine: Engine, held: Held, database: str, start_worker: StartWorker
) -> None:
    own_engine.create_stream_table("t", "select id, slow(v) as v from src", schedule="1h")
    serve(start_worker, database)
    own_engine.connection.execute("insert into src values (1, 1)")
    held.wait_for()
    own_engine.connection.execute("insert into src values (2, 2)")
    held.let_go()
    wait_until(own_engine, COUNT, 2, seconds=600)
    # Ten times as long from one to the next as it took: a refresh takes a tenth of the time.
    ((share,),) = own_engine.session.rows(
        "select max((h.start_time - before.end_time) / (before.end_time - before.start_time))"
        " from (select extract(epoch from start_time) as start_time,"
        " extract(epoch from end_time) as end_time, refresh_id"
        " from pgtrickle.pgt_refresh_history where action = 'DIFFERENTIAL') before"
        " join (select extract(epoch from start_time) as start_time, refresh_id"
        " from pgtrickle.pgt_refresh_history where action = 'DIFFERENTIAL') h"
        " on h.refresh_id > before.refresh_id"
    )
    assert share >= 9


def test_a_steady_writer_has_a_table_refreshed_once_in_the_floor(
    own_engine: Engine, database: str, start_worker: StartWorker
) -> None:
    own_engine.create_stream_table("t", "select id, v from src", schedule="1h")
    serve(start_worker, database)
    end = time.monotonic() + PATIENCE
    change, number = 0, 0
    while number < 4:
        change += 1
        own_engine.connection.execute("insert into src values (%s)", (change,))
        ((number, apart),) = own_engine.session.rows(
            "select count(*), min(h.apart) from (select extract(epoch from start_time"
            " - lag(end_time) over (order by refresh_id))::double precision as apart"
            " from pgtrickle.pgt_refresh_history where action = 'DIFFERENTIAL') h"
        )
        assert time.monotonic() < end
        time.sleep(0.01)
    assert apart >= 1
    wait_until(own_engine, COUNT, change)


CHANGED = (
    "select array(select s.pgt_name from pgtrickle.pgt_stream_tables s"
    " where s.pgt_id = any ((pgtrickle._changed()).ids) order by 1)::text"
)


@pytest.fixture
def changed(engine: Engine) -> Engine:
    """t has changes, u has none; both could be refreshed."""
    set_floor(engine, 0)
    engine.connection.execute("create table src2 (id integer)")
    engine.create_stream_table("t", "select id, v from src", schedule="1h")
    engine.create_stream_table("u", "select id from src2", schedule="1h")
    engine.connection.execute("insert into src2 values (1)")
    engine.refresh("u")
    engine.connection.execute("insert into src values (1, 1)")
    engine.connection.execute(
        "update pgtrickle.pgt_refresh_history set start_time = start_time - interval '1 min',"
        " end_time = start_time - interval '1 min' + interval '1 ms'"
    )
    return engine


@pytest.mark.every_server
@pytest.mark.parametrize(
    ("happening", "found"),
    [
        ("select", "{t}"),
        ("insert into src2 values (2)", "{t,u}"),
        ("truncate src2", "{t,u}"),
        ("select pgtrickle.alter_stream_table('t', schedule => 'calculated')", "{t}"),
        ("select pgtrickle.alter_stream_table('t', schedule => '@hourly')", "{}"),
        ("select pgtrickle.alter_stream_table('t', tier => 'cold')", "{t}"),
        ("select pgtrickle.alter_stream_table('t', tier => 'frozen')", "{}"),
        ("select pgtrickle.alter_stream_table('t', refresh_mode => 'IMMEDIATE')", "{}"),
        ("select pgtrickle.pause_stream_table('t')", "{}"),
        ("select pgtrickle.pause_scheduler(array['t'])", "{}"),
        ("select pgtrickle.pause_scheduler(array['u'])", "{t}"),
        ("select pgtrickle.gate_source('src')", "{}"),
        ("select pgtrickle.gate_source('src2')", "{t}"),
        (
            """
            select pgtrickle.create_watermark_group('g', array['src', 'src2']);
            select pgtrickle.create_stream_table('both', 'select s.id from src s, src2');
            insert into src2 values (2);
            select pgtrickle.advance_watermark('src', '2026-01-02');
            select pgtrickle.advance_watermark('src2', '2026-01-01')
            """,
            "{t,u}",
        ),
        (
            """
            select pgtrickle.alter_stream_table('t', fuse => 'on', fuse_ceiling => 1);
            insert into src values (2, 2);
            select pgtrickle.try_refresh('t')
            """,
            "{}",
        ),
        (
            """
            update pgtrickle.settings set value = '3600' where name = 'error_backoff_seconds';
            update pgtrickle.pgt_stream_tables set consecutive_errors = 3, last_error_at = now()
            """,
            "{}",
        ),
        (
            """
            update pgtrickle.pgt_stream_tables
            set consecutive_errors = 3, last_error_at = now() - interval '1 h'
            """,
            "{t}",
        ),
        ("update pgtrickle.settings set value = 'off' where name = 'enabled'", "{}"),
        ("select pgtrickle.refresh_stream_table('t')", "{}"),
    ],
)
def test_what_may_be_refreshed_on_change(changed: Engine, happening: str, found: str) -> None:
    changed.connection.execute(happening)
    assert changed.session.rows(CHANGED) == [(found,)]


@pytest.mark.parametrize(
    ("tier", "seconds", "took", "again"),
    [
        ("hot", 500, 0.001, 500),
        ("warm", 500, 0.001, 1000),
        ("cold", 500, 0.001, 5000),
        ("hot", 500, 200, 1800),
        ("hot", 0, 0.001, None),
    ],
)
def test_refreshes_on_change_are_some_time_apart(
    changed: Engine, tier: str, seconds: float, took: float, again: float | None
) -> None:
    set_floor(changed, seconds)
    for name in ("t", "u"):
        changed.session.rows("select pgtrickle.alter_stream_table(%s, tier => %s)", (name, tier))
    changed.connection.execute(
        "update pgtrickle.pgt_refresh_history set end_time = clock_timestamp() - interval '0.1 s',"
        " start_time = clock_timestamp() - interval '0.1 s' - make_interval(secs => %s)",
        (took,),
    )
    ((ids, left),) = changed.session.rows("select ids, again from pgtrickle._changed()")
    assert (ids == []) is (again is not None)
    assert left is None if again is None else again - 0.1 >= left > again - 300
    ((shown, later),) = changed.session.rows(
        "select ids, again from pgtrickle._changed("
        "array(select pgt_id from pgtrickle.pgt_stream_tables))"
    )
    assert (shown, later) == ([], None)  # under way


def test_nothing_is_begun_while_somebody_drains(own_engine: Engine, database: str) -> None:
    set_floor(own_engine, 0)
    own_engine.create_stream_table("t", "select id, v from src", schedule="1h")
    own_engine.connection.execute("insert into src values (1, 1)")
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("select pgtrickle.drain()")
        assert own_engine.session.rows(CHANGED) == [("{}",)]
    wait_until(own_engine, CHANGED, "{t}")


class Script:
    """Answers, one for each look at the mark: the number and the snapshot; and for an own id."""

    def __init__(self, *answers: tuple[int, str] | int) -> None:
        self.answers = list(answers)

    def rows(self, sql: str, _parameters: object = ()) -> list[tuple[object, ...]]:
        answer = self.answers.pop(0)
        assert isinstance(answer, int) is ("pg_current_xact_id" in sql)
        return [answer] if isinstance(answer, tuple) else [(str(answer),)]


def test_a_mark_has_moved_until_whoever_moved_it_has_ended() -> None:
    """The writer has 105; the snapshot does not know yet that ids go as far."""
    script = Script(
        (1, "100:100:"),
        (2, "100:100:"),  # somebody wrote
        (2, "100:100:"),
        107,
        (2, "105:108:105"),  # others, and our own, have ended
        (2, "105:108:105"),
        (2, "108:108:"),  # and he
        (2, "108:109:"),
        (2, "108:120:110"),
    )
    mark = Mark(script)
    moved = [mark.moved() for _ in range(8)]
    assert moved == [True, True, False, True, False, True, False, False]
    assert script.answers == []


def test_staying_and_ending_at_once_is_refused(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["worker", "--once", "--on-change", "--dsn", database]) == 2
    assert "--on-change" in capsys.readouterr().err
