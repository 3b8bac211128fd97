# ruff: noqa: E501 -- an SQL statement reads best on one line
"""A refresh brings a stream table to its query, and says how."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def orders(owner: Connection) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null, note text)"
    )
    owner.execute("insert into src.orders select i, i % 10, i - 50 from generate_series(1, 100) i")


def test_filter_is_maintained_from_captured_changes(owner: Connection, writer: Connection) -> None:
    plans.positive_amounts(owner)
    assert plans.difference(owner, "marts.positive") == []
    writer.execute("insert into src.orders values (101, 1, 7), (102, 1, -7)")
    writer.execute("update src.orders set amount = amount - 10 where id between 55 and 65")
    writer.execute("delete from src.orders where id = 100")
    outcome = plans.refresh(owner, "marts.positive")
    assert (outcome.action, outcome.rows_inserted, outcome.rows_deleted) == ("DIFFERENTIAL", 6, 12)
    assert plans.difference(owner, "marts.positive") == []


def test_aggregate_with_state_is_maintained(owner: Connection, writer: Connection) -> None:
    plans.totals(owner)
    writer.execute("update src.orders set amount = amount + 1 where customer = 3")
    writer.execute("delete from src.orders where customer = 4")
    writer.execute("insert into src.orders values (200, 77, 5)")
    outcome = plans.refresh(owner, "marts.totals")
    assert (outcome.action, outcome.rows_inserted, outcome.rows_deleted) == ("DIFFERENTIAL", 2, 2)
    assert plans.difference(owner, "marts.totals") == []


def test_nothing_pending_is_no_data(owner: Connection) -> None:
    plans.positive_amounts(owner)
    outcome = plans.refresh(owner, "marts.positive")
    assert (outcome.action, outcome.rows_inserted, outcome.delta_row_count) == ("NO_DATA", 0, 0)


def test_pending_plan_is_recomputed(owner: Connection, writer: Connection) -> None:
    plans.create(owner, "marts.plain", "select id, amount from src.orders where amount > 0")
    writer.execute("update src.orders set amount = amount + 1 where id in (1, 60)")
    outcome = plans.refresh(owner, "marts.plain")
    assert (outcome.action, outcome.rows_inserted, outcome.rows_deleted) == ("FULL", 1, 1)
    assert plans.difference(owner, "marts.plain") == []
