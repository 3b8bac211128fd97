"""When a stream table is due: its schedule, its tier, what reads it, what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

import psycopg
import pytest
from tests.runtime.waiting import PATIENCE

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server


def create(engine: Engine, name: str, source: str = "src", schedule: str = "1m") -> None:
    engine.create_stream_table(name, f"select id, v from {source}", schedule=schedule)


def state(engine: Engine, name: str, **columns: Any) -> None:
    """Put the catalog into a state; ages are given as intervals before now."""
    for column, value in columns.items():
        moment = column.endswith("_at") and value is not None
        engine.connection.execute(
            f"update pgtrickle.pgt_stream_tables set {column} ="
            f" {'clock_timestamp() - %s::interval' if moment else '%s'} where pgt_name = %s",
            (value, name),
        )


def due(engine: Engine) -> list[str]:
    rows = engine.session.rows("select name from pgtrickle._due()")
    return [name.removeprefix("public.") for (name,) in rows]


def moment(engine: Engine) -> datetime:
    return cast("datetime", engine.session.rows("select clock_timestamp()")[0][0])


def due_at(engine: Engine, name: str) -> datetime | None:
    rows = engine.session.rows(
        "select due_at from pgtrickle._due_times()"
        " join pgtrickle.pgt_stream_tables using (pgt_id) where pgt_name = %s",
        (name,),
    )
    return rows[0][0] if rows else None


@contextmanager
def to_be_due(engine: Engine, name: str, seconds: float | None) -> Iterator[None]:
    """The table is due so long after a moment of the block, however long that took."""
    began = moment(engine)
    yield
    found = due_at(engine, name)
    ended = moment(engine)
    if seconds is None or found is None:
        assert found is seconds
    else:
        assert began <= found - timedelta(seconds=seconds) <= ended


def slow(engine: Engine) -> None:
    """What takes a second by default takes longer than any machine is too busy for."""
    for name, seconds in (
        ("default_schedule_seconds", 100),
        ("error_backoff_seconds", 100),
        ("error_backoff_max_seconds", 30000),
    ):
        engine.connection.execute(
            "update pgtrickle.settings set value = %s where name = %s", (str(seconds), name)
        )


@pytest.mark.parametrize(
    ("schedule", "columns", "seconds"),
    [
        ("1m", {"last_refresh_at": "10 s"}, 50),
        ("1m", {"last_refresh_at": "70 s"}, -10),
        ("90", {"last_refresh_at": "10 s"}, 80),
        ("1h30m", {"last_refresh_at": "0 s"}, 5400),
        ("calculated", {"last_refresh_at": "50 s"}, 50),
        ("1m", {"last_refresh_at": "10 s", "refresh_tier": "hot"}, 50),
        ("1m", {"last_refresh_at": "10 s", "refresh_tier": "warm"}, 110),
        ("1m", {"last_refresh_at": "10 s", "refresh_tier": "cold"}, 590),
        ("1m", {"last_refresh_at": "1 d", "refresh_tier": "frozen"}, None),
        ("1m", {"last_refresh_at": "1 d", "status": "SUSPENDED"}, None),
        ("1m", {"last_refresh_at": "1 d", "refresh_mode": "IMMEDIATE"}, None),
        ("1m", {"last_refresh_at": None, "created_at": "2 s", "status": "INITIALIZING"}, -2),
        # The clock was set back since.
        ("1h", {"last_refresh_at": "-5 m", "created_at": "1 d"}, -86400),
        ("1h", {"last_refresh_at": None, "created_at": "-5 m", "status": "INITIALIZING"}, 0),
        ("calculated", {"last_refresh_at": "-5 m", "created_at": "0 s"}, 0),
        (
            "1m",
            {
                "last_refresh_at": "1 d",
                "status": "ERROR",
                "consecutive_errors": 9,
                "last_error_at": "-5 m",
            },
            60 - 86400,
        ),
        (
            "1m",
            {
                "last_refresh_at": "1 d",
                "status": "ERROR",
                "consecutive_errors": 1,
                "last_error_at": "0 s",
            },
            100,
        ),
        (
            "1m",
            {
                "last_refresh_at": "1 d",
                "status": "ERROR",
                "consecutive_errors": 4,
                "last_error_at": "2 s",
            },
            798,
        ),
        (
            "1m",
            {
                "last_refresh_at": "1 d",
                "status": "ERROR",
                "consecutive_errors": 40,
                "last_error_at": "0 s",
            },
            30000,
        ),
        (
            "1m",
            {
                "last_refresh_at": "10 s",
                "status": "ERROR",
                "consecutive_errors": 1,
                "last_error_at": "60 s",
            },
            50,
        ),
        (
            "1m",
            {
                "last_refresh_at": None,
                "status": "ERROR",
                "consecutive_errors": 2,
                "last_error_at": "0 s",
            },
            200,
        ),
    ],
)
def test_due_times(
    engine: Engine, schedule: str, columns: dict[str, Any], seconds: float | None
) -> None:
    create(engine, "t", schedule=schedule)
    slow(engine)
    with to_be_due(engine, "t", seconds):
        state(engine, "t", **columns)
    assert due(engine) == (["t"] if seconds is not None and seconds <= 0 else [])


@pytest.mark.parametrize(
    ("readers", "seconds"),
    [
        ({"a": "5m"}, 300),
        ({"a": "5m", "b": "2m"}, 120),
        ({"a": "calculated"}, 100),  # nothing reads it: default_schedule_seconds
        ({"a": "1h", "b": "calculated"}, 100),
    ],
)
def test_a_calculated_table_follows_what_reads_it(
    engine: Engine, readers: dict[str, str], seconds: float
) -> None:
    slow(engine)
    create(engine, "base", schedule="calculated")
    with to_be_due(engine, "base", seconds):
        for name, schedule in readers.items():
            create(engine, name, "base", schedule)
            state(engine, name, last_refresh_at="0 s")
        state(engine, "base", last_refresh_at="0 s")


def test_calculated_passes_through_calculated(engine: Engine) -> None:
    create(engine, "a", schedule="calculated")
    create(engine, "b", "a", "calculated")
    create(engine, "c", "b", "10m")
    with to_be_due(engine, "a", 600):
        state(engine, "a", last_refresh_at="0 s")
        state(engine, "c", last_refresh_at="0 s")


def test_a_calculated_table_is_never_later_than_its_reader(engine: Engine) -> None:
    """Refreshed by hand a moment ago, it would else lag behind its reader for ever."""
    create(engine, "base", schedule="calculated")
    create(engine, "reader", "base", "1m")
    state(engine, "base", last_refresh_at="30 s")
    state(engine, "reader", last_refresh_at="70 s")
    assert due(engine) == ["base", "reader"]


def test_a_clock_that_was_set_back_makes_up_for_it_once(engine: Engine) -> None:
    create(engine, "t", schedule="1m")
    state(engine, "t", last_refresh_at="-1 d")
    assert due(engine) == ["t"]
    engine.refresh("t")
    assert due(engine) == []


def test_what_is_due_comes_upstream_first(engine: Engine) -> None:
    for name, source in (("z", "src"), ("m", "z"), ("a", "m")):
        create(engine, name, source)
        state(engine, name, last_refresh_at="2 h")
    state(engine, "a", last_refresh_at="3 h")
    assert due(engine) == ["z", "m", "a"]


@pytest.mark.parametrize("value", ["off", "false", "OFF"])
def test_nothing_is_due_where_scheduling_is_off(engine: Engine, value: str) -> None:
    create(engine, "t")
    state(engine, "t", last_refresh_at="2 h")
    engine.connection.execute("select set_config('pg_trickle.enabled', %s, false)", (value,))
    assert due(engine) == []
    assert engine.session.rows("select pgtrickle._seconds_until_due()") == [(None,)]


def test_a_table_that_plain_ddl_dropped_is_not_due(engine: Engine) -> None:
    create(engine, "t")
    state(engine, "t", last_refresh_at="2 h")
    engine.connection.execute("drop table t")
    assert due(engine) == []


def test_a_role_sees_due_only_what_it_may_refresh(engine: Engine) -> None:
    create(engine, "t")
    state(engine, "t", last_refresh_at="2 h")
    engine.connection.execute("grant select on t to public")
    with engine.connection.transaction(force_rollback=True):
        engine.connection.execute("create role pgt_due_reader")
        engine.connection.execute("set local role pgt_due_reader")
        assert due(engine) == []


def test_cron_is_due_at_stored_times_only(engine: Engine) -> None:
    create(engine, "t", schedule="0 * * * *")
    state(engine, "t", last_refresh_at="10 s")
    assert due_at(engine, "t") is None
    now = moment(engine)
    times = [now + timedelta(minutes=minutes) for minutes in (-20, 40, 100)]
    set_times = (
        "select pgtrickle._set_cron_times(pgt_id, %s, 'UTC', %s) from pgtrickle.pgt_stream_tables"
    )
    engine.connection.execute(set_times, ("0 * * * *", times))
    assert due_at(engine, "t") == times[1]
    state(engine, "t", last_refresh_at="30 m")
    assert due(engine) == ["t"]
    engine.connection.execute(set_times, ("another schedule", times))
    assert due_at(engine, "t") is None


def test_run_due_refreshes_and_commits_each_table(own_engine: Engine) -> None:
    create(own_engine, "a")
    own_engine.create_stream_table("b", "select id, 1 / v as inverse from a", schedule="1m")
    create(own_engine, "c", "a")
    own_engine.connection.execute("insert into src values (1, 0)")
    for name in "abc":
        state(own_engine, name, last_refresh_at="1 h")
    own_engine.connection.execute("call pgtrickle.run_due()")
    assert own_engine.session.rows("select v from c") == [(0,)]
    assert own_engine.session.rows(
        "select pgt_name, status from pgtrickle.pgt_stream_tables order by 1"
    ) == [("a", "ACTIVE"), ("b", "ERROR"), ("c", "ACTIVE")]
    assert own_engine.session.rows(
        "select count(distinct h.xmin::text) from pgtrickle.pgt_refresh_history h"
        " where initiated_by = 'SCHEDULER'"
    ) == [(3,)]


def make_due(engine: Engine) -> None:
    engine.connection.execute(
        "update pgtrickle.pgt_stream_tables"
        " set last_refresh_at = clock_timestamp() - interval '1 d'"
    )


def failures(engine: Engine) -> int:
    ((number,),) = engine.session.rows(
        "select count(*) from pgtrickle.pgt_refresh_history where status = 'FAILED'"
    )
    return int(number)


def test_run_due_refreshes_a_diamond_at_one_snapshot(own_engine: Engine) -> None:
    create(own_engine, "left_", schedule="1h")
    create(own_engine, "right_", schedule="1d")
    own_engine.create_stream_table(
        "bottom",
        "select (select count(*) from left_) as l, (select count(*) from right_) as r",
        schedule="1m",
    )
    create(own_engine, "alone")
    own_engine.connection.execute("insert into src values (1, 1)")
    state(own_engine, "bottom", last_refresh_at="2 m")
    state(own_engine, "alone", last_refresh_at="1 h")
    own_engine.connection.execute("call pgtrickle.run_due()")
    assert own_engine.session.rows("select (l, r)::text from bottom") == [("(1,1)",)]
    assert own_engine.session.rows(
        "select count(distinct own_xid), count(distinct own_xid) filter (where pgt_name <> 'alone')"
        " from pgtrickle.pgt_frontiers join pgtrickle.pgt_stream_tables using (pgt_id)"
    ) == [(2, 1)]
    assert due(own_engine) == []
    assert own_engine.session.rows("show transaction_isolation") == [("read committed",)]


def test_a_member_whose_schedule_is_paused_holds_its_diamond_up_no_more(own_engine: Engine) -> None:
    create(own_engine, "left_", schedule="1h")
    create(own_engine, "right_", schedule="1h")
    own_engine.create_stream_table(
        "bottom",
        "select (select count(*) from left_) as l, (select count(*) from right_) as r",
        schedule="1h",
    )
    own_engine.connection.execute("insert into src values (1, 1)")
    own_engine.session.rows("select pgtrickle.pause_scheduler(array['left_'])")
    make_due(own_engine)
    own_engine.connection.execute("call pgtrickle.run_due()")
    assert due(own_engine) == []
    assert own_engine.session.rows("select (l, r)::text from bottom") == [("(0,1)",)]


@pytest.mark.parametrize(
    ("isolation", "transactions"), [("repeatable_read", 1), ("read_committed", 2)]
)
def test_run_due_refreshes_a_group_together(
    own_engine: Engine, isolation: str, transactions: int
) -> None:
    create(own_engine, "a", schedule="1h")
    create(own_engine, "b", schedule="7d")
    own_engine.session.rows(
        "select pgtrickle.create_refresh_group('g', array['a', 'b'], %s)", (isolation,)
    )
    own_engine.connection.execute("insert into src values (1, 1)")
    make_due(own_engine)
    own_engine.connection.execute("call pgtrickle.run_due()")
    assert own_engine.session.rows("select (select count(*) from a), (select count(*) from b)") == [
        (1, 1)
    ]
    assert own_engine.session.rows(
        "select count(distinct own_xid) from pgtrickle.pgt_frontiers"
    ) == [(transactions,)]


def test_run_due_backs_off_and_suspends_as_the_worker_does(own_engine: Engine) -> None:
    own_engine.create_stream_table("t", "select 1 / v as inverse from src", schedule="1s")
    own_engine.connection.execute("insert into src values (1, 0)")
    make_due(own_engine)
    own_engine.connection.execute(
        "update pgtrickle.settings set value = '3600' where name = 'error_backoff_seconds'"
    )
    for _ in range(3):
        own_engine.connection.execute("call pgtrickle.run_due()")
    assert failures(own_engine) == 1
    own_engine.connection.execute(
        "update pgtrickle.settings set value = '0' where name = 'error_backoff_seconds'"
    )
    for _ in range(5):
        own_engine.connection.execute("call pgtrickle.run_due()")
    assert failures(own_engine) == 3
    assert own_engine.session.rows("select status from pgtrickle.pgt_stream_tables") == [
        ("SUSPENDED",)
    ]


def test_a_group_waits_for_a_member_that_failed(own_engine: Engine) -> None:
    """Or each look at the others would try it again, and suspend it at once."""
    own_engine.connection.execute(
        "create table other (id integer);"
        "update pgtrickle.settings set value = '3600' where name = 'error_backoff_seconds'"
    )
    own_engine.create_stream_table("bad", "select 1 / v as inverse from src", schedule="1s")
    own_engine.create_stream_table("good", "select id from other", schedule="1s")
    own_engine.session.rows(
        "select pgtrickle.create_refresh_group('g', array['good', 'bad'], 'repeatable_read')"
    )
    own_engine.connection.execute("insert into src values (1, 0); insert into other values (1)")
    for _ in range(3):
        make_due(own_engine)
        own_engine.connection.execute("call pgtrickle.run_due()")
    assert failures(own_engine) == 1
    assert own_engine.session.rows("select id from good") == [(1,)]
    make_due(own_engine)
    own_engine.connection.execute("insert into other values (2)")
    own_engine.connection.execute("call pgtrickle.run_due()")
    assert own_engine.session.rows("select id from good") == [(1,)]
    state(own_engine, "bad", last_error_at="2 h")
    own_engine.connection.execute("call pgtrickle.run_due()")
    assert own_engine.session.rows("select id from good order by 1") == [(1,), (2,)]
    assert failures(own_engine) == 2


def test_run_due_compiles_nothing_and_is_exact_all_the_same(own_engine: Engine) -> None:
    own_engine.connection.execute(
        "insert into src values (1, 1);"
        "select pgtrickle.create_stream_table('t', 'select id from src', initialize => false)"
    )
    own_engine.connection.execute("call pgtrickle.run_due()")
    assert own_engine.session.rows("select id from t") == [(1,)]
    assert own_engine.session.rows("select plan_status from pgtrickle.pgt_plans") == [("PENDING",)]


def test_one_table_in_the_way_keeps_run_due_from_no_other(
    own_engine: Engine, database: str
) -> None:
    """One is being refreshed by hand, the source of another is locked."""
    own_engine.connection.execute("create table locked (id integer)")
    create(own_engine, "refreshed")
    own_engine.create_stream_table("behind", "select id from locked", schedule="1m")
    create(own_engine, "free")
    own_engine.connection.execute("insert into src values (1, 1); insert into locked values (1)")
    make_due(own_engine)
    with psycopg.connect(database) as refreshing, psycopg.connect(database) as locking:
        refreshing.execute("select pgtrickle.refresh_stream_table('refreshed')")
        locking.execute("lock table locked")
        own_engine.connection.execute("call pgtrickle.run_due()")
        assert own_engine.session.rows("select v from free") == [(1,)]
        assert own_engine.session.rows("select count(*) from behind") == [(0,)]
        assert "behind" in due(own_engine)
    own_engine.connection.execute("call pgtrickle.run_due()")
    assert own_engine.session.rows("select count(*) from behind") == [(1,)]


def test_what_keeps_failing_is_suspended_with_an_alert(own_engine: Engine, database: str) -> None:
    own_engine.create_stream_table("t", "select id, 1 / v as inverse from src", schedule="1s")
    own_engine.connection.execute("insert into src values (1, 0)")
    with psycopg.connect(database, autocommit=True) as listener:
        listener.execute("listen pg_trickle_alert")
        for failures in (1, 2, 3):
            own_engine.connection.execute("select pgtrickle._refresh_scheduled('t')")
            status, errors = own_engine.session.rows(
                "select status, consecutive_errors from pgtrickle.pgt_stream_tables"
            )[0]
            assert (status, errors) == ("ERROR" if failures < 3 else "SUSPENDED", failures)
        own_engine.connection.execute("notify pg_trickle_alert, 'the last'")
        payloads = []
        for told in listener.notifies(timeout=PATIENCE):
            if told.payload == "the last":
                break
            payloads.append(told.payload)
    (alert,) = [payload for payload in payloads if '"event": "auto_suspended"' in payload]
    assert "division by zero" in alert
    assert due_at(own_engine, "t") is None
    own_engine.connection.execute("update src set v = 1; select pgtrickle.resume_stream_table('t')")
    own_engine.refresh("t")
    assert own_engine.session.rows(
        "select status, consecutive_errors from pgtrickle.pgt_stream_tables"
    ) == [("ACTIVE", 0)]


def test_old_history_goes_in_batches(engine: Engine) -> None:
    create(engine, "t")
    engine.connection.execute(
        "insert into pgtrickle.pgt_refresh_history"
        " (refresh_id, pgt_id, data_timestamp, start_time, action, status)"
        " select -i, pgt_id, now(), now() - interval '91 days', 'FULL', 'COMPLETED'"
        " from pgtrickle.pgt_stream_tables, generate_series(1, 25) i"
    )
    deleted = [engine.session.rows("select pgtrickle._purge_history(10)")[0][0] for _ in range(4)]
    assert deleted == [10, 10, 5, 0]
    assert engine.session.rows("select count(*) from pgtrickle.pgt_refresh_history") == [(1,)]
