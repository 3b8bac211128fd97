"""What lags behind finds old changes in an archive, which nobody else scans."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pgtrickle.engine import Engine

TOTALS = "select customer, sum(amount) as s, count(*) as n from orders group by 1"
ROWS = "select id, amount from orders"
ROUND = 6000
"""Changed rows that fill a segment of 256 kB."""


def turn_at(engine: Engine, size: int) -> None:
    """Have segments turn at so many bytes, whatever a refresh has read."""
    engine.connection.execute(
        "create or replace function pgtrickle._segment_bytes(just_read bigint) returns bigint"
        f" language sql immutable as 'select {size}::bigint'"
    )


@pytest.fixture
def two(engine: Engine) -> Engine:
    engine.connection.execute(
        f"insert into orders select 100 + i, 1 + i % 9, i from generate_series(1, {ROUND // 2}) i"
    )
    engine.create_stream_table("fast", TOTALS, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table("slow", ROWS, refresh_mode="DIFFERENTIAL")
    turn_at(engine, 262144)
    # A purge passes by what somebody vacuums at that moment.
    for (buffer,) in engine.connection.execute(
        "select buffer from pgtrickle._buffers('orders'::regclass)"
    ).fetchall():
        engine.connection.execute(f"alter table {buffer} set (autovacuum_enabled = off)")
    return engine


def rounds(engine: Engine, number: int, *, table: str = "fast") -> None:
    for _ in range(number):
        engine.connection.execute("update orders set amount = amount + 1")
        assert engine.refresh(table).action == "DIFFERENTIAL"


def sizes(engine: Engine) -> list[int]:
    """Bytes of the two segments of orders' buffer, and of the archive."""
    rows = engine.connection.execute(
        "select pg_relation_size(b.buffer::regclass) from pgtrickle._buffers('orders'::regclass) b"
        " order by segment"
    ).fetchall()
    return [size for (size,) in rows]


def archived(engine: Engine) -> int:
    (name,) = engine.connection.execute(
        "select buffer from pgtrickle._buffers('orders'::regclass) where segment = 2"
    ).fetchone() or ("",)
    (count,) = engine.connection.execute(f"select count(*) from {name}").fetchone() or (0,)
    return int(count)


