# ruff: noqa: E501 -- an SQL statement reads best on one line
"""What operators see: health, statistics, capture, diamonds, definitions."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect
from tests.runtime.waiting import PATIENCE, begun

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def totals(owner: Connection) -> None:
    owner.execute(  # whose size stays known to be 1000
        "create table src.orders (id int primary key, customer int not null, amount int not null, note text)"
        " with (autovacuum_enabled = off)"
    )
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 1000) i")
    owner.execute("analyze src.orders")
    plans.totals(owner)


def one(connection: Connection, query: str, *arguments: Any) -> Any:
    return connection.execute(query, arguments or None).fetchone()


def severities(connection: Connection) -> dict[str, str]:
    return {
        row.check_name: row.severity
        for row in connection.execute("select * from pgtrickle.health_check()")
    }


def details(connection: Connection) -> dict[str, str]:
    return {
        row.check_name: row.detail
        for row in connection.execute("select * from pgtrickle.health_check()")
    }


def add(connection: Connection, number: int = 5) -> None:
    connection.execute(
        "insert into src.orders (id, customer, amount) select m + i, 1, 1"
        " from generate_series(1, %s::int) i, (select max(id) as m from src.orders) x",
        [number],
    )


def test_a_healthy_database_is_said_to_be(owner: Connection) -> None:
    assert set(severities(owner).values()) == {"OK"}
    row = one(owner, "select * from pgtrickle.health_summary()")
    assert (row.total_stream_tables, row.active_count, row.error_count, row.suspended_count) == (
        1,
        1,
        0,
        0,
    )
    assert (row.stale_count, row.reinit_pending, row.scheduler_status) == (0, 0, "STOPPED")
    assert 0 <= row.max_staleness_seconds < 600


def test_a_schedule_that_no_worker_keeps_is_a_warning(owner: Connection, connect: Any) -> None:
    owner.execute("select pgtrickle.alter_stream_table('marts.totals', schedule => '1m')")
    connect().execute(
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '2 minutes'"
    )
    found = severities(owner)
    assert (found["scheduler_running"], found["stale_tables"]) == ("WARN", "WARN")
    assert "marts.totals" in details(owner)["stale_tables"]


@pytest.mark.parametrize(
    ("columns", "paused", "late"),
    [
        ("schedule = '1s', last_refresh_at = now()", False, False),
        ("schedule = '1s', last_refresh_at = now() - interval '5 s'", False, False),  # just due
        ("schedule = '1s', last_refresh_at = now() - interval '7 s'", False, True),
        ("schedule = '1m', last_refresh_at = now() - interval '2 m'", False, True),
        ("schedule = '1m', last_refresh_at = now() - interval '2 m'", True, False),
        (
            "schedule = '1m', last_refresh_at = now() - interval '2 m', refresh_tier = 'warm'",
            False,
            False,
        ),
        (
            "schedule = '1m', last_refresh_at = now() - interval '9 m', refresh_tier = 'cold'",
            False,
            False,
        ),
        (
            "schedule = '1m', last_refresh_at = now() - interval '11 m', refresh_tier = 'cold'",
            False,
            True,
        ),
        (
            "schedule = '1m', last_refresh_at = now() - interval '2 m', refresh_tier = 'cold', freshness_deadline_ms = 60000",
            False,
            True,
        ),
        (
            "schedule = '1m', last_refresh_at = now() - interval '1 d', refresh_tier = 'frozen'",
            False,
            False,
        ),
        (
            "schedule = '1m', last_refresh_at = now() - interval '1 d', refresh_mode = 'IMMEDIATE'",
            False,
            False,
        ),
        ("schedule = '@hourly', last_refresh_at = now() - interval '10 m'", False, False),
        ("schedule = '@hourly', last_refresh_at = now() - interval '2 h'", False, True),
        ("schedule = null, last_refresh_at = now() - interval '1 d'", False, False),
    ],
)
def test_a_table_is_late_by_its_schedule_and_tier_unless_that_is_on_purpose(
    owner: Connection, connect: Any, columns: str, paused: bool, late: bool
) -> None:
    superuser = connect(autocommit=False)  # all at one moment
    superuser.execute(f"update pgtrickle.pgt_stream_tables set {columns}")
    superuser.execute(
        "insert into pgtrickle.pgt_cron_times (pgt_id, schedule, time_zone, due_times)"
        " select pgt_id, '@hourly', 'UTC', array[now() - interval '1 h', now() + interval '1 h']"
        " from pgtrickle.pgt_stream_tables"
    )
    if paused:
        superuser.execute("select pgtrickle.pause_scheduler(array['marts.totals'])")
    board = one(superuser, "select * from pgtrickle._board()")
    assert (board.problem == "older than its schedule") is late
    assert severities(superuser)["stale_tables"] == ("WARN" if late else "OK")
    assert one(superuser, "select * from pgtrickle.health_summary()").stale_count == int(late)
    health = one(superuser, "select * from pgtrickle.quick_health")
    assert (health.stale_tables, health.status) == (int(late), "WARNING" if late else "OK")


def test_failed_and_suspended_tables_are_errors(owner: Connection) -> None:
    owner.execute("alter table src.orders drop column amount cascade")
    assert plans.attempt(owner, "marts.totals").status == "FAILED"
    found = severities(owner)
    assert (found["error_tables"], found["consecutive_errors"]) == ("ERROR", "WARN")
    assert "amount" in details(owner)["error_tables"]
    (row,) = owner.execute("select * from pgtrickle.diagnose_errors('marts.totals')").fetchall()
    assert row.error_type == "missing_object"
    assert "alter_stream_table('marts.totals'" in row.remediation
    owner.execute("select pgtrickle.pause_stream_table('marts.totals')")
    assert severities(owner)["suspended_tables"] == "ERROR"


def test_unconsumed_changes_past_the_setting_are_a_warning(owner: Connection) -> None:
    owner.execute("set pg_trickle.max_buffer_rows = 4")
    add(owner, 4)
    assert severities(owner)["buffer_growth"] == "OK"
    add(owner, 1)
    assert details(owner)["buffer_growth"] == "marts.totals holds 5 rows of src.orders unconsumed"


def test_a_gated_source_is_a_warning(owner: Connection) -> None:
    owner.execute("select pgtrickle.gate_source('src.orders')")
    assert severities(owner)["gated_sources"] == "WARN"


def test_capture_that_was_tampered_with_is_alarmed(owner: Connection) -> None:
    row = one(owner, "select * from pgtrickle.check_cdc_health()")
    assert (row.source_table, row.cdc_mode, row.alert, row.selective_capture) == (
        "src.orders",
        "TRIGGER",
        None,
        True,
    )
    owner.execute("alter table src.orders disable trigger pgtrickle_capture_insert")
    assert one(owner, "select * from pgtrickle.check_cdc_health()").alert.startswith(
        "capture_triggers_changed"
    )
    assert severities(owner)["capture"] == "ERROR"
    owner.execute("alter table src.orders enable trigger pgtrickle_capture_insert")
    # What was written meanwhile is not known, so enabling alone mends nothing.
    assert severities(owner)["capture"] == "ERROR"
    plans.refresh(owner, "marts.totals")
    assert severities(owner)["capture"] == "OK"


def test_statistics_add_up_the_history(owner: Connection) -> None:
    add(owner)
    plans.refresh(owner, "marts.totals")
    plans.refresh(owner, "marts.totals")
    actions = [row.action for row in owner.execute("select * from pgtrickle.refresh_timeline(2)")]
    assert actions == ["NO_DATA", "DIFFERENTIAL"]
    stats = one(owner, "select * from pgtrickle.st_refresh_stats()")
    assert (stats.total_refreshes, stats.successful_refreshes, stats.failed_refreshes) == (3, 3, 0)
    assert (stats.total_rows_inserted, stats.total_rows_deleted) == (11, 1)
    assert (stats.last_refresh_action, stats.last_refresh_status) == ("NO_DATA", "COMPLETED")
    by_mode = {
        row.mode: row for row in owner.execute("select * from pgtrickle.pgtrickle_refresh_stats()")
    }
    assert set(by_mode) == {"FULL", "DIFFERENTIAL", "NO_DATA"}
    assert by_mode["DIFFERENTIAL"].refresh_count == 1
    assert by_mode["DIFFERENTIAL"].p95_ms == by_mode["DIFFERENTIAL"].avg_ms > 0
    metrics = one(owner, "select * from pgtrickle.metrics_summary()")
    assert (metrics.total_stream_tables, metrics.active_stream_tables) == (1, 1)
    assert (metrics.total_refreshes, metrics.total_rows_processed) == (3, 12)
    gain = one(owner, "select * from pgtrickle.refresh_efficiency()")
    assert (gain.diff_count, gain.full_count, gain.total_refreshes) == (1, 1, 3)
    assert gain.avg_change_ratio == pytest.approx(5 / 1000)
    assert float(gain.diff_speedup.removesuffix("x")) == pytest.approx(
        gain.avg_full_ms / gain.avg_diff_ms, abs=0.06
    )


def test_the_threshold_of_auto(owner: Connection) -> None:
    assert one(owner, "select pgtrickle.st_auto_threshold('marts.totals')")[0] == 0.15
    owner.execute("set pg_trickle.differential_max_change_ratio = 0.3")
    assert one(owner, "select pgtrickle.st_auto_threshold('marts.totals')")[0] == 0.3


def recommended(connection: Connection) -> Any:
    return one(connection, "select * from pgtrickle.recommend_refresh_mode('marts.totals')")


def test_a_mode_is_recommended_on_what_refreshes_took(owner: Connection, connect: Any) -> None:
    row = recommended(owner)
    assert (row.current_mode, row.recommended_mode, row.confidence) == ("AUTO", "KEEP", "high")
    owner.execute(
        "select pgtrickle.alter_stream_table('marts.totals', refresh_mode => 'DIFFERENTIAL')"
    )
    assert (recommended(owner).recommended_mode, recommended(owner).confidence) == ("KEEP", "low")
    superuser = connect()
    superuser.execute(
        "insert into pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, start_time, end_time, action, status)"
        " select pgt_id, now(), now(), now() + interval '1 second', 'DIFFERENTIAL', 'COMPLETED'"
        " from pgtrickle.pgt_stream_tables, generate_series(1, 20)"
    )
    superuser.execute(  # whatever else the machine had to do
        "update pgtrickle.pgt_refresh_history set end_time = start_time + interval '1 ms' where action = 'FULL'"
    )
    row = recommended(owner)
    assert (row.recommended_mode, row.confidence) == ("FULL", "high")
    assert row.signals["diff_count"] == 20


def test_buffers_show_who_shares_them(owner: Connection, connect: Any) -> None:
    plans.positive_amounts(owner)
    add(owner)
    row = one(owner, "select * from pgtrickle.shared_buffer_stats()")
    assert (row.source_table, row.consumer_count, row.consumers) == (
        "src.orders",
        2,
        "marts.positive, marts.totals",
    )
    assert (row.columns_tracked, row.buffer_rows) == (3, 5)
    assert (
        one(connect("reader"), "select * from pgtrickle.shared_buffer_stats()").buffer_rows is None
    )
    status = owner.execute("select * from pgtrickle.pgt_cdc_status order by pgt_name").fetchall()
    assert [(row.pgt_name, row.source_name, row.cdc_mode) for row in status] == [
        ("positive", "orders", "TRIGGER"),
        ("totals", "orders", "TRIGGER"),
    ]


def create(connection: Connection, name: str, query: str) -> None:
    connection.execute("select pgtrickle.create_stream_table(%s, %s)", [name, query])


@pytest.mark.parametrize("function", ["change_buffer_sizes", "shared_buffer_stats"])
def test_who_looks_at_a_buffer_that_is_being_dropped_sees_the_others(
    owner: Connection, connect: Connect, function: str
) -> None:
    owner.execute("create table src.other (id int primary key, amount int)")
    plans.positive_amounts(owner, source="src.other")
    plans.refresh(owner, "marts.positive")
    looker = connect("owner")
    with connect("owner", autocommit=False) as dropping:
        dropping.execute("select pgtrickle.drop_stream_table('marts.totals')")
        seen = begun(
            lambda: looker.execute(f"select * from pgtrickle.{function}()").fetchall(),
            looker,
            owner,
        )
        dropping.commit()
    assert "src.other" in [row.source_table for row in seen.result(PATIENCE)]


def test_diamonds_are_found_and_merged(owner: Connection) -> None:
    owner.execute("create table src.alone (id int primary key)")
    create(owner, "marts.a", "select customer from src.orders")
    create(owner, "marts.b", "select customer, amount from src.orders")
    create(owner, "marts.c", "select id from src.alone")
    create(
        owner,
        "marts.no_diamond",
        "select a.customer from marts.a a join marts.c c on c.id = a.customer",
    )
    assert owner.execute("select * from pgtrickle.diamond_groups()").fetchall() == []
    create(owner, "marts.ab", "select b.amount from marts.a a join marts.b b using (customer)")
    create(
        owner,
        "marts.b_totals",
        "select b.amount from marts.b b join marts.totals t using (customer)",
    )
    found = owner.execute("select * from pgtrickle.diamond_groups()").fetchall()
    assert {(row.group_id, row.member_name, row.is_convergence) for row in found} == {
        (1, "a", False),
        (1, "b", False),
        (1, "totals", False),
        (1, "ab", True),
        (1, "b_totals", True),
    }


def test_the_definition_creates_the_table_again(owner: Connection) -> None:
    name = 'marts."Odd ""n$query$ame"'
    owner.execute("set search_path = src, public")
    owner.execute("set timezone = 'Asia/Tokyo'")
    owner.execute(
        "select pgtrickle.create_stream_table(%s, %s, schedule => '5m', refresh_mode => 'FULL', diamond_consistency => 'none', max_delta_fraction => 0.5)",
        [name, "select customer, '$query$ ''x''' as q, $$a$$ as d from orders -- the end"],
    )
    owner.execute("select pgtrickle.set_stream_table_sla(%s, '1 min 0.5 s')", [name])
    owner.execute(
        "select pgtrickle.alter_stream_table(%s, tier => 'warm', fuse => 'auto', fuse_ceiling => 7, fuse_sensitivity => 2)",
        [name],
    )
    compared = (
        "select pgt_name, pgt_schema, defining_query, original_query, schedule, requested_refresh_mode, diamond_consistency,"
        " max_delta_fraction, refresh_tier, freshness_deadline_ms, fuse_mode, fuse_ceiling, fuse_sensitivity, defining_search_path, defining_settings"
        " from pgtrickle.pgt_stream_tables where pgt_name like 'Odd%'"
    )
    before = owner.execute(compared).fetchall()
    definition = one(owner, "select pgtrickle.export_definition(%s)", name)[0]
    assert one(owner, "select pgtrickle.stream_table_definition(%s)", name)[0] == definition
    owner.execute("select pgtrickle.drop_stream_table(%s)", [name])
    owner.execute("reset search_path; reset timezone")
    owner.execute(definition)
    assert owner.execute(compared).fetchall() == before
    owner.execute(definition)
    assert owner.execute(compared).fetchall() == before


def test_the_definition_of_a_plain_table_is_executable_too(owner: Connection) -> None:
    definition = one(owner, "select pgtrickle.export_definition('marts.totals')")[0]
    assert "alter_stream_table" not in definition
    owner.execute("select pgtrickle.drop_stream_table('marts.totals')")
    owner.execute(definition)
    assert plans.difference(owner, "marts.totals") == []


def test_the_spec_is_what_bulk_create_takes(owner: Connection) -> None:
    name = 'marts."Odd ""n.ame"'
    owner.execute(
        "select pgtrickle.create_stream_table(%s, 'select customer from src.orders', '5m', 'FULL', max_delta_fraction => 0.5)",
        [name],
    )
    (by_name,) = one(owner, "select pgtrickle.stream_table_spec(%s)", name)
    assert (by_name["name"], by_name["schedule"], by_name["max_delta_fraction"]) == (
        name,
        "5m",
        0.5,
    )
    (by_oid,) = one(owner, "select pgtrickle.stream_table_spec(%s::regclass::oid)", name)
    assert by_oid == by_name
    owner.execute("select pgtrickle.drop_stream_table(%s)", [name])
    assert one(owner, "select pgtrickle.stream_table_spec(%s)", name) == (None,)
    owner.execute(
        "select pgtrickle.bulk_create(jsonb_build_array(%s::jsonb))",
        [psycopg.types.json.Json(by_name)],
    )
    assert one(owner, "select pgtrickle.stream_table_spec(%s)", name) == (by_name,)


def test_what_is_made_of_a_query_is_shown(owner: Connection) -> None:
    owner.execute("set search_path = src")
    rewrite = "select * from pgtrickle.explain_query_rewrite(%s)"
    found = owner.execute(rewrite, ["select * from orders where amount = '7'"]).fetchall()
    assert [(row.pass_name, row.changed) for row in found] == [
        ("given", False),
        ("canonical", True),
        ("kept", False),
    ]
    canonical = found[1].sql_after
    assert "src" in canonical
    assert "note" in canonical
    assert "7" in canonical
    again = owner.execute(rewrite, [canonical]).fetchall()
    assert again[1].changed is False
    # Where the canonical text may mean something else, the given one is kept.
    odd = "select row_to_json(x.*) from (orders a join orders b using (id)) x"
    (*_, kept) = owner.execute(rewrite, [odd]).fetchall()
    assert (kept.changed, kept.sql_after == odd) in ((True, True), (False, False))


def test_states_that_last_are_told_again_and_again(owner: Connection, connect: Any) -> None:
    owner.execute("select pgtrickle.alter_stream_table('marts.totals', schedule => '1h')")
    owner.execute("create table src.other (id int)")
    owner.execute("select pgtrickle.create_watermark_group('g', array['src.orders', 'src.other'])")
    owner.execute("select pgtrickle.advance_watermark('src.orders', '2026-01-02')")
    owner.execute("select pgtrickle.advance_watermark('src.other', '2026-01-01')")
    assert one(owner, "select pgtrickle._alert_states()") == (0,)
    owner.execute("set pg_trickle.max_buffer_rows = 4")
    add(owner, 5000)
    owner.execute("alter table src.orders disable trigger pgtrickle_capture_insert")
    superuser = connect()
    superuser.execute(
        "update pgtrickle.pgt_watermarks set updated_at = now() - interval '10 min';"
        "insert into pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, start_time, end_time, action, status, initiated_by)"
        " select pgt_id, now(), now(), now() + interval '9 s', 'FULL', 'COMPLETED', 'SCHEDULER' from pgtrickle.pgt_stream_tables;"
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '1 d', freshness_deadline_ms = 20000,"
        " needs_reinit = true, fuse_state = 'blown', blow_reason = 'much', refresh_tier = 'warm'"
    )
    superuser.execute("listen pg_trickle_alert; listen pgtrickle_alert")
    owner.execute("select pgtrickle._alert_states()")
    told = [json.loads(one.payload) for one in superuser.notifies(timeout=PATIENCE, stop_after=8)]
    assert {event["event"] for event in told} == {
        "stale_data",
        "fuse_blown_reminder",
        "reinitialize_needed",
        "predicted_sla_breach",
        "buffer_growth_warning",
        "cdc_trigger_disabled",
        "scheduler_falling_behind",
        "watermark_stuck",
    }
    of_event = {event["event"]: event for event in told}
    assert of_event["stale_data"]["st"] == "marts.totals"
    assert of_event["buffer_growth_warning"]["pending_rows"] == 5000
    assert of_event["predicted_sla_breach"]["refresh_ms"] == 9000
    assert of_event["cdc_trigger_disabled"]["source"] == "src.orders"
    assert of_event["watermark_stuck"]["group_name"] == "g"
    owner.execute("set pg_trickle.alerts = off")
    assert one(owner, "select pgtrickle._alert_states()") == (0,)
