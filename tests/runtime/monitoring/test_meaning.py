# ruff: noqa: E501 -- an SQL statement reads best on one line
"""What operators see means what it says: of several tables in different states, each its own."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
EMPTY = 'marts."Empty ""n.ame"'


@pytest.fixture(autouse=True)
def tables(owner: Connection, connect: Connect) -> None:
    """totals is sound, and its data two minutes old; inverse has just failed; one is not filled."""
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null)"
    )
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 100) i")
    plans.totals(owner)
    owner.execute("select pgtrickle.alter_stream_table('marts.totals', schedule => '5m')")
    owner.execute("update src.orders set amount = amount + 1 where customer = 3")
    plans.refresh(owner, "marts.totals")
    owner.execute(
        "select pgtrickle.create_stream_table('marts.inverse', 'select id, 1 / amount as i from src.orders', '@hourly', 'FULL')"
    )
    owner.execute("insert into src.orders values (101, 1, 0)")
    plans.attempt(owner, "marts.inverse")
    owner.execute(
        "select pgtrickle.create_stream_table(%s, 'select amount from src.orders', '1h', initialize => false)",
        [EMPTY],
    )
    connect().execute(
        "update pgtrickle.pgt_stream_tables set data_timestamp = now() - interval '2 min' where pgt_name = 'totals'"
    )


def rows(connection: Connection, query: str, *arguments: Any) -> list[Any]:
    return connection.execute(query, arguments or None).fetchall()


def one(connection: Connection, query: str, *arguments: Any) -> Any:
    (row,) = rows(connection, query, *arguments)
    return row


def test_status_is_that_of_each_table(owner: Connection) -> None:
    empty, inverse, totals = rows(owner, "select * from pgtrickle.pgt_status()")
    assert [row.name for row in (empty, inverse, totals)] == [
        'marts.Empty "n.ame',
        "marts.inverse",
        "marts.totals",
    ]
    assert (totals.status, totals.refresh_mode, totals.schedule) == ("ACTIVE", "DIFFERENTIAL", "5m")
    assert (totals.is_populated, totals.consecutive_errors) == (True, 0)
    assert (inverse.status, inverse.refresh_mode, inverse.schedule) == ("ERROR", "FULL", "@hourly")
    assert (inverse.is_populated, inverse.consecutive_errors) == (True, 1)
    assert (empty.is_populated, empty.data_timestamp, empty.staleness) == (False, None, None)
    # Of the data, not of the last look at the table.
    assert 120 <= totals.staleness.total_seconds() < 600
    assert 0 <= inverse.staleness.total_seconds() < 120


def test_staleness_is_the_age_of_the_data_until_it_is_renewed(owner: Connection) -> None:
    def staleness(name: str | None) -> Any:
        return one(owner, "select pgtrickle.get_staleness(%s)", name)[0]

    assert 120 <= staleness("marts.totals") < 600
    assert 0 <= staleness("marts.inverse") < 120
    plans.attempt(owner, "marts.inverse")
    assert staleness(EMPTY) is None
    assert staleness("marts.no_such_table") is None
    assert staleness(None) is None
    owner.execute("insert into src.orders values (102, 1, 1)")
    plans.refresh(owner, "marts.totals")
    assert 0 <= staleness("marts.totals") < 100


def test_a_refresh_that_fails_makes_no_data_newer(owner: Connection, connect: Connect) -> None:
    connect().execute(
        "update pgtrickle.pgt_stream_tables set data_timestamp = now() - interval '1 h' where pgt_name = 'inverse'"
    )
    assert plans.attempt(owner, "marts.inverse").status == "FAILED"
    assert one(owner, "select pgtrickle.get_staleness('marts.inverse')")[0] >= 3600


def test_history_is_that_of_one_table_newest_first(owner: Connection) -> None:
    failed, filled = rows(owner, "select * from pgtrickle.get_refresh_history('marts.inverse')")
    assert (failed.action, failed.status) == ("FULL", "FAILED")
    assert failed.error_message == "division by zero"
    assert (failed.rows_inserted, failed.rows_deleted) == (0, 0)
    assert (filled.status, filled.rows_inserted, filled.error_message) == ("COMPLETED", 100, None)
    assert failed.refresh_id > filled.refresh_id
    assert filled.start_time < filled.end_time <= failed.start_time < failed.end_time
    for row in (failed, filled):
        took = (row.end_time - row.start_time).total_seconds()
        assert row.duration_ms == pytest.approx(1000 * took)
    latest, *others = rows(owner, "select * from pgtrickle.get_refresh_history('marts.totals', 1)")
    assert (latest.action, latest.rows_inserted, latest.rows_deleted) == ("DIFFERENTIAL", 1, 1)
    assert others == []
    assert rows(owner, "select * from pgtrickle.get_refresh_history(%s)", EMPTY) == []
    with pytest.raises(psycopg.errors.UndefinedTable):
        owner.execute("select * from pgtrickle.get_refresh_history('marts.no_such_table')")


def test_the_timeline_has_all_tables_newest_first(owner: Connection) -> None:
    told = rows(owner, "select * from pgtrickle.refresh_timeline()")
    assert [(row.stream_table, row.action, row.status) for row in told] == [
        ("marts.inverse", "FULL", "FAILED"),
        ("marts.inverse", "FULL", "COMPLETED"),
        ("marts.totals", "DIFFERENTIAL", "COMPLETED"),
        ("marts.totals", "FULL", "COMPLETED"),
    ]
    assert [(row.rows_inserted, row.rows_deleted) for row in told] == [(0, 0), (100, 0), (1, 1), (10, 0)]  # fmt: skip
    assert [row.error_message for row in told] == ["division by zero", None, None, None]
    assert all(row.duration_ms > 0 for row in told)


def test_refresh_statistics_add_up_per_table(owner: Connection) -> None:
    empty, inverse, totals = rows(owner, "select * from pgtrickle.st_refresh_stats()")
    assert (empty.total_refreshes, empty.avg_duration_ms, empty.last_refresh_status) == (0, None, None)  # fmt: skip
    assert (inverse.total_refreshes, inverse.successful_refreshes, inverse.failed_refreshes) == (2, 1, 1)  # fmt: skip
    assert (inverse.last_refresh_action, inverse.last_refresh_status) == ("FULL", "FAILED")
    assert (inverse.consecutive_errors, inverse.last_error_message) == (1, "division by zero")
    assert (inverse.stale, totals.stale) == (None, False)
    assert (totals.total_refreshes, totals.failed_refreshes) == (2, 0)
    assert (totals.total_rows_inserted, totals.total_rows_deleted) == (11, 1)
    assert totals.avg_duration_ms == pytest.approx(
        one(owner, "select avg(duration_ms) from pgtrickle.get_refresh_history('marts.totals')")[0]
    )
    assert 0 <= totals.staleness_secs < 120  # since it was last looked at


def test_health_is_counted(owner: Connection, connect: Connect) -> None:
    row = one(owner, "select * from pgtrickle.health_summary()")
    assert (row.total_stream_tables, row.active_count, row.error_count, row.suspended_count) == (3, 1, 1, 0)  # fmt: skip
    assert (row.stale_count, row.reinit_pending, row.scheduler_status) == (0, 0, "STOPPED")
    assert 120 <= row.max_staleness_seconds < 600
    quick = one(owner, "select * from pgtrickle.quick_health")
    assert (quick.total_stream_tables, quick.error_tables, quick.stale_tables, quick.status) == (3, 1, 0, "WARNING")  # fmt: skip
    connect().execute(
        "update pgtrickle.pgt_stream_tables set last_refresh_at = now() - interval '6 min', needs_reinit = true where pgt_name = 'totals'"
    )
    owner.execute("select pgtrickle.pause_stream_table('marts.inverse')")
    worker = connect()
    worker.execute("select pg_advisory_lock(1885829237, 1)")  # as one that leads
    row = one(owner, "select * from pgtrickle.health_summary()")
    assert (row.active_count, row.error_count, row.suspended_count) == (1, 0, 1)
    assert (row.stale_count, row.reinit_pending, row.scheduler_status) == (1, 1, "RUNNING")
    quick = one(owner, "select * from pgtrickle.quick_health")
    assert (quick.stale_tables, quick.status, quick.scheduler_running) == (1, "CRITICAL", True)
    found = {row.check_name: row for row in rows(owner, "select * from pgtrickle.health_check()")}
    assert found["scheduler_running"].severity == "OK"
    assert (found["needs_reinit"].severity, found["needs_reinit"].detail) == ("WARN", "marts.totals")  # fmt: skip
    assert (found["not_compiled"].severity, found["not_compiled"].detail) == ("WARN", EMPTY)
    assert found["consecutive_errors"].detail == "marts.inverse: 1 in a row"
    assert found["error_tables"].severity == "OK"
    assert found["suspended_tables"].detail.startswith("marts.inverse")


def test_the_mode_in_use_is_explained(owner: Connection) -> None:
    def explained(name: str) -> tuple[str, ...]:
        return tuple(one(owner, "select * from pgtrickle.explain_refresh_mode(%s)", name))

    assert explained("marts.totals") == ("AUTO", "DIFFERENTIAL", None)
    assert explained("marts.inverse") == ("FULL", "FULL", None)
    plan = plans.plan_of(owner, "select amount from src.orders", [], None, {})
    owner.execute(
        'select pgtrickle.install_plan(%s, %s::jsonb || \'{"mode": "FULL", "reason": "it is odd"}\')',
        [EMPTY, plan],
    )
    plans.refresh(owner, EMPTY)
    assert explained(EMPTY) == ("AUTO", "FULL", "it is odd")


def recommended(connection: Connection, name: str) -> tuple[str, str, str]:
    row = one(connection, "select * from pgtrickle.recommend_refresh_mode(%s)", name)
    return row.recommended_mode, row.confidence, row.reason


def test_a_mode_is_recommended_for_each_table_on_its_own_history(
    owner: Connection, connect: Connect
) -> None:
    owner.execute(  # whatever else the machine had to do
        "update pgtrickle.pgt_refresh_history set end_time = start_time + interval '1 ms'"
    )
    assert recommended(owner, "marts.inverse") == ("KEEP", "medium", "recomputing takes less than 50 ms")  # fmt: skip
    owner.execute(
        "select pgtrickle.alter_stream_table('marts.totals', refresh_mode => 'DIFFERENTIAL')"
    )
    superuser = connect()
    superuser.execute("delete from pgtrickle.pgt_refresh_history")
    superuser.execute(
        "insert into pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, start_time, end_time, action, status)"
        " select pgt_id, now(), now(), now() + make_interval(secs => a.seconds), a.action, 'COMPLETED'"
        " from pgtrickle.pgt_stream_tables, generate_series(1, 5),"
        " (values ('inverse', 'FULL', 3), ('totals', 'FULL', 2), ('totals', 'DIFFERENTIAL', 1)) a (name, action, seconds)"
        " where pgt_name = a.name"
    )
    mode, confidence, reason = recommended(owner, "marts.inverse")
    assert (mode, confidence) == ("DIFFERENTIAL", "low")
    assert "3000 ms" in reason
    assert recommended(owner, "marts.totals") == ("KEEP", "medium", "differential refreshes take 1000.0 ms, recomputing 2000.0 ms")  # fmt: skip
    superuser.execute(
        "update pgtrickle.pgt_refresh_history set end_time = start_time + interval '2.5 s' where action = 'DIFFERENTIAL'"
    )
    assert recommended(owner, "marts.totals") == ("FULL", "medium", "differential refreshes take 2500 ms, recomputing 2000 ms")  # fmt: skip
    told = rows(owner, "select * from pgtrickle.recommend_refresh_mode()")
    assert [row.recommended_mode for row in told] == ["KEEP", "DIFFERENTIAL", "FULL"]
    gain = {row.pgt_name: row for row in rows(owner, "select * from pgtrickle.refresh_efficiency()")}  # fmt: skip
    assert (gain["totals"].diff_count, gain["totals"].full_count) == (5, 5)
    assert (gain["totals"].avg_diff_ms, gain["totals"].avg_full_ms) == (2500, 2000)
    assert gain["totals"].diff_speedup == "0.8x"
    assert (gain["inverse"].diff_count, gain["inverse"].diff_speedup) == (0, None)


@pytest.mark.parametrize(
    ("happening", "alert"),
    [
        ("select", None),
        ("alter table src.orders disable trigger pgtrickle_capture_delete", "capture_triggers_changed"),
        ("drop trigger pgtrickle_capture_truncate on src.orders", "capture_triggers_changed"),
        ("drop table src.orders cascade", "source_dropped"),
        ("delete from pgtrickle.pgt_captures", "capture_missing"),
        ("update pgtrickle.pgt_captures set cluster_id = 'another/1'", "capture_foreign"),
        ("update pgtrickle.pgt_captures set obstacle = 'wal_level is replica'", "not_read_from_wal: wal_level is replica"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_capture_is_told(
    owner: Connection, connect: Connect, happening: str, alert: str | None
) -> None:
    connect().execute(happening)
    row = one(owner, "select * from pgtrickle.check_cdc_health()")
    assert (row.source_table, row.cdc_mode, row.slot_name, row.lag_bytes) == ("src.orders", "TRIGGER", None, None)  # fmt: skip
    assert row.alert is None if alert is None else row.alert.startswith(alert)


def test_a_capture_of_all_columns_is_not_selective(owner: Connection) -> None:
    assert one(owner, "select selective_capture from pgtrickle.check_cdc_health()")[0] is True
    owner.execute(
        "select pgtrickle._ensure_capture('src.orders'::regclass, '{id,customer,amount}')"
    )
    assert one(owner, "select selective_capture from pgtrickle.check_cdc_health()")[0] is False


def test_pending_rows_are_those_each_table_has_not_consumed(owner: Connection) -> None:
    plans.positive_amounts(owner)
    owner.execute("insert into src.orders values (201, 1, 1), (202, 1, 1)")
    plans.refresh(owner, "marts.totals")
    owner.execute("insert into src.orders values (203, 1, 1)")
    pending = "select stream_table, source_table, pending_rows from pgtrickle.change_buffer_sizes()"
    assert rows(owner, pending) == [
        ("marts.positive", "src.orders", 3),
        ("marts.totals", "src.orders", 1),
    ]
    ((sizes,),) = rows(
        owner,
        "select count(distinct buffer_bytes) filter (where buffer_bytes > 0) from pgtrickle.change_buffer_sizes()",
    )
    assert sizes == 1  # they share it
    plans.refresh(owner, "marts.positive")
    plans.refresh(owner, "marts.totals")
    assert [row.pending_rows for row in rows(owner, pending)] == [0, 0]


def test_partitions_are_in_the_inventory(owner: Connection) -> None:
    owner.execute(
        "create table src.parts (id int, amount int) partition by range (id);"
        "create table src.low partition of src.parts for values from (0) to (10)"
    )
    plans.positive_amounts(owner, source="src.parts")
    owner.execute("create table src.high partition of src.parts for values from (10) to (20)")
    inventory = rows(
        owner,
        "select source_table, count(*), bool_and(present) as present, bool_and(enabled) as enabled"
        " from pgtrickle.trigger_inventory() group by 1 order by 1",
    )
    assert inventory == [
        ("src.high", 4, False, False),  # until the next refresh
        ("src.low", 4, True, True),
        ("src.orders", 4, True, True),
        ("src.parts", 4, True, True),
    ]
    plans.refresh(owner, "marts.positive")
    assert one(owner, "select bool_and(enabled) from pgtrickle.trigger_inventory()")[0] is True


def test_sources_are_listed_with_what_is_captured_of_them(owner: Connection) -> None:
    listed = "select source_table, source_oid, source_type, cdc_mode, columns_used from pgtrickle.list_sources(%s)"
    ((oid,),) = rows(owner, "select 'src.orders'::regclass::oid::bigint")
    assert rows(owner, listed, "marts.totals") == [
        ("src.orders", oid, "TABLE", "TRIGGER", "customer, amount")
    ]
    assert rows(owner, listed, "marts.inverse")[0].cdc_mode == "NONE"
    owner.execute("select pgtrickle.create_stream_table('marts.more', 'table marts.totals')")
    assert [row[2:4] for row in rows(owner, listed, "marts.more")] == [("STREAM_TABLE", "NONE")]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        ("42P01", "missing_object", "alter_stream_table('marts.totals', query => ...)"),
        ("42703", "missing_object", "alter_stream_table"),
        ("42501", "permission", "Grant what the message names to pgt_test_owner"),
        ("40001", "conflict", "the next refresh tries again"),
        ("55P03", "conflict", "the next refresh tries again"),
        ("57014", "cancelled", "statement_timeout"),
        ("53100", "resources", "disk"),
        ("57P01", "resources", "the next refresh tries again"),
        ("22012", "data", "mend the rows or the query"),
        ("23505", "constraint", "constraint or index"),
        ("55000", "state", "resume_stream_table('marts.totals')"),
        ("XX000", "other", "repair_stream_table('marts.totals')"),
    ],
)
def test_errors_are_diagnosed_with_what_to_do(
    owner: Connection, connect: Connect, code: str, kind: str, remedy: str
) -> None:
    connect().execute(
        "insert into pgtrickle.pgt_refresh_history (pgt_id, data_timestamp, start_time, end_time, action, status, error_code, error_message)"
        " select pgt_id, now(), now(), now(), 'FULL', 'FAILED', %s, 'number ' || i from pgtrickle.pgt_stream_tables, generate_series(1, 7) i"
        " where pgt_name = 'totals'",
        [code],
    )
    told = rows(owner, "select * from pgtrickle.diagnose_errors('marts.totals')")
    assert [row.error_message for row in told] == [f"number {i}" for i in (7, 6, 5, 4, 3)]
    assert {row.error_type for row in told} == {kind}
    assert all(remedy in row.remediation for row in told)
    (own,) = rows(owner, "select * from pgtrickle.diagnose_errors('marts.inverse')")
    assert (own.error_type, own.error_message) == ("data", "division by zero")


def diamonds(reads: dict[str, set[str]]) -> dict[str, tuple[int, bool]]:
    """Group and whether it is a convergence, of each stream table that is on one of two ways."""

    def above(name: str) -> set[str]:
        return {name}.union(*(above(each) for each in reads.get(name, ())))

    members: dict[str, set[str]] = {}
    for name, sources in reads.items():
        ways = [above(each) for each in sorted(sources)]
        shared = {each for way in ways for each in way if sum(each in other for other in ways) > 1}
        found = {
            each
            for each in above(name) & reads.keys()
            if any(ancestor != each and ancestor in above(each) for ancestor in shared)
        }
        if shared:
            members[name] = found
    merged: list[set[str]] = []
    for found in members.values():
        touching = [group for group in merged if group & found]
        merged = [group for group in merged if group not in touching] + [found.union(*touching)]
    group_of = {
        name: min(group, key=lambda each: int(each[1:])) for group in merged for name in group
    }
    order = sorted(set(group_of.values()), key=lambda each: int(each[1:]))
    return {name: (order.index(first) + 1, name in members) for name, first in group_of.items()}  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_diamonds_are_those_of_the_graph(owner: Connection, seed: int) -> None:
    chance = random.Random(seed)
    reads: dict[str, set[str]] = {}
    for name in ("src.a", "src.b", "src.c"):
        owner.execute(f"create table {name} (id int)")
    for number in range(12):
        known = ["src.a", "src.b", "src.c", *reads]
        name = f"t{number}"
        reads[name] = set(chance.sample(known, chance.choice([1, 1, 2, 3])))
        arms = " union all ".join(
            f"select id from {each if '.' in each else 'marts.' + each}"
            for each in sorted(reads[name])
        )
        owner.execute("select pgtrickle.create_stream_table(%s, %s)", [f"marts.{name}", arms])
    found = rows(owner, "select * from pgtrickle.diamond_groups()")
    assert {row.member_name: (row.group_id, row.is_convergence) for row in found} == diamonds(reads)  # fmt: skip
