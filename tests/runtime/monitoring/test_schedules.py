# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Schedules that would fit, and how old a stream table may get."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def table(owner: Connection) -> None:
    owner.execute("create table src.orders (id int primary key, amount int)")
    owner.execute(
        "select pgtrickle.create_stream_table('marts.t', 'select id from src.orders', '100s')"
    )


def refreshed(connection: Connection, *, times: int, apart: float, took: float) -> None:
    """A history of scheduled refreshes, times in seconds."""
    connection.execute("delete from pgtrickle.pgt_refresh_history")
    connection.execute(
        "insert into pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, start_time, end_time, action, status, initiated_by)"
        " select s.pgt_id, now(), at, at + make_interval(secs => %s), 'DIFFERENTIAL', 'COMPLETED', 'SCHEDULER'"
        " from pgtrickle.pgt_stream_tables s, generate_series(1, %s) i, lateral (select now() - make_interval(secs => i * %s)) a (at)",
        [took, times, apart],
    )


@pytest.mark.parametrize(
    ("apart", "took", "recommended", "why"),
    [
        (100, 30, 300, "more than a tenth"),
        (100, 9, 100, "it fits"),
        (100, 0.5, 50, "could be fresher"),
        (100, 4, 50, "could be fresher"),
        (500, 0.5, 100, "it fits"),
        (1800, 0.5, 900, "changes come every 1800 s"),
        (9000, 0.5, 1000, "changes come every 9000 s"),
    ],
)
def test_a_schedule_is_recommended_on_what_refreshes_took_and_found(
    owner: Connection, apart: float, took: float, recommended: float, why: str
) -> None:
    refreshed(owner, times=25, apart=apart, took=took)
    (row,) = owner.execute("select * from pgtrickle.schedule_recommendations()").fetchall()
    assert (row.name, row.current_interval_seconds) == ("marts.t", 100)
    assert row.recommended_interval_seconds == recommended
    assert row.delta_pct == pytest.approx(recommended - 100)
    assert row.confidence == pytest.approx(0.5)
    assert why in row.reasoning
    (one,) = owner.execute("select pgtrickle.recommend_schedule('marts.t') as said").fetchall()
    assert one.said == {
        "name": "marts.t",
        "current_interval_seconds": 100,
        "recommended_interval_seconds": recommended,
        "confidence": 0.5,
        "reasoning": row.reasoning,
    }


def test_no_schedule_is_recommended_on_little_or_for_what_has_none(owner: Connection) -> None:
    refreshed(owner, times=2, apart=100, took=30)
    (row,) = owner.execute("select * from pgtrickle.schedule_recommendations()").fetchall()
    assert (row.recommended_interval_seconds, row.delta_pct) == (100, 0)
    assert "too few" in row.reasoning
    for change in ("schedule => '@hourly'", "refresh_mode => 'IMMEDIATE'"):
        owner.execute(f"select pgtrickle.alter_stream_table('marts.t', {change})")
        assert owner.execute("select * from pgtrickle.schedule_recommendations()").fetchall() == []
        (one,) = owner.execute("select pgtrickle.recommend_schedule('marts.t') as said").fetchall()
        assert one.said["recommended_interval_seconds"] is None
        assert one.said["confidence"] == 0


def seconds_until_due(connection: Connection) -> float:
    (row,) = connection.execute(
        "select extract(epoch from due_at - s.last_refresh_at)::float8 as seconds"
        " from pgtrickle._due_times() join pgtrickle.pgt_stream_tables s using (pgt_id)"
    ).fetchall()
    return float(row.seconds)


@pytest.mark.parametrize(
    ("sla", "tier", "seconds"),
    [
        ("4 s", "hot", 3.6),
        ("5 s", "hot", 4.5),
        ("20 s", "warm", 18),
        ("1 min", "cold", 54),
        ("1 h", "cold", 1000),  # ten times its schedule
    ],
)
def test_an_sla_stretches_the_schedule_as_far_as_it_allows(
    owner: Connection, sla: str, tier: str, seconds: float
) -> None:
    owner.execute("select pgtrickle.set_stream_table_sla('marts.t', %s)", [sla])
    (row,) = owner.execute(
        "select refresh_tier, freshness_deadline_ms * interval '1 ms' = %s::interval as kept from pgtrickle.pgt_stream_tables",
        [sla],
    ).fetchall()
    assert row == (tier, True)
    assert seconds_until_due(owner) == pytest.approx(seconds)
    owner.execute("select pgtrickle.set_stream_table_sla('marts.t', null)")
    assert seconds_until_due(owner) == pytest.approx(100)


def test_an_sla_must_be_longer_than_nothing(owner: Connection) -> None:
    for sla in ("0 s", "-1 s"):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"marts\.t"):
            owner.execute("select pgtrickle.set_stream_table_sla('marts.t', %s)", [sla])