def test_segments_stay_small_while_somebody_lags(two: Engine) -> None:
    rounds(two, 7)
    first, second, archive = sizes(two)
    assert max(first, second) < 1536 * 1024 < archive
    assert two.verify("fast").equal
    assert two.refresh("slow").changes == 7 * 2 * (50 + ROUND // 2)
    assert two.verify("slow").equal
    rounds(two, 2)
    two.refresh("slow")
    two.refresh("fast")
    assert sizes(two)[2] == 0


def test_what_was_just_read_is_left_to_whoever_is_about_to_read_it(two: Engine) -> None:
    for turn in range(3):
        two.connection.execute("update orders set amount = amount + 1")
        for table in ("fast", "slow") if turn % 2 else ("slow", "fast"):
            assert two.refresh(table).action == "DIFFERENTIAL"
            assert archived(two) == 0
        assert min(sizes(two)[:2]) == 0
    assert all(two.verify(table).equal for table in ("fast", "slow"))
    rounds(two, 1)
    two.connection.execute("update orders set amount = amount + 1 where id = 1")
    two.refresh("fast")  # and once more, while the other one lags
    assert archived(two) > 0


def test_who_has_consumed_the_archive_does_not_scan_it(two: Engine) -> None:
    rounds(two, 4)
    for _ in range(2):  # too few to move anything after the second
        two.connection.execute("update orders set amount = amount + 1 where id = 1")
        two.refresh("fast")
    rows = two.connection.execute(
        "select f.snapshot::text, f.own_xid::text, f.own_seq"
        " from pgtrickle.pgt_frontiers f join pgtrickle.pgt_stream_tables s using (pgt_id)"
        " order by s.pgt_name"
    ).fetchall()
    for (snapshot, xid, seq), executed in zip(rows, (False, True), strict=True):
        (statement,) = two.connection.execute(
            "select pgtrickle._pending_sql(array['orders'::regclass::oid])"
        ).fetchone() or ("",)
        for parameter, value in (
            ("$1", f"'{snapshot}'::pg_snapshot"),
            ("$2", f"'{xid}'::xid8"),
            ("$3", str(seq)),
        ):
            statement = statement.replace(parameter, value)
        plan = "\n".join(
            line for (line,) in two.connection.execute(f"explain (analyze) {statement}")
        )
        (scan,) = [line for line in plan.splitlines() if "_2 b" in line]
        assert ("never executed" not in scan) is executed, plan


def test_those_who_lag_by_turns_do_not_let_the_archive_grow(two: Engine) -> None:
    two.create_stream_table("slower", ROWS, refresh_mode="DIFFERENTIAL")
    most = 0
    for turn in range(4):
        rounds(two, 3)
        two.refresh("slow" if turn % 2 else "slower")
        rounds(two, 1)
        most = max(most, archived(two))
    assert 0 < most < 10 * 2 * (50 + ROUND // 2)
    for table in ("fast", "slow", "slower"):
        two.refresh(table)
        assert two.verify(table).equal


def test_what_commits_late_is_not_passed_over(two: Engine, other: psycopg.Connection) -> None:
    with other.transaction():
        other.execute("insert into orders values (99000, 1, 7)")
        for _ in range(3):
            two.connection.execute("update orders set amount = amount + 1 where id < 9000")
            two.refresh("fast")
    rounds(two, 4)
    other.execute("delete from orders where id = 99000")
    rounds(two, 1)
    for table in ("fast", "slow"):
        two.refresh(table)
        assert two.verify(table).equal


def test_what_a_transaction_moves_after_its_refresh_is_not_taken_for_seen(
    two: Engine, other: psycopg.Connection
) -> None:
    """Under either order in which the two are looked at."""
    for leading, lagging in (("fast", "slow"), ("slow", "fast")):
        with two.connection.transaction():
            two.connection.execute("select pg_current_xact_id()")
            # Something for it to consume; and a snapshot does not list its own among later ones.
            other.execute("update orders set amount = amount + 1 where id = 1")
            two.refresh(lagging)
            for _ in range(4):
                other.execute("update orders set amount = amount + 1")
                two.refresh(leading)
        assert two.refresh(lagging).changes == 4 * 2 * (50 + ROUND // 2)
        assert two.verify(lagging).equal
        assert two.verify(leading).equal


def test_an_old_snapshot_misses_no_moved_change(two: Engine, other: psycopg.Connection) -> None:
    rounds(two, 1)
    other.execute("begin isolation level repeatable read")
    other.execute("select count(*) from orders")
    rounds(two, 4)
    with pytest.raises(psycopg.errors.SerializationFailure):
        other.execute("select pgtrickle.refresh_stream_table('slow')")
    other.execute("rollback")
    other.execute("select pgtrickle.refresh_stream_table('slow')")
    assert two.verify("slow").equal


def test_changes_are_consumed_once_while_they_move(two: Engine, database: str) -> None:
    turn_at(two, 8192)  # a page

    def write(session: psycopg.Connection, number: int, i: int) -> None:
        session.execute(f"update orders set amount = amount + 1 where id % 40 = {i}")
        if number == 0 or i % 13 == number:
            table = "fast" if number == 0 else "slow"
            session.execute(f"select pgtrickle.refresh_stream_table('{table}')")

    def act(number: int) -> None:
        with psycopg.connect(database, autocommit=True) as session:
            for i in range(40):
                with contextlib.suppress(psycopg.errors.DeadlockDetected):  # of two writers
                    write(session, number, i)
            session.execute("select pg_stat_force_next_flush()")  # not when the backend ends

    with ThreadPoolExecutor(4) as sessions:
        list(sessions.map(act, range(4)))
    (moved,) = two.connection.execute(
        "select pg_stat_get_tuples_inserted(b.buffer::regclass)"
        " from pgtrickle._buffers('orders'::regclass) b where segment = 2"
    ).fetchone() or (0,)
    assert moved > 0
    for table in ("fast", "slow"):
        assert two.refresh(table).action in ("DIFFERENTIAL", "NO_DATA")
        assert two.verify(table).equal
