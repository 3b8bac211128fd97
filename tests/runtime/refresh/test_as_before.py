# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Few changes or none, and nothing else has happened: refreshed without the careful questions."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect
from tests.runtime.waiting import PATIENCE

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]
NAMES = ("marts.positive", "marts.totals")


@pytest.fixture(autouse=True)
def orders(owner: Connection) -> None:
    """Refreshed often enough that all they need is there."""
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null, note text)"
    )
    owner.execute("insert into src.orders select i, i % 10, i - 50 from generate_series(1, 100) i")
    plans.positive_amounts(owner)
    plans.totals(owner)
    for _ in range(2):
        owner.execute("update src.orders set amount = amount + 1 where id = 90")
        refresh(owner)


@pytest.fixture
def no_care(connect: Connect, orders: None) -> None:
    without_care(connect())


def without_care(admin: Connection) -> None:
    """From here on what has to look with care fails."""
    (text,) = admin.execute(
        "select pg_get_functiondef('pgtrickle._lock_frontier(bigint, boolean)'::regprocedure)"
    ).fetchone() or ("",)
    head, _, _ = text.partition("AS $function$")
    admin.execute(f"{head} as 'begin raise ''care was needed''; end'")


def refresh(owner: Connection) -> None:
    for name in NAMES:
        plans.refresh(owner, name)
        assert plans.difference(owner, name) == [], name


def latest(owner: Connection, name: str = "marts.positive") -> tuple[Any, ...]:
    row = owner.execute(
        "select action, rows_inserted, rows_deleted, delta_row_count, initiated_by, reason"
        " from pgtrickle.pgt_refresh_history where pgt_id = (pgtrickle._find(%s)).pgt_id"
        " order by refresh_id desc limit 1",
        [name],
    ).fetchone()
    assert row is not None
    return tuple(row)


def test_no_care_is_needed(no_care: None, owner: Connection, writer: Connection) -> None:
    for statement in (
        "insert into src.orders values (200, 3, 70, 'n'), (201, 4, 7, null)",
        "update src.orders set amount = amount + 10, customer = 1 + customer % 9 where id < 30",
        "delete from src.orders where id in (3, 200)",
        "delete from src.orders where false",
        "update src.orders set amount = -amount where id > 60",
    ):
        writer.execute(statement)
        refresh(owner)
    refresh(owner)
    assert latest(owner) == ("NO_DATA", 0, 0, 0, "MANUAL", None)


def test_no_care_is_needed_for_thousands_that_are_few_of_the_source(
    owner: Connection, connect: Connect
) -> None:
    """And is where they are no small part of it."""
    owner.execute("create table src.many (id int primary key, amount int not null)")
    owner.execute("insert into src.many select i, i % 200 from generate_series(1, 200000) i")
    owner.execute("analyze src.many")
    plans.positive_amounts(owner, "marts.many", "src.many")
    some = "update src.many set amount = amount + 1 where id between %s and %s"

    def refreshed() -> bool:
        outcome = plans.refresh(owner, "marts.many")
        assert plans.difference(owner, "marts.many") == []
        return bool(outcome.action == "DIFFERENTIAL")

    for first in (1, 3001):  # the first one makes what the others need
        owner.execute(some, [first, first + 1500])
        assert refreshed()
    without_care(connect())
    work_mem = owner.execute("show work_mem").fetchone()
    owner.execute(some, [6001, 7500])
    assert refreshed()
    assert owner.execute("show work_mem").fetchone() == work_mem
    owner.execute(some, [9001, 12000])
    outcome = plans.attempt(owner, "marts.many", wait=True)
    assert outcome.error_message == "care was needed"


def test_a_refresh_without_changes_is_recorded(no_care: None, owner: Connection) -> None:
    question = "select last_refresh_at, data_timestamp from pgtrickle.pgt_stream_tables where pgt_name = 'positive'"
    refreshed, current = owner.execute(question).fetchone() or (None, None)
    refresh(owner)
    later, as_current = owner.execute(question).fetchone() or (None, None)
    assert (later > refreshed, as_current) == (True, current)
    assert latest(owner)[:4] == ("NO_DATA", 0, 0, 0)


def test_the_first_to_write_a_source_is_seen_when_it_commits(
    owner: Connection, connect: Connect
) -> None:
    owner.execute("create table src.other (id int primary key, amount int not null)")
    owner.execute("insert into src.other values (1, 1)")
    plans.positive_amounts(owner, "marts.others", "src.other")
    late = connect("writer", autocommit=False)
    late.execute("select pg_current_xact_id()")
    plans.refresh(owner, "marts.others")
    late.execute("insert into src.other values (2, 2)")
    plans.refresh(owner, "marts.others")
    late.commit()
    plans.refresh(owner, "marts.others")
    assert plans.difference(owner, "marts.others") == []


