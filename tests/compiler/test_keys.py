"""What a stream table's rows are found by."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine
from pgtrickle.query.algebra import Attribute, Constant, Join, Node
from pgtrickle.query.keys import keys

# Subqueries of a column `shop` that may be NULL, of which no two rows have the same.
ONE_EACH = {
    "groups": "select shop, sum(amount) as total from sales group by shop",
    "renamed": "select k as shop, n as total from"
    " (select shop as k, count(*) as n from sales group by 1) as g where n > 1",
    "distinct": "select shop, 1 as total from (select distinct shop from sales) as d",
}
SEVERAL = "select shop, day, sum(amount) as total from sales group by 1, 2"
JOINS = (
    "select s.name, o.total from shops s left join ({}) o on o.shop = s.name",
    "select s.name, o.total from shops s join ({}) o on o.shop = s.name",
    "select s.name, o.total from ({}) o right join shops s on o.shop = s.name",
)
FULL = "select s.name, o.total from shops s full join ({}) o on o.shop = s.name"


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("joined", ONE_EACH.values(), ids=ONE_EACH)
def test_a_join_with_one_row_each_keeps_the_key(engine: Engine, join: str, joined: str) -> None:
    assert engine.compile(join.format(joined)).identity.columns == ("name",)


@pytest.mark.parametrize("query", [JOINS[0].format(SEVERAL), FULL.format(ONE_EACH["groups"])])
def test_a_join_with_several_rows_or_none_does_not(engine: Engine, query: str) -> None:
    assert engine.compile(query).identity.kind == "row"


def test_rows_of_such_a_join_are_updated_where_they_are(engine: Engine) -> None:
    connection = engine.connection
    connection.execute(
        "insert into shops select 's' || i from generate_series(1, 5) i;"
        "insert into sales (id, shop, amount) values (1, 's1', 10), (2, null, 7), (3, null, 8)"
    )
    engine.create_stream_table("totals", JOINS[0].format(ONE_EACH["groups"]))
    for change in (
        "update sales set amount = 11 where id = 1",
        "update sales set shop = 's2' where id = 2",
        "update sales set shop = null where id = 1",
        "delete from sales where id < 3; insert into sales (id, shop, amount) values (4, 's4', 1)",
        "insert into sales (id, shop, amount) values (1, 's5', 1), (2, 's5', 2), (5, null, 3)",
        "update shops set name = 's6' where name = 's4'",
    ):
        connection.execute(change)
        assert engine.refresh("totals").reason is None, change
        assert engine.verify("totals").equal, change


def test_keys_of_many_joins_are_looked_for_once_each() -> None:
    """Twice at each join would not end in our lifetime."""
    node: Node = Constant("SELECT 0 AS c0", (Attribute("c0"),), single=True)
    for number in range(1, 100):
        one = Constant(f"SELECT {number} AS c{number}", (Attribute(f"c{number}"),), single=True)
        node = Join(node, one)
    assert keys(node) == (frozenset(),)


@pytest.mark.parametrize(
    ("key", "several"),
    [
        ("price", False),
        ("rate", True),
        ("price - coalesce(discount, 0.0)", False),
        ("price * discount + 1.25", False),
        ("price * 2", False),
        ("price * id", False),
        ("price * (id + 1)", False),
        ("price * sqrt(id)::numeric", True),
        ("price * rate", True),
        ("price / 2.0", True),
        ("coalesce(discount, 0.125)", True),
        ("case when id > 2 then price end", False),
        ("case when id > 2 then price else rate end", True),
    ],
)
def test_keys_of_as_many_decimals_each_print_one_way(
    engine: Engine, key: str, several: bool
) -> None:
    """Else a group goes afresh with the row that its key was taken from."""
    engine.connection.execute(
        "create table offers (id integer primary key, price numeric(7, 2),"
        " discount numeric(5, 2), rate numeric)"
    )
    union = f"select {key} as x from offers union all select {key} from offers where id > 5"
    plan = engine.compile(f"select x, count(*) as n from ({union}) u group by x")
    assert ("keys" in plan.open) == several
