"""Views and functions that show the state of stream tables."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from .facts import call, create, scalar

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

STATISTICS = [
    "pgt_id",
    "pgt_schema",
    "pgt_name",
    "status",
    "refresh_mode",
    "is_populated",
    "data_timestamp",
    "schedule",
    "staleness",
    "stale",
    "consecutive_errors",
    "needs_reinit",
    "last_refresh_at",
    "total_refreshes",
    "successful_refreshes",
    "failed_refreshes",
    "total_rows_inserted",
    "total_rows_deleted",
    "avg_duration_ms",
    "last_action",
    "last_status",
    "cdc_modes",
    "scc_id",
    "last_fixpoint_iterations",
    "refresh_tier",
]


@pytest.fixture
def totals(owner: Connection) -> None:
    create(
        owner,
        "marts.totals",
        "select customer, sum(amount) as total from src.orders group by 1",
        schedule="5m",
    )


def test_statistics_have_the_contracts_columns(owner: Connection, totals: None) -> None:
    cursor = owner.execute("select * from pgtrickle.pg_stat_stream_tables")
    assert [column.name for column in cursor.description or ()] == STATISTICS
    row: Any = cursor.fetchone()
    assert (row.total_refreshes, row.successful_refreshes, row.failed_refreshes) == (1, 1, 0)
    assert (row.total_rows_inserted, row.last_action, row.last_status) == (2, "FULL", "COMPLETED")
    assert row.stale is False
    assert row.avg_duration_ms > 0


def test_a_table_is_stale_when_older_than_its_schedule(
    owner: Connection, connect: Any, totals: None
) -> None:
    connect().execute(
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '6 minutes'"
    )
    assert scalar(owner, "select stale from pgtrickle.stream_tables_info") is True
    assert scalar(owner, "select status from pgtrickle.quick_health") == "WARNING"
    call(owner, "alter_stream_table", "marts.totals", schedule="*/5 * * * *")
    assert scalar(owner, "select stale from pgtrickle.stream_tables_info") is None


def test_health(owner: Connection) -> None:
    assert scalar(owner, "select status from pgtrickle.quick_health") == "EMPTY"
    create(owner, "marts.ids", "select id from src.orders")
    assert scalar(owner, "select status from pgtrickle.quick_health") == "OK"
    call(owner, "alter_stream_table", "marts.ids", status="ERROR")
    assert scalar(owner, "select status from pgtrickle.quick_health") == "WARNING"
    call(owner, "pause_stream_table", "marts.ids")
    assert scalar(owner, "select status from pgtrickle.quick_health") == "CRITICAL"
    assert scalar(owner, "select scheduler_running from pgtrickle.quick_health") is False


def test_views_show_what_the_reader_may_see(owner: Connection, connect: Any, totals: None) -> None:
    reader = connect("reader")
    for view in ("pg_stat_stream_tables", "stream_tables_info", "pgt_status()"):
        assert scalar(reader, f"select count(*) from pgtrickle.{view}") == 0
    owner.execute("grant select on marts.totals to pgt_test_reader")
    for view in ("pg_stat_stream_tables", "stream_tables_info", "pgt_status()"):
        assert scalar(reader, f"select count(*) from pgtrickle.{view}") == 1


def test_history_and_staleness(owner: Connection, totals: None) -> None:
    call(owner, "refresh_stream_table", "marts.totals")
    found = owner.execute(
        "select * from pgtrickle.get_refresh_history('marts.totals', 1)"
    ).fetchall()
    assert len(found) == 1
    assert (found[0].status, found[0].error_message) == ("COMPLETED", None)
    assert 0 <= call(owner, "get_staleness", "marts.totals") < 600
    assert call(owner, "get_staleness", "marts.nothing") is None
    assert scalar(owner, "select name from pgtrickle.pgt_status()") == "marts.totals"


def test_the_mode_is_explained(owner: Connection, totals: None) -> None:
    row: Any = owner.execute(
        "select * from pgtrickle.explain_refresh_mode('marts.totals')"
    ).fetchone()
    assert (row.configured_mode, row.effective_mode) == ("AUTO", "FULL")
    assert "not compiled yet" in row.downgrade_reason
    call(owner, "alter_stream_table", "marts.totals", refresh_mode="FULL")
    row = owner.execute("select * from pgtrickle.explain_refresh_mode('marts.totals')").fetchone()
    assert (row.configured_mode, row.effective_mode, row.downgrade_reason) == ("FULL", "FULL", None)
