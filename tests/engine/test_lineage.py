"""Which columns of which tables the columns of a stream table are computed from."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

SETUP = (
    'create table "Odd ""n.ame" (id integer, parent integer, "Some Value" integer);'
    "create view big as select id, customer as who, amount from orders where amount > 10"
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            (
                "select b.who, c.region || '!' as region, sum(b.amount) as total, count(*) as n,"
                " 7 as seven from big b join customers c on c.id = b.who where c.id > 1"
                " group by b.who, c.region"
            ),
            {
                "who": {"public.orders.customer"},
                "region": {"public.customers.region"},
                "total": {"public.orders.amount"},
                "n": {None},
                "seven": {None},
            },
        ),
        (
            "select id, amount from orders union all select id, length(region) from customers",
            {
                "id": {"public.orders.id", "public.customers.id"},
                "amount": {"public.orders.amount", "public.customers.region"},
            },
        ),
        (
            (
                "select o.id, rank() over (partition by customer order by amount) as place,"
                " (select max(region) from customers c where c.id = o.customer) as region"
                " from orders o"
            ),
            {
                "id": {"public.orders.id"},
                "place": {"public.orders.amount", "public.orders.customer"},
                "region": {"public.customers.region"},
            },
        ),
        (
            (
                'with recursive below as (select id, "Some Value" as v from "Odd ""n.ame"'
                ' where id = 1 union all select o.id, b.v + 1 from "Odd ""n.ame" o'
                " join below b on b.id = o.parent) select id, v from below"
            ),
            {
                "id": {'public."Odd ""n.ame".id'},
                "v": {'public."Odd ""n.ame".Some Value'},
            },
        ),
        ("select random() as r, id from orders", {"r": {None}, "id": {None}}),  # recomputed
    ],
)
def test_columns_are_traced_to_their_sources(
    engine: Engine, query: str, expected: dict[str, set[str | None]]
) -> None:
    engine.connection.execute(SETUP)
    engine.create_stream_table("t", query, refresh_mode="AUTO")
    found: dict[str, set[str | None]] = {}
    for output, table, column in engine.session.rows(
        "select * from pgtrickle.stream_table_lineage('t')"
    ):
        found.setdefault(output, set()).add(f"{table}.{column}" if table else None)
    assert found == expected


def test_it_follows_a_source_that_was_rebuilt(engine: Engine) -> None:
    engine.create_stream_table("t", "select region from customers")
    engine.connection.execute(
        "create table rebuilt (like customers including all); drop table customers;"
        "alter table rebuilt rename to customers"
    )
    engine.refresh("t")
    assert engine.session.rows("select * from pgtrickle.stream_table_lineage('t')") == [
        ("region", "public.customers", "region")
    ]
