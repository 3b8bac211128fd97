# ruff: noqa: E501 -- an SQL statement reads best on one line
"""What the scheduler is at, and single stream tables held back from their schedules."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime.conftest import Connect

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
ODD = 'marts."Odd ""n.ame"'


@pytest.fixture(autouse=True)
def tables(owner: Connection) -> None:
    owner.execute("create table src.orders (id int primary key, amount int)")
    owner.execute("insert into src.orders values (1, 1)")
    for name in ("marts.t", ODD):
        owner.execute(
            "select pgtrickle.create_stream_table(%s, 'select id, 10 / amount as tenth from src.orders', '1h')",
            [name],
        )


def rows(connection: Connection, query: str, *arguments: Any) -> list[Any]:
    return connection.execute(query, arguments or None).fetchall()


def overdue(connection: Connection) -> None:
    connection.execute(
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '2 h'"
    )


def due(connection: Connection) -> list[str]:
    return [row.name for row in connection.execute("select name from pgtrickle._due()")]


def scheduled(connection: Connection, name: str = "marts.t") -> Any:
    (outcome,) = rows(connection, "select * from pgtrickle._refresh_scheduled(%s)", name)
    return outcome


def test_paused_tables_keep_no_schedule_until_they_are_resumed(owner: Connection) -> None:
    overdue(owner)
    assert rows(owner, "select pgtrickle.pause_scheduler(%s)", [ODD]) == [("OK",)]
    assert rows(owner, "select pgtrickle.pause_scheduler(%s)", [ODD]) == [("OK",)]  # still
    assert due(owner) == ["marts.t"]
    assert (scheduled(owner, ODD).status, scheduled(owner).status) == ("SKIPPED", "COMPLETED")
    (by_hand,) = rows(owner, "select * from pgtrickle.try_refresh(%s)", ODD)
    assert by_hand.status == "COMPLETED"
    overdue(owner)
    assert rows(owner, "select pgtrickle.resume_scheduler(%s)", [ODD, "marts.t"]) == [("OK",)]
    assert set(due(owner)) == {"marts.t", ODD}
    assert scheduled(owner, ODD).status == "COMPLETED"


def test_pausing_waits_for_a_refresh_under_way_and_lets_none_begin(
    owner: Connection, connect: Connect
) -> None:
    with connect("owner", autocommit=False) as refreshing:
        scheduled(refreshing)
        owner.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            owner.execute("select pgtrickle.pause_scheduler(array['marts.t'])")
        refreshing.commit()
    with connect("owner", autocommit=False) as pausing:
        pausing.execute("select pgtrickle.pause_scheduler(array['marts.t'])")
        assert scheduled(owner).reason == "another refresh is in progress"
        pausing.commit()
    assert "resume_scheduler" in scheduled(owner).reason


def test_a_table_suspended_since_it_was_found_due_has_not_failed(owner: Connection) -> None:
    overdue(owner)
    owner.execute("select pgtrickle.pause_stream_table('marts.t')")
    outcome = scheduled(owner)
    assert (outcome.status, outcome.reason) == ("SKIPPED", "it was suspended")
    (table,) = rows(owner, "select * from pgtrickle.pgt_stream_tables where pgt_name = %s", "t")
    assert (table.consecutive_errors, table.last_error_message) == (0, None)
    assert rows(owner, "select from pgtrickle.pgt_refresh_history where status = 'FAILED'") == []


def test_only_tables_there_are_and_of_ones_own_are_paused(
    owner: Connection, connect: Connect
) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable, match=r"marts\.missing"):
        owner.execute("select pgtrickle.pause_scheduler(array['marts.t', 'marts.missing'])")
    assert rows(owner, "select * from pgtrickle.pgt_scheduler_pauses") == []
    owner.execute("grant select on marts.t to pgt_test_reader")
    for function in ("pause_scheduler", "resume_scheduler"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connect("reader").execute(f"select pgtrickle.{function}(array['marts.t'])")


def test_jobs_under_way_are_shown_with_their_session_and_what_they_do(
    owner: Connection, connect: Connect
) -> None:
    jobs = "select * from pgtrickle.parallel_job_status()"
    assert rows(owner, jobs) == []
    with connect("owner", autocommit=False) as refreshing:
        scheduled(refreshing)
        scheduled(refreshing, ODD)
        leader = connect("owner")
        leader.execute("select pg_advisory_lock(1885829237, 1)")
        (job,) = rows(owner, jobs)
        assert (job.unit_key, job.unit_kind, job.status, job.member_count) == (
            f"marts.t, {ODD}",
            "repeatable_read_group",
            "RUNNING",
            2,
        )
        assert job.worker_pid == refreshing.info.backend_pid
        assert job.scheduler_pid == leader.info.backend_pid
        assert job.duration_ms >= 0
        (summary,) = rows(
            owner,
            "select * from pgtrickle.cluster_worker_summary() where db_name = current_database()",
        )
        assert (summary.active_workers, summary.scheduler_running) == (1, True)
        assert summary.scheduler_pid == leader.info.backend_pid
        assert summary.total_active_workers >= 1  # other databases of the server count
        refreshing.commit()
    found = rows(owner, jobs)
    assert [(job.unit_key, job.status, job.member_count) for job in found] == [
        (ODD, "SUCCEEDED", 1),
        ("marts.t", "SUCCEEDED", 1),
    ]
    assert found[0].duration_ms > 0


def test_failed_jobs_are_to_be_tried_again_until_the_table_is_suspended(owner: Connection) -> None:
    owner.execute("insert into src.orders values (2, 0)")
    for _ in range(3):
        scheduled(owner)
    found = rows(owner, "select status, attempt_no from pgtrickle.parallel_job_status()")
    assert found == [("PERMANENT_FAILED", 3), ("RETRYABLE_FAILED", 2), ("RETRYABLE_FAILED", 1)]
    assert rows(owner, "select * from pgtrickle.parallel_job_status(0)") == []


def test_what_is_due_and_not_begun_is_queued(owner: Connection, connect: Connect) -> None:
    allocation = "select workers_used, workers_queued, cluster_active from pgtrickle.worker_allocation_status() where db_name = current_database()"
    ((used, queued, _),) = rows(owner, allocation)
    assert (used, queued) == (0, 0)
    overdue(owner)
    with connect("owner", autocommit=False) as refreshing:
        scheduled(refreshing)
        ((used, queued, cluster),) = rows(owner, allocation)
        assert (used, queued) == (1, 1)
        assert cluster >= 1  # other databases of the server count
        refreshing.rollback()


def test_the_last_hour_of_refreshes_is_added_up(owner: Connection) -> None:
    owner.execute("delete from pgtrickle.pgt_refresh_history")
    owner.execute(
        "insert into pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, start_time, end_time, action, status, initiated_by)"
        " select s.pgt_id, now(), t.at, t.at + t.took, 'FULL', 'COMPLETED', t.by"
        " from pgtrickle.pgt_stream_tables s, (values"
        "   (now() - interval '50 min', interval '1 s', 'SCHEDULER'), (now() - interval '40 min', '2 s', 'MANUAL'),"
        "   (now() - interval '30 min', '4.5 s', 'SELF_MONITOR'), (now() - interval '2 h', '1 h', 'SCHEDULER')) t (at, took, by)"
        " where s.pgt_name = 't'"
    )
    (row,) = rows(owner, "select * from pgtrickle.scheduler_overhead()")
    assert (row.total_refreshes_1h, row.df_refreshes_1h) == (3, 1)
    assert row.df_refresh_fraction == pytest.approx(1 / 3)
    assert (row.avg_refresh_ms, row.avg_df_refresh_ms) == pytest.approx((2500, 4500))
    assert (row.total_refresh_time_s, row.df_refresh_time_s) == pytest.approx((7.5, 4.5))
