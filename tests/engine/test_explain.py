"""`Engine.explain`: mode, operators, state, and the indexes that would help."""

from __future__ import annotations

import psycopg
import pytest

from pgtrickle.engine import Engine

pytestmark = pytest.mark.every_server

BY_REGION = (
    "select c.region, sum(o.amount) as total from orders o join customers c on c.id = o.customer"
    " group by c.region"
)


@pytest.fixture
def large(engine: Engine) -> Engine:
    """The same tables with enough rows for an index to matter."""
    engine.connection.execute(
        "insert into customers select i, 'r' || i % 3 from generate_series(10, 3000) i;"
        "insert into orders select i, i % 3000, i from generate_series(51, 5000) i;"
    )
    engine.connection.execute("analyze customers, orders")
    return engine


def statements(engine: Engine, query: str) -> set[str]:
    return {missing.statement for missing in engine.explain(query).advice}


def test_a_stream_table_is_explained_from_its_plan(engine: Engine) -> None:
    engine.create_stream_table('"By Region"', BY_REGION)
    told = engine.explain('"By Region"')
    assert told.name == 'public."By Region"'
    assert (told.mode, told.reason, told.identity) == ("DIFFERENTIAL", None, "region")
    assert told.tree[0].startswith("group by (1 keys, 1 aggregates): carried forward")
    assert told.tree[1].strip().startswith("join: linear")
    assert {source.name: set(source.columns) for source in told.sources} == {
        "public.customers": {"id", "region"},
        "public.orders": {"customer", "amount"},
    }
    assert set(told.delta) == {"0", "1", "*"}
    assert all(state.size_bytes is not None for state in told.state)


def test_a_query_is_explained_without_leaving_anything(engine: Engine) -> None:
    told = engine.explain(BY_REGION)
    assert (told.name, told.mode) == (None, "DIFFERENTIAL")
    assert all(state.size_bytes is None for state in told.state)
    assert engine.status() == []


def test_only_aggregates_that_force_it_are_named_for_aggregating_afresh(engine: Engine) -> None:
    query = "select customer, count(*), max(id), array_agg(id) from orders group by customer"
    assert "groups aggregated afresh (array_agg) (state: " in engine.explain(query).tree[0]


def test_recomputation_is_explained_with_its_reason(engine: Engine) -> None:
    told = engine.explain("select id, random() as r from orders")
    assert told.mode == "FULL"
    assert "random" in str(told.reason)
    assert told.identity is None
    engine.connection.execute(
        "select pgtrickle.create_stream_table('pending', 'select id from orders')"
    )
    told = engine.explain("pending")
    assert told.mode == "FULL"
    assert "not compiled yet" in str(told.reason)


def test_an_unknown_name_is_an_error(engine: Engine) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable, match="nothing"):
        engine.explain("nothing")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (BY_REGION, {"create index on public.orders (customer);"}),
        (
            "select o.id, c.region from orders o left join customers c on c.id = o.customer",
            {"create index on public.orders (customer);"},
        ),
        (
            "select id from customers c where exists (select from orders where customer = c.id)",
            {"create index on public.orders (customer);"},
        ),
        (
            "select customer, max(amount) as most from orders group by 1",
            {"create index on public.orders (customer);"},
        ),
        (
            "select region, array_agg(id order by id) as ids from customers group by 1",
            {"create index on public.customers (region);"},
        ),
        (
            "select row_number() over (partition by customer order by id) as n, id from orders",
            {"create index on public.orders (customer);"},
        ),
        (
            "select o.id from orders o join orders p using (customer, amount) where o.id < p.id",
            {"create index on public.orders (amount, customer);"},
        ),
        ("select customer, sum(amount) as total from orders group by 1", set()),
        ("select id, amount from orders where amount > 5", set()),
        ("select o.id, c.region from orders o join customers c using (id)", set()),
        (
            "with t as (select distinct customer from orders) select id from t natural join orders",
            {"create index on public.orders (customer);"},
        ),
    ],
)
def test_missing_indexes_are_named(large: Engine, query: str, wanted: set[str]) -> None:
    assert large.explain(query).mode == "DIFFERENTIAL"
    # The order of the columns is of no consequence.
    swapped = {
        s.replace("(customer, amount)", "(amount, customer)") for s in statements(large, query)
    }
    assert swapped == wanted


@pytest.mark.parametrize(
    ("index", "serves"),
    [
        ("create index on orders (customer)", True),
        ("create index on orders (customer, amount)", True),
        ("create index on orders using hash (customer)", True),
        ("create index on orders (amount, customer)", False),
        ("create index on orders (customer) where amount > 5", False),
        ("create index on orders ((customer + 0))", False),
    ],
)
def test_an_index_that_begins_with_the_columns_serves(
    large: Engine, index: str, serves: bool
) -> None:
    large.connection.execute(index)
    assert (statements(large, BY_REGION) == set()) is serves


def test_what_is_advised_helps(large: Engine) -> None:
    """The statement runs as it stands, also for names that need quotes, and is gone then."""
    large.connection.execute(
        'create table "My Orders" ("Customer" integer, n integer);'
        'insert into "My Orders" select i, i from generate_series(1, 3000) i'
    )
    large.connection.execute('analyze "My Orders"')
    query = 'select c.region, o.n from "My Orders" o join customers c on c.id = o."Customer"'
    large.create_stream_table("t", query)
    (missing,) = large.explain("t").advice
    assert missing.statement == 'create index on public."My Orders" ("Customer");'
    assert missing.why == "it is joined with what changes"
    large.connection.execute(missing.statement)
    assert large.explain("t").advice == ()


def test_an_index_on_a_small_table_is_not_advised(large: Engine) -> None:
    large.connection.execute("delete from orders where id > 100")
    large.connection.execute("analyze orders")
    assert statements(large, BY_REGION) == set()


def test_operators_name_their_state_and_sql_tells_missing_indexes(large: Engine) -> None:
    large.create_stream_table("by_region", BY_REGION)
    told = large.explain("by_region")
    assert f"(state: {told.state[0].name})" in told.tree[0]
    in_sql = dict(large.session.rows("select * from pgtrickle.explain_st('by_region')"))
    assert in_sql["missing_indexes"] == "\n".join(
        f"{missing.statement}  -- {missing.why}" for missing in told.advice
    )
    large.connection.execute("create index on orders (customer)")
    in_sql = dict(large.session.rows("select * from pgtrickle.explain_st('by_region')"))
    assert "missing_indexes" not in in_sql
