# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Every change is consumed exactly once, whenever its transaction commits."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def orders(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null, note text)"
    )
    owner.execute("insert into src.orders select i, i % 10, i - 50 from generate_series(1, 100) i")
    plans.positive_amounts(owner)
    plans.totals(owner)


def assert_current(owner: Connection) -> None:
    for name in ("marts.positive", "marts.totals"):
        plans.refresh(owner, name)
        assert plans.difference(owner, name) == [], name


def actions(owner: Connection, name: str) -> list[str]:
    return [
        row.action
        for row in owner.execute(
            "select action from pgtrickle.pgt_refresh_history where pgt_id = (pgtrickle._find(%s)).pgt_id"
            " order by refresh_id",
            [name],
        ).fetchall()
    ]


def test_late_commit_is_not_lost(owner: Connection, connect: Connect) -> None:
    late = connect("writer", autocommit=False)
    late.execute("insert into src.orders values (500, 1, 500)")
    connect("writer").execute("insert into src.orders values (501, 1, 501)")
    assert_current(owner)
    late.execute("update src.orders set amount = amount + 1 where id = 500")
    assert_current(owner)
    late.commit()
    assert_current(owner)
    assert owner.execute("select amount from marts.positive where id = 500").fetchone() == (501,)
    assert set(actions(owner, "marts.positive")) == {"FULL", "DIFFERENTIAL", "NO_DATA"}


def test_rolled_back_savepoints_leave_nothing(owner: Connection, connect: Connect) -> None:
    writer = connect("writer", autocommit=False)
    writer.execute("insert into src.orders values (500, 1, 500)")
    writer.execute("savepoint a")
    writer.execute("insert into src.orders values (501, 1, 501)")
    writer.execute("savepoint b")
    writer.execute("delete from src.orders where id < 60")
    writer.execute("rollback to a")
    writer.execute("update src.orders set amount = 9 where id = 99")
    writer.commit()
    assert_current(owner)


def test_prepared_transaction_counts_when_it_commits(owner: Connection, writer: Connection) -> None:
    writer.execute("begin")
    writer.execute("insert into src.orders values (500, 1, 500)")
    writer.execute("prepare transaction 'late'")
    assert_current(owner)
    writer.execute("commit prepared 'late'")
    assert_current(owner)
    assert owner.execute("select count(*) from marts.positive where id = 500").fetchone() == (1,)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_changes_of_the_refreshing_transaction_itself(
    owner: Connection, connect: Connect, isolation: str
) -> None:
    own = connect("owner", autocommit=False)
    own.execute(f"set transaction isolation level {isolation}")
    own.execute("insert into src.orders values (500, 1, 500)")
    assert_current(own)
    own.execute("savepoint a")
    own.execute("update src.orders set amount = amount + 1 where id >= 99")
    assert_current(own)
    own.execute("delete from src.orders where id = 99")
    assert_current(own)
    own.execute("rollback to a")
    assert_current(own)
    own.execute("insert into src.orders values (501, 1, 501)")
    own.commit()
    assert_current(owner)
    assert owner.execute(
        "select count(*) from marts.positive where id in (500, 501)"
    ).fetchone() == (2,)
    assert "REINITIALIZE" not in actions(owner, "marts.positive")


def test_own_refresh_rolled_back(owner: Connection, connect: Connect) -> None:
    own = connect("owner", autocommit=False)
    own.execute("insert into src.orders values (500, 1, 500)")
    assert_current(own)
    own.rollback()
    assert_current(owner)
    assert owner.execute("select count(*) from marts.positive where id = 500").fetchone() == (0,)


def test_consumers_at_different_frontiers(owner: Connection, connect: Connect) -> None:
    late = connect("writer", autocommit=False)
    writer = connect("writer")
    late.execute("insert into src.orders values (500, 1, 500)")
    for step in range(6):
        writer.execute("insert into src.orders values (%s, %s, %s)", [600 + step, step, step])
        plans.refresh(owner, "marts.positive" if step % 2 else "marts.totals")
        if step == 3:
            late.commit()
    assert_current(owner)
    plans.create(owner, "marts.newcomer", "select id from src.orders")
    plans.positive_amounts(owner, "marts.positive_too")
    writer.execute("delete from src.orders where id >= 600")
    plans.refresh(owner, "marts.positive_too")
    assert plans.difference(owner, "marts.positive_too") == []
    assert_current(owner)


