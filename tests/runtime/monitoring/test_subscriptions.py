"""Channels that are told when a stream table's rows have changed."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.waiting import PATIENCE

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def totals(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null)"
    )
    owner.execute("insert into src.orders values (1, 1, 1), (2, 2, 2)")
    plans.totals(owner)


def subscribe(connection: Connection, channel: str = "dashboard") -> None:
    connection.execute("select pgtrickle.subscribe('marts.totals', %s)", [channel])


def heard(owner: Connection, listener: Connection, channel: str = "dashboard") -> list[Any]:
    owner.execute(f"notify {channel}, 'null'")  # the last one
    found = []
    for told in listener.notifies(timeout=PATIENCE):
        if told.payload == "null":
            break
        found.append(json.loads(told.payload))
    return found


def test_a_refresh_that_changes_rows_tells_its_subscribers(owner: Connection, connect: Any) -> None:
    subscribe(owner)
    subscribe(owner)
    listener = connect("reader")
    listener.execute("listen dashboard")
    plans.refresh(owner, "marts.totals")  # finds nothing
    owner.execute("insert into src.orders values (3, 1, 5), (4, 3, 1)")
    plans.refresh(owner, "marts.totals")
    assert heard(owner, listener) == [
        {
            "stream_table": "marts.totals",
            "action": "DIFFERENTIAL",
            "rows_inserted": 2,
            "rows_deleted": 1,
        }
    ]
    owner.execute("select pgtrickle.unsubscribe('marts.totals', 'dashboard')")
    owner.execute("insert into src.orders values (5, 1, 5)")
    plans.refresh(owner, "marts.totals")
    assert heard(owner, listener) == []


def test_writers_tell_the_subscribers_of_an_immediate_table(
    owner: Connection, writer: Connection, connect: Any
) -> None:
    owner.execute(
        "select pgtrickle.alter_stream_table('marts.totals', refresh_mode => 'IMMEDIATE')"
    )
    subscribe(owner)
    listener = connect("reader")
    listener.execute("listen dashboard")
    writer.execute("insert into src.orders values (3, 7, 5)")
    writer.execute("update src.orders set amount = 5 where id = 3")
    assert [told["rows_inserted"] for told in heard(owner, listener)] == [1]


def test_subscriptions_are_listed_and_go_with_their_table(owner: Connection, connect: Any) -> None:
    subscribe(owner, "b")
    subscribe(owner, "a")
    listed = "select stream_table, channel from pgtrickle.list_subscriptions()"
    assert owner.execute(listed).fetchall() == [("marts.totals", "a"), ("marts.totals", "b")]
    assert connect("reader").execute(listed).fetchall() == []
    owner.execute("select pgtrickle.drop_stream_table('marts.totals')")
    assert owner.execute(listed).fetchall() == []


def test_what_cannot_be_subscribed_is_refused(owner: Connection, connect: Any) -> None:
    for channel in ("", "x" * 64):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            subscribe(owner, channel)
    owner.execute("grant select on marts.totals to pgt_test_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        subscribe(connect("reader"))
