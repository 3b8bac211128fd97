"""Cron schedules: evaluated in Python, stored for SQL."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import partial

import pytest

from pgtrickle.engine import Engine
from pgtrickle.worker.connection import connect
from pgtrickle.worker.cron import AHEAD, next_times, store_next_times
from pgtrickle.worker.wal import Wal
from pgtrickle.worker.work import once


@pytest.mark.parametrize(
    ("expression", "time_zone", "after", "expected"),
    [
        ("*/5 * * * *", "UTC", "2026-01-01T00:01Z", ["2026-01-01T00:05Z", "2026-01-01T00:10Z"]),
        ("*/20 * * * * *", "UTC", "2026-01-01T00:00Z", ["2026-01-01T00:00:20Z"]),
        ("0 6 * * mon-fri", "UTC", "2026-01-02T07:00Z", ["2026-01-05T06:00Z"]),
        ("0 0 * * 7", "UTC", "2026-01-01T00:00Z", ["2026-01-04T00:00Z"]),
        ("@hourly", "UTC", "2026-01-01T00:00Z", ["2026-01-01T01:00Z"]),
        ("@Weekly", "UTC", "2026-01-01T00:00Z", ["2026-01-04T00:00Z"]),
        ("0 6 * * *", "Europe/Berlin", "2026-01-01T00:00Z", ["2026-01-01T05:00Z"]),
        ("0 6 * * *", "Europe/Berlin", "2026-07-01T00:00Z", ["2026-07-01T04:00Z"]),
        # The clock goes from 2:00 to 3:00: it runs once, and not never.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00Z"]),
        # It goes from 3:00 back to 2:00: once, and not twice; but each half hour is one.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00Z",
            ["2026-10-25T00:30Z", "2026-10-26T01:30Z"],
        ),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:00Z",
            ["2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z"],
        ),
        # Half an hour of daylight saving.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z", ["2026-10-03T15:30Z"]),
    ],
)
def test_next_times(expression: str, time_zone: str, after: str, expected: list[str]) -> None:
    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))

    found = next_times(expression, time_zone, moment(after), len(expected))
    assert [time.astimezone(timezone.utc) for time in found] == [moment(one) for one in expected]


def times(engine: Engine) -> list[datetime]:
    rows = engine.session.rows("select due_times from pgtrickle.pgt_cron_times")
    return rows[0][0] if rows else []


@pytest.mark.every_server
def test_times_are_stored_once_and_again_when_the_schedule_changes(engine: Engine) -> None:
    engine.create_stream_table("t", "select id from src", schedule="*/2 * * * *")
    store_next_times(engine.session)
    stored = times(engine)
    assert len(stored) == AHEAD
    assert stored[1] - stored[0] == timedelta(minutes=2)
    assert engine.session.rows("select * from pgtrickle._cron_wanted()") == []
    engine.alter_stream_table("t", schedule="*/3 * * * *")
    store_next_times(engine.session)
    assert times(engine)[1] - times(engine)[0] == timedelta(minutes=3)


def test_times_are_those_of_a_clock_that_was_set_back(engine: Engine) -> None:
    engine.create_stream_table("t", "select id from src", schedule="* * * * *")
    jump = "update pgtrickle.pgt_stream_tables set last_refresh_at = clock_timestamp() + '1 d'"
    engine.connection.execute(jump)
    store_next_times(engine.session)
    assert times(engine)[0] <= datetime.now(timezone.utc) + timedelta(minutes=1)


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 1 1 *"])
def test_what_has_few_or_no_times_is_not_asked_for_again(engine: Engine, expression: str) -> None:
    engine.create_stream_table("t", "select id from src", schedule=expression)
    store_next_times(engine.session)
    assert engine.session.rows("select * from pgtrickle._cron_wanted()") == []


def test_an_unknown_time_zone_stops_nobody(engine: Engine) -> None:
    engine.create_stream_table("t", "select id from src", schedule="@hourly")
    engine.connection.execute("set local pg_trickle.cron_time_zone = 'Nowhere/Land'")
    store_next_times(engine.session)
    assert times(engine) == []


def test_a_time_that_has_passed_is_made_up_for_once(own_engine: Engine, database: str) -> None:
    own_engine.create_stream_table("t", "select id from src", schedule="0 0 * * *")
    own_engine.connection.execute(
        "insert into src values (1);"
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '3 days'"
    )
    with closing(Wal(partial(connect, database))) as wal:
        assert [refresh.name for refresh in once(own_engine, wal).refreshed] == ["public.t"]
        assert once(own_engine, wal).refreshed == []
    assert own_engine.session.rows("select count(*) from t") == [(1,)]
