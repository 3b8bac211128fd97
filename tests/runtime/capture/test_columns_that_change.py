# ruff: noqa: E501 -- an SQL statement reads best on one line
"""A session that has written before: what it has planned is of no use after a column changed."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect
from tests.runtime.waiting import PATIENCE, begun

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

CHANGES = [
    "alter table src.orders rename column amount to total",
    "alter table src.orders drop column amount cascade",
    "alter table src.orders alter column amount type numeric(9,2)",
    "alter table src.orders drop column amount cascade; alter table src.orders add column amount text",
]
ROW = "insert into src.orders values ({0}, 1, '5')"


@pytest.fixture
def orders(owner: Connection) -> None:
    owner.execute("create table src.orders (id int primary key, customer int, amount int)")
    owner.execute("insert into src.orders select i, i % 10, i - 50 from generate_series(1, 100) i")
    plans.totals(owner)


def captured(owner: Connection) -> tuple[int, int]:
    """How many rows the source's buffer holds, and how many marks that they are not all."""
    (source,) = owner.execute("select 'src.orders'::regclass::oid::text").fetchone() or ("",)
    weights: list[int] = []
    for segment in (0, 1):
        buffer = f"pgtrickle_changes.changes_{source}_{segment}"
        weights += (weight for (weight,) in owner.execute(f"select __pgt_weight from {buffer}"))
    return len(weights) - weights.count(0), weights.count(0)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_by_another_session(
    change: str, isolation: str, owner: Connection, writer: Connection, orders: None
) -> None:
    writer.execute(f"set default_transaction_isolation = '{isolation}'")
    writer.execute(ROW.format(1001))
    assert captured(owner) == (1, 0)
    owner.execute(change)
    writer.execute("insert into src.orders (id) values (1002)")
    assert captured(owner) == (1, 1)


@pytest.mark.parametrize("change", CHANGES)
def test_by_itself_and_undone(change: str, owner: Connection, orders: None) -> None:
    owner.execute(ROW.format(1001))
    owner.execute("begin")
    owner.execute(change)
    owner.execute("insert into src.orders (id) values (1002)")
    owner.execute("rollback")
    owner.execute(ROW.format(1003))
    with owner.transaction():
        with owner.transaction(force_rollback=True):
            owner.execute(change)
            owner.execute("update src.orders set customer = 2 where id = 1003")
        owner.execute("delete from src.orders where id = 1003")
    assert captured(owner) == (3, 0)
    plans.refresh(owner, "marts.totals")
    assert plans.difference(owner, "marts.totals") == []


@pytest.mark.parametrize(
    "statement",
    [
        "copy src.orders (id, customer) from stdin",
        "insert into src.orders (id) select 1002",
        "with added as (insert into src.orders (id) values (1002) returning id) select from added",
    ],
)
def test_while_the_writer_waits(
    statement: str, connect: Connect, owner: Connection, writer: Connection, orders: None
) -> None:
    writer.execute(ROW.format(1001))
    changing = connect("owner", autocommit=False)
    changing.execute(CHANGES[0])

    def write() -> None:
        if statement.startswith("copy"):
            with writer.cursor().copy(statement) as copy:
                copy.write("1002\t1\n")
        else:
            writer.execute(statement)

    waiting = begun(write, writer, owner)
    changing.commit()
    waiting.result(PATIENCE)
    assert captured(owner) == (1, 1)


def test_in_a_function_that_changes_them_between_two_writes(
    owner: Connection, orders: None
) -> None:
    owner.execute(
        """do $$begin
            insert into src.orders values (1001, 1, 5);
            alter table src.orders alter column amount type bigint;
            insert into src.orders values (1002, 1, 5000000000);
        end$$"""
    )
    assert captured(owner) == (1, 1)
