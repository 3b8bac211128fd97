# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Recomputation applies exactly the difference, decided on images, to tables of every shape."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.runtime import plans

pytestmark = pytest.mark.every_server

Connection = psycopg.Connection[Any]

TYPES = """
create table src.t (k int, n numeric, f float8, j json, p point, x jsonpath, b bit(3), c char(4),
    v varchar(5)[], ts timestamptz, i interval, r int4range, by bytea, m money);
insert into src.t values
    (1, 1.0, 0.0, '{"a": 1}', '(1,2)', '$.a', b'101', 'ab', '{x,y}', '2024-01-01', '1 mon', '[1,3)', '\\x00ff', 1.5),
    (2, 1.00, '-0', '{"a":1}', '(1,2)', '$."a"', b'101', 'ab', '[0:1]={x,y}', '2024-01-01', '30 days', 'empty', '', 0),
    (null, null, null, null, null, null, null, null, null, null, null, null, null, null),
    (null, null, null, null, null, null, null, null, null, null, null, null, null, null),
    (3, 'NaN', 'NaN', 'null', null, null, null, '', '{}', 'infinity', '0', '(,)', null, null);
"""


@pytest.mark.parametrize(
    "change",
    [
        "update src.t set n = 1.00 where k = 1",
        "update src.t set f = '-0' where k = 1",
        "update src.t set j = '{\"a\":1}' where k = 1",
        "update src.t set i = '30 days' where k = 1",
        "update src.t set v = '[0:1]={x,y}' where k = 1",
        "update src.t set k = null where k = 2",
        "delete from src.t where k is null and ctid = (select min(ctid) from src.t where k is null)",
        "insert into src.t select * from src.t where k is null",
        "insert into src.t select * from src.t",
        "delete from src.t",
    ],
)
@pytest.mark.parametrize("ordering", ["", " order by k"])
def test_bag_of_every_type(owner: Connection, change: str, ordering: str) -> None:
    for statement in TYPES.strip().split(";\n"):
        owner.execute(statement)
    plans.create(owner, "marts.t", f"select * from src.t{ordering}")
    owner.execute(change)
    changed = plans.refresh(owner, "marts.t")
    assert changed.rows_inserted + changed.rows_deleted > 0
    assert plans.difference(owner, "marts.t") == []
    again = plans.refresh(owner, "marts.t")
    assert (again.rows_inserted, again.rows_deleted) == (0, 0)


@pytest.mark.parametrize(
    ("query", "change"),
    [
        ("select k from src.t", "update src.t set k = k + 1 where k > 3"),
        ("select null::text as only", "select 1"),
        ("select count(*) from src.t", "delete from src.t where k > 5"),
        ('select k as "a "" b", k as "Order" from src.t', "update src.t set k = -k"),
        ("select (t.*)::src.t as whole from src.t t", "update src.t set k = -k"),
    ],
)
def test_shapes(owner: Connection, query: str, change: str) -> None:
    owner.execute("create table src.t as select generate_series(1, 10) k")
    plans.create(owner, "marts.t", query)
    owner.execute(change)
    plans.refresh(owner, "marts.t")
    assert plans.difference(owner, "marts.t") == []


def test_many_columns(owner: Connection) -> None:
    columns = ", ".join(f"c{i} int default {i}" for i in range(150))
    owner.execute(f"create table src.t (k int, {columns})")
    owner.execute("insert into src.t (k) select generate_series(1, 10)")
    plans.create(owner, "marts.t", "select * from src.t")
    owner.execute("update src.t set c149 = 0 where k = 3")
    outcome = plans.refresh(owner, "marts.t")
    assert (outcome.rows_inserted, outcome.rows_deleted) == (1, 1)
    assert plans.difference(owner, "marts.t") == []


def keyed(owner: Connection, name: str, query: str, key: list[str]) -> None:
    plans.create(
        owner,
        name,
        query,
        sources=[("src.t", ["k"])],
        identity=key,
        deltas={
            "0": "outcome as (select 0::bigint rows_inserted, 0::bigint rows_deleted, false consistent)"
        },
    )