def test_no_care_is_needed_where_no_source_was_ever_written(
    owner: Connection, connect: Connect
) -> None:
    owner.execute("create table src.other (id int primary key, amount int not null)")
    plans.positive_amounts(owner, "marts.others", "src.other")
    known = (
        "select from pgtrickle.pgt_frontiers where quiet_seq is not null"
        " and pgt_id = (pgtrickle._find('marts.others')).pgt_id"
    )
    end = time.monotonic() + PATIENCE  # other tests have transactions of this server in flight
    while owner.execute(known).fetchone() is None:
        plans.refresh(owner, "marts.others")
        assert time.monotonic() < end
    without_care(connect())
    assert plans.refresh(owner, "marts.others").action == "NO_DATA"


def test_what_was_in_flight_is_seen_when_it_commits(
    no_care: None, owner: Connection, connect: Connect
) -> None:
    late = connect("writer", autocommit=False)
    late.execute("update src.orders set amount = amount + 5 where id = 90")
    for _ in range(3):
        refresh(owner)
    late.commit()
    refresh(owner)
    assert latest(owner)[:4] == ("DIFFERENTIAL", 1, 1, 2)


def test_what_began_after_the_refreshing_transaction_is_seen_when_it_commits(
    no_care: None, owner: Connection, connect: Connect
) -> None:
    late = connect("writer", autocommit=False)
    with owner.transaction():
        owner.execute("select pg_current_xact_id()")
        late.execute("update src.orders set amount = amount + 5 where id = 90")
        refresh(owner)
    refresh(owner)
    late.commit()
    refresh(owner)
    assert latest(owner)[:4] == ("DIFFERENTIAL", 1, 1, 2)


def test_own_changes_count_once(no_care: None, owner: Connection) -> None:
    with owner.transaction():
        refresh(owner)
        owner.execute("update src.orders set amount = amount + 5 where id = 90")
        refresh(owner)
        refresh(owner)
        with owner.transaction(force_rollback=True):
            owner.execute("delete from src.orders where id = 90")
            refresh(owner)
        refresh(owner)
    refresh(owner)


def test_a_rolled_back_refresh_has_consumed_nothing(no_care: None, owner: Connection) -> None:
    owner.execute("update src.orders set amount = amount + 5 where id = 90")
    with owner.transaction(force_rollback=True):
        refresh(owner)
    refresh(owner)
    assert latest(owner)[:4] == ("DIFFERENTIAL", 1, 1, 2)


def test_another_source_that_is_written_does_not_matter(
    no_care: None, owner: Connection, writer: Connection
) -> None:
    owner.execute(
        "create table src.other (id int primary key, customer int, amount int, note text)"
    )
    for number in range(3):
        writer.execute("insert into src.other values (%s, 1, 1, null)", [number])
        refresh(owner)
    assert latest(owner)[0] == "NO_DATA"


@pytest.mark.parametrize(
    "happened",
    [
        "alter table src.orders disable trigger pgtrickle_capture_update",
        "truncate src.orders",
        "alter table src.orders alter column amount type bigint",
        "alter table src.orders rename to orders_before",
        "select pgtrickle.gate_source('src.orders')",
        "select pgtrickle.pause_stream_table('marts.positive')",
    ],
)
def test_what_has_happened_is_looked_at(no_care: None, owner: Connection, happened: str) -> None:
    owner.execute(happened)
    with pytest.raises(psycopg.Error, match="care was needed"):
        owner.execute("select pgtrickle.refresh_stream_table('marts.positive')")


def test_a_table_given_away_is_not_refreshed(owner: Connection, connect: Connect) -> None:
    connect().execute("alter table marts.positive owner to pgt_test_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="was given by role"):
        owner.execute("select pgtrickle.refresh_stream_table('marts.positive')")


def test_an_executor_that_was_exchanged_is_not_called(owner: Connection) -> None:
    (number,) = owner.execute(
        "select pgt_id from pgtrickle.pgt_stream_tables where pgt_name = 'positive'"
    ).fetchone() or (0,)
    owner.execute(
        f"alter function pgtrickle_state.refresh_{number}(text, text, boolean, boolean) security invoker"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="was exchanged"):
        owner.execute("select pgtrickle.refresh_stream_table('marts.positive')")