def test_repeatable_read_caller_sees_its_own_moment(owner: Connection, connect: Connect) -> None:
    writer = connect("writer")
    reader = connect("owner", autocommit=False)
    reader.execute("set transaction isolation level repeatable read")
    reader.execute("select count(*) from src.orders")
    writer.execute("insert into src.orders values (500, 1, 500)")
    writer.execute("delete from src.orders where id = 100")
    assert_current(reader)
    reader.commit()
    assert_current(owner)


def test_repeatable_read_caller_overtaken_by_another_refresh_fails(
    owner: Connection, connect: Connect
) -> None:
    late = connect("owner", autocommit=False)
    late.execute("set transaction isolation level repeatable read")
    late.execute("select count(*) from src.orders")
    connect("writer").execute("insert into src.orders values (500, 1, 500)")
    plans.refresh(owner, "marts.positive")
    with pytest.raises(psycopg.errors.SerializationFailure):
        late.execute("select pgtrickle.refresh_stream_table('marts.positive')")
    late.rollback()
    assert_current(owner)


def test_second_refresher_waits_or_skips(owner: Connection, connect: Connect) -> None:
    first = connect("owner", autocommit=False)
    first.execute("insert into src.orders values (500, 1, 500)")
    plans.refresh(first, "marts.positive")
    outcome = plans.attempt(owner, "marts.positive", wait=False)
    assert (outcome.status, outcome.action) == ("SKIPPED", "SKIP")
    owner.execute("set lock_timeout = '200ms'")
    assert plans.attempt(owner, "marts.positive").error_code == "55P03"
    first.commit()
    assert_current(owner)


def test_truncate_of_a_source(owner: Connection, writer: Connection) -> None:
    writer.execute("insert into src.orders values (500, 1, 500)")
    writer.execute("truncate src.orders")
    writer.execute("insert into src.orders values (501, 1, 501)")
    outcome = plans.refresh(owner, "marts.positive")
    assert outcome.action in ("FULL", "REINITIALIZE")
    assert "truncated" in outcome.reason
    assert_current(owner)
    writer.execute("insert into src.orders values (502, 1, 502)")
    assert plans.refresh(owner, "marts.positive").action == "DIFFERENTIAL"
    assert_current(owner)


def test_a_snapshot_older_than_a_truncation_is_refused(owner: Connection, connect: Connect) -> None:
    old = connect("owner", autocommit=False)
    old.execute("set transaction isolation level repeatable read")
    old.execute("select 1 from marts.positive")
    connect("writer").execute("truncate src.orders")
    assert plans.attempt(old, "marts.positive").error_code == "40001"
    old.rollback()
    assert_current(owner)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into src.orders values (5, 1, 1000), (700, 1, 7) on conflict (id) do update set amount = excluded.amount",
        "insert into src.orders values (99, 1, 1) on conflict do nothing",
        (
            "merge into src.orders o using (values (1, 10), (99, null), (800, 8)) v(id, amount) on o.id = v.id"
            " when matched and v.amount is null then delete"
            " when matched then update set amount = v.amount"
            " when not matched then insert values (v.id, 1, v.amount, 'merged')"
        ),
        (
            "with moved as (delete from src.orders where id > 90 returning *)"
            " insert into src.orders select id + 1000, customer, amount from moved"
        ),
        "update src.orders set id = id + 1000 where id > 50",
        "update src.orders set note = 'x'",
        "update src.orders set amount = amount, note = 'y'",
        "update src.orders set amount = amount + 1 where id < 0",
    ],
)
def test_forms_of_change(owner: Connection, writer: Connection, statement: str) -> None:
    writer.execute(statement)
    assert_current(owner)
    assert "REINITIALIZE" not in actions(owner, "marts.positive")


def test_copy_is_captured(owner: Connection, writer: Connection) -> None:
    with writer.cursor().copy("copy src.orders (id, customer, amount) from stdin") as copy:
        for i in range(1000, 1100):
            copy.write_row((i, i % 7, i))
    assert_current(owner)


def test_update_of_nothing_captured_writes_nothing(
    owner: Connection, writer: Connection, connect: Connect
) -> None:
    plans.positive_amounts(owner, "marts.p2")
    (relid,) = owner.execute("select 'src.orders'::regclass::oid").fetchone() or (None,)
    writer.execute("update src.orders set note = 'x'")
    assert connect().execute(
        f"select count(*) from pgtrickle_changes.changes_{relid}_0"
    ).fetchone() == (0,)
    writer.execute("update src.orders set note = 'z', amount = amount + (id = 7)::int")
    assert plans.refresh(owner, "marts.totals").delta_row_count == 200
