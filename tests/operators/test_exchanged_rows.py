"""Rows of windows and first rows that are told apart by their key."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

SALES = (
    "create table people (id integer primary key, v integer);"
    "create table sales (id integer primary key, customer integer, amount integer);"
    "insert into people select i, i from generate_series(1, 10) i;"
    "insert into sales select i, 1 + i % 10, i * 10 from generate_series(1, 30) i"
)
JOINED = "sales s join people c on c.id = s.customer"
FIRST = [
    f"select s.id, s.amount, c.v from {JOINED} order by s.amount limit 3",
    f"select distinct on (c.v) c.v, s.id, s.amount from {JOINED} order by c.v, s.amount",
    (
        "select * from (select s.id, s.amount, row_number() over (order by s.amount, s.id) as n"
        f" from {JOINED}) x where n <= 3"
    ),
    (
        "select id, amount from sales where exists (select from people c where c.id = customer)"
        " order by amount limit 3"
    ),
    "select id, amount from sales order by amount, id limit 3",
]
NEVER_THERE = [
    "insert into sales values (100, 5, 1); delete from people where id = 5",
    "insert into sales values (101, 6, 0); delete from sales where id = 101",
    (
        "insert into sales values (102, 6, -1); update sales set amount = -2 where id = 102;"
        " delete from sales where id = 102"
    ),
    "update sales set amount = -5 where id = 7; update sales set amount = 70 where id = 7",
]


def follow(engine: Engine, queries: list[str], changes: list[str]) -> None:
    for i, query in enumerate(queries):
        engine.create_stream_table(f"st_{i}", query, refresh_mode="DIFFERENTIAL")
    for change in changes:
        engine.connection.execute(change)
        for i, query in enumerate(queries):
            assert engine.refresh(f"st_{i}").action in ("DIFFERENTIAL", "NO_DATA"), (change, query)
            assert engine.verify(f"st_{i}").equal, (change, query)


def test_a_row_that_never_was_there_is_no_first_row(engine: Engine) -> None:
    """It comes and goes in one delta, once or twice, and with what it was joined with."""
    engine.connection.execute(SALES)
    follow(engine, FIRST, NEVER_THERE)


def test_a_key_may_be_a_row_with_a_null_in_it(engine: Engine) -> None:
    engine.connection.execute(
        "create type pair as (a integer, b integer);"
        "create table pairs (k pair primary key, p integer, v integer);"
        "insert into pairs values (row(1, null), 1, 1), (row(1, 2), 1, 2)"
    )
    queries = [
        "select k, p, v, row_number() over (partition by p order by v) as n from pairs",
        "select k, p, v from pairs order by v limit 2",
    ]
    follow(engine, queries, ["insert into pairs values (row(2, null), 1, 0)"])


def test_a_domain_that_a_left_join_pads_stays_one(engine: Engine) -> None:
    """A union of changes with NULLs makes its base type of it, which is compared with it."""
    engine.connection.execute(
        "create domain price as numeric(8, 2);"
        "create table offers (id integer primary key, price price);"
        "create table lines (id integer primary key, offer integer, n integer);"
        "insert into offers select i, i * 1.5 from generate_series(1, 5) i;"
        "insert into lines select i, i % 7, i from generate_series(1, 20) i"
    )
    left = "lines l left join offers o on o.id = l.offer"
    queries = [
        f"select l.id, o.price from {left} order by l.id limit 5",
        f"select distinct on (l.offer) l.offer, l.id, o.price from {left} order by l.offer, l.id",
        f"select o.price, sum(l.n) as n from {left} group by o.price",
        f"select l.id, o.price, count(*) over (partition by l.offer) as n from {left}",
    ]
    changes = [
        "update lines set n = n + 1 where id = 3",
        "update offers set price = price + 1 where id < 3",
        "delete from offers where id = 2; update lines set offer = offer + 1 where id < 5",
    ]
    follow(engine, queries, changes)
