"""A stream table that gets another query: what it held is no guide to what identifies its rows."""

from __future__ import annotations

import pytest

from pgtrickle.engine import Engine

QUERIES = {
    "by key": "select id, customer from seen",
    "of another key": "select customer, count(*)::integer as id from seen group by customer",
    "repeated rows": "select customer from seen",
    "distinct rows": "select distinct customer from seen",
    "others distinct": "select distinct amount as customer from seen where amount > 2",
    "one row": "select max(id) as customer from seen",
}


@pytest.fixture
def seen(engine: Engine) -> Engine:
    """A source whose columns but one may be null, and repeat."""
    engine.connection.execute(
        "create table seen (id integer primary key, customer integer, amount integer);"
        "insert into seen select i, nullif(i % 10, 3), i % 7 from generate_series(1, 300) i"
    )
    return engine


@pytest.mark.one_in(2)
@pytest.mark.parametrize("mode", ["AUTO", "FULL"])
@pytest.mark.parametrize("before", QUERIES)
def test_equals_the_query_it_has_now(before: str, mode: str, seen: Engine) -> None:
    for number, (after, query) in enumerate(QUERIES.items()):
        if after == before:
            continue
        name = f"st_{number}"
        seen.create_stream_table(name, QUERIES[before], refresh_mode=mode)
        seen.alter_stream_table(name, query=query)
        assert seen.verify(name).equal, after
        seen.connection.execute(
            "update seen set amount = 3 + amount % 4, customer = customer + 1 where id < 9;"
            "insert into seen select max(id) + 1, null, 3 from seen"
        )
        seen.refresh(name)
        assert seen.verify(name).equal, after


def test_a_key_that_came_after_the_rows(engine: Engine) -> None:
    """The table still holds the rows of before, of which two are alike."""
    run = engine.connection.execute
    run("create table found (id integer, v integer)")
    run("insert into found values (1, 1), (1, 1), (2, 2), (3, null)")
    engine.create_stream_table("st", "select id, v from found")
    run("delete from found where ctid = (select max(ctid) from found where id = 1)")
    run("alter table found add primary key (id)")
    plan = engine.compile("select id, v from found")
    assert plan.identity is not None
    assert plan.identity.kind == "key"
    run("select pgtrickle.install_plan('st', %s)", (plan.to_json(),))
    engine.refresh("st")
    assert engine.verify("st").equal
    run("insert into found values (4, 4)")
    assert engine.refresh("st").action == "DIFFERENTIAL"
    assert engine.verify("st").equal
    unique = run("select indisunique from pg_index where indrelid = 'st'::regclass").fetchall()
    assert unique == [(True,)]
