# ruff: noqa: E501 -- an SQL statement reads best on one line
"""Whatever a statement writes, its IMMEDIATE stream tables equal their queries when it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.runtime.conftest import Connect
from tests.runtime.immediate.conftest import Immediate
from tests.runtime.immediate.queries import QUERIES

pytestmark = [pytest.mark.every_server, pytest.mark.one_in(2)]

Connection = psycopg.Connection[Any]
Current = Callable[..., None]

STATEMENTS = {
    "insert": "insert into src.orders values (200, 3, 70), (201, 4, 7)",
    "update": "update src.orders set amount = amount + 10, customer = 1 + customer % 20 where id < 60",
    "delete": "delete from src.orders where customer = 4",
    "nothing": "delete from src.orders where false",
    "on conflict": "insert into src.orders select i, 1, i from generate_series(95, 110) i on conflict (id) do update set amount = excluded.amount + 1000",
    "on conflict nothing": "insert into src.orders select i, 1, i from generate_series(95, 110) i on conflict do nothing",
    "update from": "update src.orders o set amount = c.id * 100 from src.customers c where c.id = o.customer and c.id < 5",
    "delete using": "delete from src.orders o using src.customers c where c.id = o.customer and c.region = 'r1'",
    "returning": "update src.orders set amount = amount + 1 where id between 5 and 25 returning id",
    "function": "do $$ begin insert into src.customers values (60, 'r7'); insert into src.orders values (300, 60, 88); update src.orders set customer = 60 where id < 9; delete from src.orders where id = 300; end $$",
    "all rows anew": "with gone as (delete from src.orders returning *) insert into src.orders select id + 1000, customer, amount from gone",
    "merge": "merge into src.orders o using (select generate_series(95, 110) as id) n on n.id = o.id when matched and n.id < 97 then delete when matched then update set amount = 0 when not matched then insert values (n.id, 2, 90)",
    "truncate": "truncate src.orders",
    "truncate both": "truncate src.orders, src.customers",
    "truncate cascade": "truncate src.customers cascade",
    "cascaded delete": "delete from src.customers where id in (2, 3, 5)",
    "cascaded update": "update src.customers set id = id + 100, region = 'x' where id < 7",
    "writable cte": "with c as (insert into src.customers values (50, 'r9') returning id), d as (delete from src.orders where id < 30), u as (update src.orders set amount = 77 where id > 90) select from c",
}


@pytest.fixture(autouse=True)
def tables(immediate: Immediate, sources: None) -> None:
    for name, query in QUERIES.items():
        immediate(name, query)


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS.keys())
def test_statement(connect: Connect, current: Current, statement: str) -> None:
    writer = connect("writer")
    writer.execute(statement)
    current(*QUERIES)
    writer.execute("insert into src.customers values (99, 'r1')")
    writer.execute("insert into src.orders values (999, 99, 999)")
    current(*QUERIES)
