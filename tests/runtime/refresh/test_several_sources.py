# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Several sources changing at once, and changes that arrive while a refresh is under way."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import psycopg
import pytest
from tests.runtime import plans
from tests.runtime.conftest import Connect
from tests.runtime.waiting import PATIENCE, begun

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

QUERY = "select o.id, o.amount, c.name from src.orders o join src.customers c on c.id = o.customer"
COLUMNS = ["id", "amount", "name"]
NEW_ORDERS = "select o.id, o.amount, c.name, o.__pgt_weight from changes_0 o join src.customers c on c.id = o.customer"
NEW_CUSTOMERS = "select o.id, o.amount, c.name, c.__pgt_weight from src.orders o join changes_1 c on c.id = o.customer"
OLD_ORDERS = "(select id, amount, customer, 1 as w from src.orders union all select id, amount, customer, -__pgt_weight from changes_0)"
BOTH = (
    f"{NEW_ORDERS} union all select o.id, o.amount, c.name, o.w * c.__pgt_weight"
    f" from {OLD_ORDERS} o join changes_1 c on c.id = o.customer"
)


def joined(owner: Connection, wait: str = "") -> None:
    name = "marts.joined"
    plans.create(
        owner,
        name,
        QUERY,
        sources=[("src.orders", ["id", "amount", "customer"]), ("src.customers", ["id", "name"])],
        identity=["id"],
        deltas={
            "0": plans.keyed(name, COLUMNS, "id", NEW_ORDERS + wait),
            "1": plans.keyed(name, COLUMNS, "id", NEW_CUSTOMERS + wait),
            "*": plans.keyed(name, COLUMNS, "id", BOTH),
        },
    )


@pytest.fixture(autouse=True)
def tables(owner: Connection) -> None:
    owner.execute("create table src.customers (id int primary key, name text)")
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null)"
    )
    owner.execute(
        "insert into src.customers select i, 'customer ' || i from generate_series(0, 9) i"
    )
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 100) i")


def assert_current(owner: Connection, *names: str) -> Any:
    for name in names:
        outcome = plans.refresh(owner, name)
        assert plans.difference(owner, name) == [], name
    return outcome


@pytest.mark.parametrize(
    "changes",
    [
        ["update src.orders set customer = 3 where id < 10"],
        ["update src.customers set name = upper(name) where id = 3"],
        [
            "update src.customers set name = upper(name) where id < 4",
            "update src.orders set customer = 9 - customer",
        ],
        [
            "delete from src.customers where id = 1",
            "delete from src.orders where id < 50",
            "insert into src.customers values (1, 'new')",
        ],
    ],
)
def test_one_or_both_sources_changed(
    owner: Connection, writer: Connection, changes: list[str]
) -> None:
    joined(owner)
    for change in changes:
        writer.execute(change)
    assert assert_current(owner, "marts.joined").action == "DIFFERENTIAL"


def test_a_source_that_changes_after_the_count_is_not_left_out(
    owner: Connection, writer: Connection, connect: Connect
) -> None:
    """The refresh counts, then waits for a lock on the table; meanwhile the other source changes."""
    joined(owner)
    writer.execute("update src.orders set amount = amount + 1 where id < 5")
    blocker = connect("owner", autocommit=False)
    blocker.execute("lock table marts.joined in share mode")
    refreshed = begun(lambda: plans.refresh(owner, "marts.joined"), owner, connect())
    writer.execute("update src.customers set name = 'changed meanwhile'")
    writer.execute("insert into src.orders select i, 1, 1 from generate_series(1000, 1999) i")
    blocker.rollback()
    assert refreshed.result(PATIENCE).action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.joined") == []


def test_unexpected_rows_are_repaired_by_difference(
    owner: Connection, writer: Connection, connect: Connect
) -> None:
    joined(owner)
    superuser = connect()
    superuser.execute("set session_replication_role = replica")
    superuser.execute("delete from marts.joined where id = 7")
    writer.execute("delete from src.orders where id = 7")
    outcome = plans.refresh(owner, "marts.joined")
    assert (outcome.action, outcome.was_full_fallback) == ("REINITIALIZE", True)
    assert "not in the table" in outcome.reason
    assert plans.difference(owner, "marts.joined") == []


def test_a_unique_value_swapped_under_a_users_index(owner: Connection, writer: Connection) -> None:
    joined(owner)
    owner.execute("create unique index on marts.joined (amount)")
    writer.execute("update src.orders set amount = 101 - amount")
    assert_current(owner, "marts.joined")


def test_writers_and_refreshers_together(owner: Connection, connect: Connect) -> None:
    joined(owner)
    plans.totals(owner)
    stop = time.monotonic() + 6
    problems: list[BaseException] = []

    def guarded(act: Any) -> threading.Thread:
        def run() -> None:
            try:
                act()
            except BaseException as problem:  # noqa: BLE001 -- shown by the test below
                problems.append(problem)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write(seed: int) -> None:
        chance = random.Random(seed)
        connection = connect("writer", autocommit=False)
        while time.monotonic() < stop:
            try:
                for _ in range(chance.randint(1, 5)):
                    k = chance.randint(1, 300)
                    connection.execute("savepoint s")
                    connection.execute(
                        chance.choice(
                            [
                                f"insert into src.orders values ({k}, {k % 10}, {k}) on conflict (id) do update set amount = src.orders.amount + 1",
                                f"update src.orders set customer = {k % 10}, amount = amount + 1 where id between {k} and {k + 5}",
                                f"delete from src.orders where id = {k}",
                                f"update src.customers set name = name || '.' where id = {k % 10}",
                            ]
                        )
                    )
                    if chance.random() < 0.3:
                        connection.execute("rollback to s")
                    if chance.random() < 0.1:
                        time.sleep(chance.random() / 5)
                connection.commit() if chance.random() < 0.9 else connection.rollback()
            except psycopg.errors.DeadlockDetected:  # noqa: PERF203
                connection.rollback()

    def refresh(isolation: str) -> None:
        connection = connect("owner", autocommit=False)
        while time.monotonic() < stop:
            try:
                connection.execute(f"set transaction isolation level {isolation}")
                for name in ("marts.joined", "marts.totals"):
                    outcome = plans.attempt(connection, name)
                    if outcome.error_code == "40001":
                        raise psycopg.errors.SerializationFailure
                    assert outcome.status != "FAILED", outcome
                    if isolation == "repeatable read":
                        assert plans.difference(connection, name) == []
                connection.commit()
            except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):  # noqa: PERF203
                connection.rollback()

    def refresh_alone() -> None:
        connection = connect("owner")
        purger = connect("owner")
        while time.monotonic() < stop:
            plans.refresh(connection, "marts.totals")
            purger.execute(
                "select pgtrickle._purge(source_relid, 0) from pgtrickle.pgt_captures order by 1"
            )

    threads = [guarded(lambda seed=seed: write(seed)) for seed in range(3)]
    threads += [
        guarded(lambda: refresh("repeatable read")),
        guarded(lambda: refresh("read committed")),
    ]
    threads += [guarded(refresh_alone)]
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert_current(owner, "marts.joined", "marts.totals")
    reinitialised = owner.execute(
        "select reason from pgtrickle.pgt_refresh_history where action = 'REINITIALIZE'"
    ).fetchall()
    assert reinitialised == []
