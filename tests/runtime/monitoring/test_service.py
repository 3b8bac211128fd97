"""The service as a whole: what it kept to, who works, whether a database is ready."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from tests.runtime.conftest import Connect

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def table(owner: Connection) -> None:
    owner.execute("create table src.orders (id int primary key, amount int)")
    owner.execute(
        "select pgtrickle.create_stream_table('marts.t', 'select id from src.orders', '1h')"
    )


def test_the_last_day_is_summed_up(owner: Connection) -> None:
    owner.execute("delete from pgtrickle.pgt_refresh_history")
    owner.execute(
        "insert into pgtrickle.pgt_refresh_history"
        " (pgt_id, data_timestamp, start_time, end_time, action, status)"
        " select s.pgt_id, now(), now() - age, now() - age + i * interval '1 ms', 'FULL',"
        " case when i = 200 then 'FAILED' else 'COMPLETED' end"
        " from pgtrickle.pgt_stream_tables s, generate_series(1, 201) i,"
        " lateral (select case when i = 201 then interval '2 d' else '1 h' end) a (age)"
    )
    owner.execute(
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '90 s'"
    )
    (row,) = owner.execute("select * from pgtrickle.sla_summary()").fetchall()
    assert row.stream_table == "marts.t"
    assert row.p50_ms == pytest.approx(100.5)
    assert row.p99_ms == pytest.approx(198.0, abs=0.1)
    assert 90 <= row.freshness_lag_s < 600
    assert (row.error_rate, row.error_budget_remaining) == pytest.approx((0.005, 0.5))


def test_scheduled_refreshes_under_way_are_counted(owner: Connection, connect: Connect) -> None:
    active = "select active_workers, parallel_mode from pgtrickle.worker_pool_status()"
    assert owner.execute(active).fetchall() == [(0, "off")]
    with connect("owner", autocommit=False) as refreshing:
        refreshing.execute("select pg_advisory_lock(1885829237, 1)")
        refreshing.execute("select pgtrickle._refresh_scheduled('marts.t')")
        assert owner.execute(active).fetchall() == [(1, "on")]
        refreshing.rollback()
        assert owner.execute(active).fetchall() == [(0, "on")]


def test_preflight_tells_what_this_role_can_do(owner: Connection, connect: Connect) -> None:
    def told(connection: Connection) -> Any:
        row = connection.execute("select pgtrickle.preflight()").fetchone()
        assert row is not None
        return json.loads(row[0])

    of_owner = told(owner)
    assert of_owner["version"].startswith("portable engine")
    assert of_owner["wal_level"] == "logical"
    assert of_owner["free_replication_slots"] > 0
    assert (of_owner["may_read_wal"], told(connect())["may_read_wal"]) == (False, True)
    assert set(of_owner["problems"]) == {"scheduler_running", "not_compiled"}
