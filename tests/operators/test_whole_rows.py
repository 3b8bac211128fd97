"""Whole rows as values, where the table under them changes its columns."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from pgtrickle.engine import Engine

QUERIES = {
    "as_json": "select id, row_to_json(o)::text as j from orders o",
    "counted": "select customer, count(o) as n from orders o group by customer",
    "as_text": "select c.id, o::text as t from customers c left join orders o on o.customer = c.id",
}
CHANGES = (
    "alter table orders add column extra integer default 5",
    "insert into orders values (1000, 1, 5, 7)",
    "alter table orders drop column extra",
    "update orders set amount = 3 where id < 4",
    "alter table orders rename column amount to price",
    "delete from orders where id = 9",
)


def test_a_row_has_the_columns_that_its_table_has(engine: Engine) -> None:
    for name, query in QUERIES.items():
        engine.create_stream_table(name, query, refresh_mode="DIFFERENTIAL")
    for change in CHANGES:
        engine.connection.execute(change)
        for name in QUERIES:
            engine.refresh(name)
            assert engine.verify(name).equal, (change, name)
    engine.connection.execute("update orders set customer = 2 where id = 10")
    for name in QUERIES:
        assert engine.refresh(name).action == "DIFFERENTIAL"
        assert engine.verify(name).equal


def test_state_does_not_keep_a_table_from_being_altered(engine: Engine) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="forbid to alter"):
        engine.create_stream_table(
            "st", "select count(distinct o) as n from orders o", refresh_mode="DIFFERENTIAL"
        )
    engine.create_stream_table("st", "select count(distinct o) as n from orders o")
    assert engine.refresh("st").action == "FULL"
    engine.connection.execute("alter table orders add column extra integer default 5")
    engine.refresh("st")
    assert engine.verify("st").equal


def test_rows_of_a_subquery_are_not_kept(engine: Engine) -> None:
    query = "select count(distinct s) as n from (select customer, amount from orders) as s"
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="whole row"):
        engine.create_stream_table("st", query, refresh_mode="DIFFERENTIAL")
    engine.create_stream_table("st", query)
    assert engine.verify("st").equal


@pytest.mark.every_server
@pytest.mark.parametrize(
    "source",
    [
        "(select customer, customer from orders) s",
        '(select id as "a ""b""", amount as "a ""b""" from orders) s',
        "(orders join customers on orders.customer = customers.id) s",
    ],
)
def test_a_row_may_have_two_fields_of_one_name(source: str, engine: Engine) -> None:
    engine.create_stream_table("st", f"select row_to_json(s)::text as j from {source}")
    assert engine.verify("st").equal
    engine.connection.execute("insert into orders values (99, 1, 5)")
    engine.refresh("st")
    assert engine.verify("st").equal


@pytest.mark.parametrize(
    "name", ['a"b', '" (', 'z"', "x)}", "back\\slash", '{ALIAS :aliasname z "']
)
def test_fields_may_have_any_name(engine: Engine, name: str) -> None:
    engine.connection.execute(
        sql.SQL("create table l (id integer primary key, x integer, {} integer)")
        .format(sql.Identifier(name))
        .as_string(engine.connection)
    )
    engine.connection.execute("create table r (id integer, x integer)")
    engine.create_stream_table("st", "select to_jsonb(j) as row from (r join l using (id)) j")
    engine.connection.execute(
        "insert into l values (1, 2, 3), (2, 3, 4); insert into r values (1, 4)"
    )
    engine.refresh("st")
    assert engine.verify("st").equal
    assert engine.connection.execute("select count(*) from st").fetchone() == (1,)