def test_keyed_difference_is_decided_on_images(owner: Connection) -> None:
    owner.execute("create table src.t (k numeric, v numeric, j json)")
    owner.execute("insert into src.t values (1, 1.0, '[1]'), (2, 2, '[2]'), (null, 3, '[3]')")
    keyed(owner, "marts.t", "select k, v, j from src.t", ["k"])
    owner.execute("update src.t set v = 1.00 where k = 1")
    outcome = plans.refresh(owner, "marts.t", mode="FULL")
    assert (outcome.rows_inserted, outcome.rows_deleted) == (1, 1)
    owner.execute("update src.t set k = 2.0, j = '[ 2]' where k = 2")
    owner.execute("update src.t set v = 4 where k is null")
    outcome = plans.refresh(owner, "marts.t", mode="FULL")
    assert (outcome.rows_inserted, outcome.rows_deleted) == (2, 2)
    assert plans.difference(owner, "marts.t") == []
    outcome = plans.refresh(owner, "marts.t", mode="FULL")
    assert (outcome.rows_inserted, outcome.rows_deleted) == (0, 0)


@pytest.mark.parametrize("key", [["k"], None])
def test_unique_values_may_be_swapped_under_a_users_index(
    owner: Connection, key: list[str] | None
) -> None:
    owner.execute("create table src.t as select i as k, i as u from generate_series(1, 100) i")
    if key:
        keyed(owner, "marts.t", "select k, u from src.t", key)
    else:
        plans.create(owner, "marts.t", "select k, u from src.t")
    owner.execute("create unique index on marts.t (u)")
    owner.execute("update src.t set u = 101 - u")
    plans.refresh(owner, "marts.t", mode="FULL")
    assert plans.difference(owner, "marts.t") == []


def test_readers_are_not_blocked_and_the_table_keeps_its_file(
    owner: Connection, connect: Any
) -> None:
    owner.execute("create table src.t as select generate_series(1, 100) k")
    plans.create(owner, "marts.t", "select k from src.t")
    before = owner.execute("select pg_relation_filenode('marts.t')").fetchone()
    reader = connect("owner", autocommit=False)
    reader.execute("select * from marts.t")
    owner.execute("update src.t set k = -k")
    owner.execute("set lock_timeout = '1s'")
    plans.refresh(owner, "marts.t")
    assert owner.execute("select pg_relation_filenode('marts.t')").fetchone() == before


def test_state_is_refilled_while_a_backup_reads_it(owner: Connection, connect: Any) -> None:
    owner.execute(
        "create table src.orders (id int primary key, customer int not null, amount int not null)"
    )
    owner.execute("insert into src.orders select i, i % 10, i from generate_series(1, 100) i")
    plans.totals(owner)
    backup = connect(autocommit=False)
    backup.execute("lock table pgtrickle_state.s_totals in access share mode")
    owner.execute("set lock_timeout = '1s'")
    owner.execute("update src.orders set amount = amount + 1")
    plans.refresh(owner, "marts.totals", mode="REINITIALIZE")
    owner.execute("delete from src.orders where id < 5")
    assert plans.refresh(owner, "marts.totals").action == "DIFFERENTIAL"
    assert plans.difference(owner, "marts.totals") == []


def test_keys_with_nulls_are_compared_without_noise(owner: Connection) -> None:
    owner.execute("create table src.t (k int, l int, v numeric)")
    owner.execute(
        "insert into src.t select nullif(i % 7, 0), nullif(i / 7, 3), i from generate_series(0, 69) i"
    )
    keyed(owner, "marts.t", "select k, l, v from src.t", ["k", "l"])
    outcome = plans.refresh(owner, "marts.t", mode="FULL")
    assert (outcome.rows_inserted, outcome.rows_deleted) == (0, 0)
    owner.execute("update src.t set v = v + 1 where k is null and l < 3")
    owner.execute("delete from src.t where k is null and l is null")
    owner.execute("insert into src.t values (null, 100, 1)")
    outcome = plans.refresh(owner, "marts.t", mode="FULL")
    assert (outcome.rows_inserted, outcome.rows_deleted) == (4, 4)
    assert plans.difference(owner, "marts.t") == []
